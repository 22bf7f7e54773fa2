/// Tokens that are found in a text before it is cut into words, such as [MASK]: the leftmost, of
/// those the longest.
struct AddedTokens {
    private struct Added {
        let codes: [UInt32]
        let id: Int
        let takesLeft: Bool
        let takesRight: Bool
    }

    /// A part of a text: a token, or what lies between tokens.
    enum Part {
        case token(Token)
        case rest(AlignedText)
    }

    private var byFirst: [UInt32: [Added]] = [:]
    private let unicode: UnicodeTables

    init(unicode: UnicodeTables) {
        self.unicode = unicode
    }

    mutating func add(_ codes: [UInt32], _ fields: Fields) throws {
        guard let first = codes.first else { return }
        guard try !fields.flag("single_word") else {
            throw Refused(
                "tokenizer.json has a token that is found as a whole word only, which this app "
                    + "cannot do")
        }
        let added = Added(
            codes: codes, id: try fields.count("id"), takesLeft: try fields.flag("lstrip"),
            takesRight: try fields.flag("rstrip"))
        byFirst[first, default: []].append(added)
        byFirst[first]?.sort { $0.codes.count > $1.codes.count }
    }

    func split(_ text: AlignedText) -> [Part] {
        var parts: [Part] = []
        var done = 0
        var at = 0
        while at < text.count, !byFirst.isEmpty {
            guard let found = find(text, at: at) else {
                at += 1
                continue
            }
            var start = at
            var end = at + found.codes.count
            at = end  // and not after the spaces: the next token may begin with one
            while found.takesLeft, start > done, isSpace(text, start - 1) { start -= 1 }
            if found.takesLeft, start < done, done < end { start = done }  // taken by the one before
            while found.takesRight, end < text.count, isSpace(text, end) { end += 1 }
            if done < start { parts.append(.rest(text.part(done..<start))) }
            parts.append(
                .token(Token(id: found.id, start: text.starts[start], end: text.ends[end - 1])))
            done = end
        }
        if done < text.count { parts.append(.rest(text.part(done..<text.count))) }
        return parts
    }

    private func find(_ text: AlignedText, at place: Int) -> Added? {
        byFirst[text.codes[place]]?.first { text.codes[place...].starts(with: $0.codes) }
    }

    private func isSpace(_ text: AlignedText, _ place: Int) -> Bool {
        unicode.isA(.space, text.codes[place])
    }
}
