/// What stands around texts, such as [CLS] A [SEP] B [SEP].
struct Template {
    private enum Piece {
        case added(ids: [Int], type: Int)
        case text(second: Bool, type: Int)
    }

    private let pieces: [Piece]

    init(_ processor: Fields, pair: Bool) throws {
        switch try processor.text("type") {
        case "TemplateProcessing": pieces = try Self.written(processor, pair: pair)
        case "BertProcessing": pieces = try Self.bert(processor, pair: pair)
        default: throw processor.wrong("type")
        }
    }

    private static func written(_ processor: Fields, pair: Bool) throws -> [Piece] {
        let special = try processor.object("special_tokens")
        return try processor.objects(pair ? "pair" : "single").map { piece in
            let isText = piece.has("Sequence")
            let fields = try piece.object(isText ? "Sequence" : "SpecialToken")
            let id = try fields.text("id")
            let type = try fields.count("type_id")
            if isText { return .text(second: id == "B", type: type) }
            return .added(ids: try special.object(id).counts("ids"), type: type)
        }
    }

    private static func bert(_ processor: Fields, pair: Bool) throws -> [Piece] {
        let first = try id(processor, "cls")
        let last = try id(processor, "sep")
        let single: [Piece] = [
            .added(ids: [first], type: 0), .text(second: false, type: 0),
            .added(ids: [last], type: 0),
        ]
        return pair
            ? single + [.text(second: true, type: 1), .added(ids: [last], type: 1)] : single
    }

    /// The id of an entry ["[CLS]", 101].
    private static func id(_ processor: Fields, _ name: String) throws -> Int {
        let entry = try processor.list(name)
        guard entry.count == 2, case .number(let id) = entry[1], let whole = Int(exactly: id) else {
            throw processor.wrong(name)
        }
        return whole
    }

    /// How many tokens it adds.
    var added: Int {
        pieces.reduce(0) { count, piece in
            if case .added(let ids, _) = piece { return count + ids.count }
            return count
        }
    }

    /// Puts texts, one or two, in their places.
    func fill(_ texts: [[Token]]) -> Encoding {
        var out = Encoding()
        for piece in pieces {
            switch piece {
            case .added(let ids, let type):
                for id in ids { out.append(Token(id: id, start: 0, end: 0), type: type) }
            case .text(let second, let type):
                for token in texts[second ? 1 : 0] { out.append(token, type: type) }
            }
        }
        return out
    }
}

/// What a model takes for a text, and where each token stands in it.
public struct Encoding: Equatable {
    public private(set) var ids: [Int] = []
    public private(set) var types: [Int] = []
    /// Start and end of each token in its text, in code points; (0, 0) for what was added.
    public private(set) var offsets: [Range<Int>] = []

    mutating func append(_ token: Token, type: Int) {
        ids.append(token.id)
        types.append(type)
        offsets.append(token.start..<token.end)
    }
}
