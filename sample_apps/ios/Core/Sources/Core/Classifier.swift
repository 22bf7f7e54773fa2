/// A model that answers: the one thing that the core leaves to a runtime.
public protocol Model {
    /// The (C,) logits of one text.
    func logits(_ input: ModelInput) throws -> [Float]
}

/// The inputs of a model for one text, each (1, T); one of fixed length is filled up.
public struct ModelInput: Equatable {
    public let ids: [Int64]
    /// 1 for each token, 0 for padding.
    public let mask: [Int64]
    public let types: [Int64]

    init(_ encoding: Encoding, length: Int?, padding: Int) {
        let rest = max(0, (length ?? 0) - encoding.ids.count)
        let zeros = [Int64](repeating: 0, count: rest)
        ids = encoding.ids.map(Int64.init) + [Int64](repeating: Int64(padding), count: rest)
        mask = [Int64](repeating: 1, count: encoding.ids.count) + zeros
        types = encoding.types.map(Int64.init) + zeros
    }
}

/// A checked model, its tokenizer and its task: text in, answer out.
public struct Classifier {
    public let task: ModelTask
    private let tokenizer: Tokenizer
    private let length: Int?
    private let padding: Int
    private let model: Model

    /// Takes a checked folder and a runtime that has opened its model.
    public init(_ folder: PhoneFolder, unicode: UnicodeTables, model: Model) throws {
        task = folder.task
        tokenizer = try Tokenizer(folder.bytes("tokenizer.json"), unicode: unicode)
        length = try folder.fixedLength()
        let config = try Fields(folder.bytes("config.json"), file: "config.json")
        padding = try config.has("pad_token_id") ? config.count("pad_token_id") : 0
        self.model = model
    }

    /// The tokens of a text, or of two; a task of one text takes no second.
    public func encode(_ text: String, pair: String?) -> Encoding {
        tokenizer.encode(text, pair: task.pair ? pair ?? "" : nil)
    }

    /// The (C,) logits.
    public func logits(_ encoding: Encoding) throws -> [Float] {
        try model.logits(ModelInput(encoding, length: length, padding: padding))
    }

    /// Answers a text, or a pair of them.
    public func answer(_ text: String, pair: String?) throws -> Answer {
        try Answer(logits(encode(text, pair: pair)), task: task)
    }
}
