/// BERT's normalisation, as `tokenizer.json` sets it (`BertNormalizer`).
struct Normalizer {
    private let cleans: Bool
    private let spacesChinese: Bool
    private let stripsAccents: Bool
    private let lowercases: Bool
    private let unicode: UnicodeTables

    init(_ fields: Fields, unicode: UnicodeTables) throws {
        guard try fields.text("type") == "BertNormalizer" else { throw fields.wrong("type") }
        cleans = try fields.flag("clean_text")
        spacesChinese = try fields.flag("handle_chinese_chars")
        lowercases = try fields.flag("lowercase")
        stripsAccents =
            try fields.has("strip_accents") ? fields.flag("strip_accents") : lowercases
        self.unicode = unicode
    }

    func normalize(_ text: AlignedText) -> AlignedText {
        var out = text
        if cleans { out = clean(out) }
        if spacesChinese {
            out = out.replacing { unicode.isA(.chinese, $0) ? [0x20, $0, 0x20] : [$0] }
        }
        if stripsAccents { out = stripAccents(out) }
        if lowercases { out = out.replacing(unicode.lowercase) }
        return out
    }

    private func clean(_ text: AlignedText) -> AlignedText {
        text.replacing { code in
            if unicode.isA(.removed, code) { return [] }
            return [unicode.isA(.space, code) ? 0x20 : code]
        }
    }

    /// Canonical decomposition, then the non-spacing marks dropped. The Rust tokenizer deals
    /// offsets out after the marks are sorted: in order, one source code point for each that is
    /// not an addition.
    private func stripAccents(_ text: AlignedText) -> AlignedText {
        var decomposed: [Decomposed] = []
        for code in text.codes {
            for (place, part) in unicode.decompose(code).enumerated() {
                decomposed.append(
                    Decomposed(code: part, isAdded: place > 0, rank: unicode.rank(part)))
            }
        }
        sortMarks(&decomposed)
        var out = AlignedText()
        var source = -1
        for part in decomposed {
            if !part.isAdded { source += 1 }
            if unicode.isA(.mark, part.code) { continue }
            let start = source < 0 ? 0 : text.starts[source]
            let end = source < 0 ? 0 : text.ends[source]
            out.append(part.code, start: start, end: end)
        }
        return out
    }

    private struct Decomposed {
        let code: UInt32
        let isAdded: Bool
        let rank: UInt8
    }

    /// The canonical order of combining marks: each run of them sorted by class, stably, which
    /// Swift's own sort does not promise.
    private func sortMarks(_ parts: inout [Decomposed]) {
        var from = 0
        while from < parts.count {
            var to = from
            while to < parts.count, parts[to].rank > 0 { to += 1 }
            if to - from > 1 {
                let run = parts[from..<to].enumerated().sorted {
                    ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset)
                }
                parts.replaceSubrange(from..<to, with: run.map { $0.element })
            }
            from = to + 1
        }
    }
}
