import Foundation

/// What the model is for. (Swift has a `Task` of its own.)
public struct ModelTask: Equatable, Sendable {
    public enum Kind: String, Sendable {
        case classification
        case multiLabel = "multi-label"
        case regression
    }

    public let kind: Kind
    /// In the order of the logits; none for regression.
    public let labels: [String]
    /// Whether an example is two texts.
    public let pair: Bool

    public init(kind: Kind, labels: [String], pair: Bool) {
        self.kind = kind
        self.labels = labels
        self.pair = pair
    }

    init(_ fields: Fields) throws {
        guard let kind = Kind(rawValue: try fields.text("kind")) else { throw fields.wrong("kind") }
        self.init(kind: kind, labels: try fields.texts("labels"), pair: try fields.flag("pair"))
        guard (kind == .regression) == labels.isEmpty else { throw fields.wrong("labels") }
    }
}

/// What logits mean for a task.
public enum Answer: Equatable, Sendable {
    public struct Label: Equatable, Identifiable, Sendable {
        /// The label's place among the task's.
        public let id: Int
        public let name: String
        /// 0 to 1.
        public let probability: Double
        /// Whether the model says that it holds: the likeliest one, or of several each above 1/2.
        public let holds: Bool
    }

    /// The likeliest first.
    case labels([Label])
    case score(Double)

    /// Reads (C,) logits, or (1,) for regression.
    public init(_ logits: [Float], task: ModelTask) throws {
        guard logits.count == max(1, task.labels.count), logits.allSatisfy(\.isFinite) else {
            throw Refused("the model gives other numbers than its task asks for: bundle it again")
        }
        let values = logits.map(Double.init)
        guard task.kind != .regression else {
            self = .score(values[0])
            return
        }
        let several = task.kind == .multiLabel
        let chances = several ? values.map { 1 / (1 + exp(-$0)) } : Answer.softmax(values)
        let best = chances.indices.max { chances[$0] < chances[$1] }
        let labels = chances.indices.map { place in
            Label(
                id: place, name: task.labels[place], probability: chances[place],
                holds: several ? values[place] > 0 : place == best)
        }
        self = .labels(labels.sorted { ($1.probability, $0.id) < ($0.probability, $1.id) })
    }

    private static func softmax(_ values: [Double]) -> [Double] {
        let powers = values.map { exp($0 - (values.max() ?? 0)) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }
}
