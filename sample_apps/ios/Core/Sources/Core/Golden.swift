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
    private static let runs = 100  // answers that are timed, or as many as a second has
    private static let mostMilliseconds = 1000.0  // for a text that somebody types has to wait
    private static let warmUp = 5  // answers before those
    private static let usual = 16  // texts of the task itself, which come before the awkward ones

    /// How one text came out.
    public struct Row: Identifiable, Sendable {
        public let id: Int
        public let text: String
        public let pair: String?
        /// Whether the tokens are the same, and of a pair which text each belongs to.
        public let sameIds: Bool
        /// Whether the label is the same, or was a tie; of a score, whether it is near.
        public let sameLabel: Bool
        /// The largest difference of a logit; infinite where one is not finite.
        public let off: Double
        let tolerance: Double

        public var isWrong: Bool { !sameIds || !sameLabel || !off.isFinite }
        public var isExact: Bool { !isWrong && off <= tolerance }
    }

    /// How all of them came out.
    public struct Report: Sendable {
        public let rows: [Row]
        let times: [Double]  // sorted, in ms

        public var wrong: Int { rows.filter(\.isWrong).count }
        public var exact: Int { rows.filter(\.isExact).count }
        public var isPassed: Bool {
            !rows.isEmpty && wrong == 0 && Double(exact) >= Golden.enough * Double(rows.count)
        }

        /// The time from text to logits below which a share of the answers lies, by the nearest
        /// rank, in ms, of a model that is warm and of texts of the task itself.
        public func latency(_ share: Double) -> Double {
            times[max(0, Int((share * Double(times.count)).rounded(.up)) - 1)]
        }
    }

    private let texts: [String]
    private let pairs: [String]?
    private let ids: [[Int]]
    private let types: [[Int]]?  // of pairs alone
    private let logits: [[Double]]
    private let tolerance: Double

    /// Takes the bytes of `golden.json`.
    public init(_ bytes: [UInt8]) throws {
        let file = try Fields(bytes, file: "golden.json")
        texts = try file.texts("texts")
        pairs = try file.has("pairs") ? file.texts("pairs") : nil
        ids = try file.rowsOfCounts("input_ids")
        types = try file.has("token_type_ids") ? file.rowsOfCounts("token_type_ids") : nil
        logits = try file.rowsOfNumbers("logits")
        tolerance = try file.number("tolerance")
        let counts = [ids.count, logits.count, pairs?.count ?? ids.count, types?.count ?? ids.count]
        guard !texts.isEmpty, counts.allSatisfy({ $0 == texts.count }) else {
            throw file.wrong("texts")
        }
    }

    /// Asks every text, then takes the time of warm answers.
    public func run(_ classifier: Classifier) throws -> Report {
        let rows = try texts.indices.map { try row($0, classifier) }
        return Report(rows: rows, times: try times(classifier).sorted())
    }

    private func times(_ classifier: Classifier) throws -> [Double] {
        let usual = min(Self.usual, texts.count)
        var times: [Double] = []
        var total = 0.0
        while times.count < Self.warmUp + usual
            || (times.count < Self.warmUp + Self.runs && total < Self.mostMilliseconds)
        {
            let place = times.count % usual
            let start = ProcessInfo.processInfo.systemUptime
            _ = try classifier.logits(classifier.encode(texts[place], pair: pairs?[place]))
            times.append((ProcessInfo.processInfo.systemUptime - start) * 1000)
            total += times[times.count - 1]
        }
        return Array(times.dropFirst(Self.warmUp))
    }

    private func row(_ place: Int, _ classifier: Classifier) throws -> Row {
        let pair = pairs?[place]
        let encoding = classifier.encode(texts[place], pair: pair)
        let found = try classifier.logits(encoding).map(Double.init)
        let wanted = logits[place]
        guard found.count == wanted.count else {
            throw Refused(
                "the model gives \(found.count) numbers, and golden.json has \(wanted.count): "
                    + "bundle it again")
        }
        let sameTypes = types.map { $0[place] == encoding.types } ?? true
        let offs = zip(found, wanted).map { $0.isFinite ? abs($0 - $1) : .infinity }
        return Row(
            id: place, text: texts[place], pair: pair, sameIds: encoding.ids == ids[place] && sameTypes,
            sameLabel: isSameLabel(found, wanted, classifier.task), off: offs.max() ?? .infinity,
            tolerance: tolerance)
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
