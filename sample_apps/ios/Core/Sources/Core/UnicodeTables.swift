/// Unicode as the model's tokenizer saw it in training: the tables of `unicode.txt`. The
/// system's own Unicode is of another version in every release.
public struct UnicodeTables {
    struct Kind: OptionSet {
        let rawValue: UInt8

        static let removed = Kind(rawValue: 1)
        static let space = Kind(rawValue: 2)
        static let punctuation = Kind(rawValue: 4)
        static let chinese = Kind(rawValue: 8)
        static let mark = Kind(rawValue: 16)
    }

    private static let format = "kdc.unicode/1"
    private static let end = 0x110000
    private static let sets: [(name: String, kind: Kind)] = [
        ("removed", .removed), ("space", .space), ("punctuation", .punctuation),
        ("chinese", .chinese), ("mark", .mark),
    ]

    private var kinds = [UInt8](repeating: 0, count: UnicodeTables.end)
    private var classes = [UInt8](repeating: 0, count: UnicodeTables.end)
    private var decompositions: [UInt32: [UInt32]] = [:]
    private var lowercases: [UInt32: [UInt32]] = [:]

    /// Reads the content of `unicode.txt`.
    public init(_ text: String) throws {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        guard lines.first == [Substring(Self.format)] else {
            throw Refused("unicode.txt is no \(Self.format): build the app again")
        }
        for line in lines.dropFirst() where !line.isEmpty {
            try read(String(line[0]), entries: line.dropFirst())
        }
    }

    private mutating func read(_ name: String, entries: ArraySlice<Substring>) throws {
        if let set = Self.sets.first(where: { $0.name == name }) {
            for entry in entries {
                for code in try Self.run(entry) { kinds[code] |= set.kind.rawValue }
            }
        } else if name == "class" {
            for entry in entries {
                let (run, rank) = try Self.halves(entry, at: ":")
                let own = UInt8(truncatingIfNeeded: try Self.number(rank))
                for code in try Self.run(run) { classes[code] = own }
            }
        } else {
            for entry in entries {
                let (code, to) = try Self.halves(entry, at: ">")
                let key = try Self.number(code)
                let codes = try to.split(separator: ",").map { try Self.number($0) }
                if name == "decompose" { decompositions[key] = codes }
                if name == "lower" { lowercases[key] = codes }
            }
        }
    }

    private static func halves(_ entry: Substring, at mark: Character) throws
        -> (Substring, Substring)
    {
        let parts = entry.split(separator: mark)
        guard parts.count == 2 else { throw damaged(entry) }
        return (parts[0], parts[1])
    }

    private static func run(_ entry: Substring) throws -> ClosedRange<Int> {
        let ends = try entry.split(separator: "-").map { Int(try number($0)) }
        guard let first = ends.first, let last = ends.last, first <= last else {
            throw damaged(entry)
        }
        return first...last
    }

    private static func number(_ digits: Substring) throws -> UInt32 {
        guard let number = UInt32(digits, radix: 16), number < end else { throw damaged(digits) }
        return number
    }

    private static func damaged(_ entry: Substring) -> Refused {
        Refused("unicode.txt is damaged at \(entry): build the app again")
    }

    func isA(_ kind: Kind, _ code: UInt32) -> Bool {
        kinds[Int(code)] & kind.rawValue != 0
    }

    /// The rank of the canonical combining class; 0 for what no mark moves over.
    func rank(_ code: UInt32) -> UInt8 {
        classes[Int(code)]
    }

    func lowercase(_ code: UInt32) -> [UInt32] {
        lowercases[code] ?? [code]
    }

    /// The full canonical decomposition; Hangul syllables by the Unicode Standard's arithmetic.
    func decompose(_ code: UInt32) -> [UInt32] {
        guard (0xAC00...0xD7A3).contains(code) else { return decompositions[code] ?? [code] }
        let index = code - 0xAC00
        let pair = [0x1100 + index / 588, 0x1161 + index / 28 % 21]
        return index % 28 == 0 ? pair : pair + [0x11A7 + index % 28]
    }
}
