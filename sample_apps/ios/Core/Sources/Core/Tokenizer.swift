/// BERT's tokenizer as `tokenizer.json` describes it; ids and offsets are the Rust tokenizer's.
public struct Tokenizer {
    private let unicode: UnicodeTables
    private let normalizer: Normalizer
    private let wordPiece: WordPiece
    private var raw: AddedTokens
    private var normal: AddedTokens
    private let single: Template
    private let double: Template
    private let maxLength: Int

    /// Takes the bytes of `tokenizer.json`.
    public init(_ bytes: [UInt8], unicode: UnicodeTables) throws {
        let fields = try Fields(bytes, file: "tokenizer.json")
        let splitter = try fields.object("pre_tokenizer")
        guard try splitter.text("type") == "BertPreTokenizer" else { throw splitter.wrong("type") }
        self.unicode = unicode
        normalizer = try Normalizer(fields.object("normalizer"), unicode: unicode)
        wordPiece = try WordPiece(fields.object("model"))
        let processor = try fields.object("post_processor")
        single = try Template(processor, pair: false)
        double = try Template(processor, pair: true)
        maxLength = try fields.has("truncation") ? Self.length(fields.object("truncation")) : .max
        raw = AddedTokens(unicode: unicode)
        normal = AddedTokens(unicode: unicode)
        for token in try fields.objects("added_tokens") {
            let text = AlignedText(try token.text("content"))
            if try token.flag("normalized") {
                try normal.add(normalizer.normalize(text).codes, token)
            } else {
                try raw.add(text.codes, token)
            }
        }
    }

    private static func length(_ truncation: Fields) throws -> Int {
        for (name, known) in [("strategy", "LongestFirst"), ("direction", "Right")] {
            guard try !truncation.has(name) || truncation.text(name) == known else {
                throw Refused(
                    "tokenizer.json cuts texts otherwise than BERT does (from the right, the "
                        + "longer first), which this app cannot do")
            }
        }
        return try truncation.count("max_length")
    }

    /// The tokens of a text, or of two, as long as the model takes them.
    public func encode(_ text: String, pair: String? = nil) -> Encoding {
        let template = pair == nil ? single : double
        let room = max(0, maxLength - template.added)
        let parts = [text, pair].compactMap { $0 }.map(tokens)
        return template.fill(parts.count == 1 ? [Array(parts[0].prefix(room))] : cut(parts, room))
    }

    /// The longer of two texts loses its end first (longest_first, from the right).
    private func cut(_ parts: [[Token]], _ room: Int) -> [[Token]] {
        let lengths = parts.map(\.count)
        guard lengths[0] + lengths[1] > room else { return parts }
        let shorter = min(lengths[0], lengths[1])
        var (first, second) = (shorter, max(shorter, room - shorter))
        if first + second > room { (first, second) = (room / 2, room / 2 + room % 2) }
        if lengths[0] > lengths[1] { swap(&first, &second) }
        return [Array(parts[0].prefix(first)), Array(parts[1].prefix(second))]
    }

    private func tokens(_ text: String) -> [Token] {
        raw.split(AlignedText(text)).flatMap { part -> [Token] in
            switch part {
            case .token(let token): return [token]
            case .rest(let rest): return normalTokens(rest)
            }
        }
    }

    private func normalTokens(_ text: AlignedText) -> [Token] {
        normal.split(normalizer.normalize(text)).flatMap { part -> [Token] in
            switch part {
            case .token(let token): return [token]
            case .rest(let rest): return words(rest).flatMap { wordPiece.tokens(rest, $0) }
            }
        }
    }

    /// Words end at white space; each punctuation mark is a word of its own.
    private func words(_ text: AlignedText) -> [Range<Int>] {
        var words: [Range<Int>] = []
        var from = 0
        for at in 0..<text.count {
            let isSpace = unicode.isA(.space, text.codes[at])
            let isMark = unicode.isA(.punctuation, text.codes[at])
            guard isSpace || isMark else { continue }
            if from < at { words.append(from..<at) }
            if isMark { words.append(at..<at + 1) }
            from = at + 1
        }
        return from < text.count ? words + [from..<text.count] : words
    }
}
