import Foundation

/// The self-test: texts with the ids, logits and labels that this device must reproduce.
///
/// A text is wrong where its ids or its label are others, or its score is far off. Runtimes round
/// the activations of quantized models differently, which moves the logits of a few texts while
/// their labels stay; so the test is passed where no text is wrong and four in five are exact.
public struct Golden {
    private static let enough = 0.8
    private static let far = 10.0  // tolerances that a score may be off, or, if more,
    private static let farShare = 0.05  // this share of the range of all golden scores

    /// How one text came out.
    public struct Row: Identifiable, Sendable {
        public let id: Int
        public let text: String
        public let pair: String?
        public let sameIds: Bool
        /// Whether the label is the same, or was a tie; of a score, whether it is near.
        public let sameLabel: Bool
        /// The largest difference of a logit; infinite where one is not finite.
        public let off: Double
        public let milliseconds: Double
        let tolerance: Double

        public var isWrong: Bool { !sameIds || !sameLabel || !off.isFinite }
        public var isExact: Bool { !isWrong && off <= tolerance }
    }

    /// How all of them came out.
    public struct Report: Sendable {
        public let rows: [Row]

        public var wrong: Int { rows.filter(\.isWrong).count }
        public var exact: Int { rows.filter(\.isExact).count }
        public var isPassed: Bool {
            !rows.isEmpty && wrong == 0 && Double(exact) >= Golden.enough * Double(rows.count)
        }

        /// The latency below which a share of the texts lies, by the nearest rank, in ms.
        public func latency(_ share: Double) -> Double {
            let times = rows.map(\.milliseconds).sorted()
            return times[max(0, Int((share * Double(times.count)).rounded(.up)) - 1)]
        }
    }

    private let texts: [String]
    private let pairs: [String]?
    private let ids: [[Int]]
    private let logits: [[Double]]
    private let tolerance: Double

    /// Takes the bytes of `golden.json`.
    public init(_ bytes: [UInt8]) throws {
        let file = try Fields(bytes, file: "golden.json")
        texts = try file.texts("texts")
        pairs = try file.has("pairs") ? file.texts("pairs") : nil
        ids = try file.rowsOfCounts("input_ids")
        logits = try file.rowsOfNumbers("logits")
        tolerance = try file.number("tolerance")
        let counts = [ids.count, logits.count, pairs?.count ?? texts.count]
        guard !texts.isEmpty, counts.allSatisfy({ $0 == texts.count }) else {
            throw file.wrong("texts")
        }
    }

    /// Asks every text.
    public func run(_ classifier: Classifier) throws -> Report {
        Report(rows: try texts.indices.map { try row($0, classifier) })
    }

    private func row(_ place: Int, _ classifier: Classifier) throws -> Row {
        let pair = pairs?[place]
        let start = ProcessInfo.processInfo.systemUptime
        let encoding = classifier.encode(texts[place], pair: pair)
        let found = try classifier.logits(encoding).map(Double.init)
        let milliseconds = (ProcessInfo.processInfo.systemUptime - start) * 1000
        let wanted = logits[place]
        guard found.count == wanted.count else {
            throw Refused(
                "the model gives \(found.count) numbers, and golden.json has \(wanted.count): "
                    + "bundle it again")
        }
        let offs = zip(found, wanted).map { $0.isFinite ? abs($0 - $1) : .infinity }
        return Row(
            id: place, text: texts[place], pair: pair, sameIds: encoding.ids == ids[place],
            sameLabel: isSameLabel(found, wanted, classifier.task), off: offs.max() ?? .infinity,
            milliseconds: milliseconds, tolerance: tolerance)
    }

    /// Whether the same labels hold; one that was undecided may fall either way.
    func isSameLabel(_ found: [Double], _ wanted: [Double], _ task: ModelTask) -> Bool {
        switch task.kind {
        case .regression:
            return zip(found, wanted).allSatisfy { abs($0 - $1) <= farthest }
        case .multiLabel:
            return zip(found, wanted).allSatisfy { own, right in
                abs(right) <= tolerance || (own > 0) == (right > 0)
            }
        case .classification:
            guard let most = wanted.max(), let highest = found.max(),
                let chosen = found.firstIndex(of: highest)
            else { return false }
            return most - wanted[chosen] <= 2 * tolerance
        }
    }

    /// How far off a score may be that a rounding moved.
    private var farthest: Double {
        let scores = logits.compactMap(\.first)
        let range = (scores.max() ?? 0) - (scores.min() ?? 0)
        return max(Self.far * tolerance, Self.farShare * range)
    }
}
