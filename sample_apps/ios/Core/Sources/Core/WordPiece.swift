/// A token with its place in the text that it is of, in code points.
public struct Token: Equatable {
    public let id: Int
    public let start: Int
    public let end: Int
}

/// WordPiece (Wu et al. 2016, arXiv 1609.08144): the longest pieces that the vocabulary has, from
/// the left. The vocabulary is a trie over code points, for Swift's strings compare by canonical
/// equivalence, and a vocabulary does not.
struct WordPiece {
    private static let root = 0

    private var children: [UInt64: Int] = [:]
    private var ids: [Int?] = [nil]
    private var inside: Int?
    private let unknown: Int
    private let most: Int

    init(_ model: Fields) throws {
        guard try model.text("type") == "WordPiece" else { throw model.wrong("type") }
        let unknownToken = try model.text("unk_token")
        let vocabulary = try model.object("vocab").wholes()
        let own = vocabulary.last { $0.name.utf8.elementsEqual(unknownToken.utf8) }
        guard let unknown = own?.number else { throw model.wrong("unk_token") }
        self.unknown = unknown
        most = try model.count("max_input_chars_per_word")
        for (token, id) in vocabulary {
            let node = grow(token.unicodeScalars)
            ids[node] = id
        }
        inside = walk(try model.text("continuing_subword_prefix").unicodeScalars)
    }

    private static func key(_ node: Int, _ code: UInt32) -> UInt64 {
        UInt64(node) << 32 | UInt64(code)
    }

    private mutating func grow(_ scalars: String.UnicodeScalarView) -> Int {
        var node = Self.root
        for scalar in scalars {
            let key = Self.key(node, scalar.value)
            if let next = children[key] {
                node = next
            } else {
                ids.append(nil)
                node = ids.count - 1
                children[key] = node
            }
        }
        return node
    }

    private func walk(_ scalars: String.UnicodeScalarView) -> Int? {
        var node = Self.root
        for scalar in scalars {
            guard let next = children[Self.key(node, scalar.value)] else { return nil }
            node = next
        }
        return node
    }

    /// The tokens of a word, which is a range of a text.
    func tokens(_ text: AlignedText, _ word: Range<Int>) -> [Token] {
        let whole = [
            Token(
                id: unknown, start: text.starts[word.lowerBound],
                end: text.ends[word.upperBound - 1])
        ]
        guard word.count <= most else { return whole }
        var found: [Token] = []
        var at = word.lowerBound
        while at < word.upperBound {
            let start = at == word.lowerBound ? Self.root : inside
            guard let start, let (id, end) = longest(text, at..<word.upperBound, from: start) else {
                return whole
            }
            found.append(Token(id: id, start: text.starts[at], end: text.ends[end - 1]))
            at = end
        }
        return found
    }

    /// The longest piece at the start of a range: its id, and where it ends.
    private func longest(_ text: AlignedText, _ range: Range<Int>, from start: Int)
        -> (id: Int, end: Int)?
    {
        var node = start
        var best: (id: Int, end: Int)?
        for place in range {
            guard let next = children[Self.key(node, text.codes[place])] else { break }
            node = next
            if let id = ids[node] { best = (id, place + 1) }
        }
        return best
    }
}
