/// JSON, read strictly and scalar by scalar.
///
/// Foundation's parsers hand out dictionaries keyed by `String`, to which "é" as one code point
/// and as two are the same key: a vocabulary holds both, and they are different tokens. So an
/// object here is the list of its members, in their order.
public enum Json {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([Json])
    case object([(name: String, value: Json)])

    /// Reads a document.
    public static func parse(_ bytes: [UInt8], file: String) throws -> Json {
        var reader = JsonReader(bytes: bytes, file: file)
        return try reader.document()
    }
}

struct JsonReader {
    private static let deepest = 32

    let bytes: [UInt8]
    let file: String
    private var at = 0

    init(bytes: [UInt8], file: String) {
        self.bytes = bytes
        self.file = file
    }

    mutating func document() throws -> Json {
        let value = try self.value(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw damaged }
        return value
    }

    private var damaged: Refused {
        Refused("\(file) is not valid JSON: it is damaged at byte \(at)")
    }

    private mutating func skipSpace() {
        while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
    }

    /// The next byte that is not white space, without taking it.
    private mutating func peek() throws -> UInt8 {
        skipSpace()
        guard at < bytes.count else { throw damaged }
        return bytes[at]
    }

    private mutating func take(_ wanted: UInt8) throws {
        guard try peek() == wanted else { throw damaged }
        at += 1
    }

    private mutating func takes(_ wanted: UInt8) throws -> Bool {
        guard try peek() == wanted else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws -> Json {
        guard depth < Self.deepest else { throw damaged }
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func object(depth: Int) throws -> Json {
        try take(UInt8(ascii: "{"))
        var members: [(name: String, value: Json)] = []
        if try takes(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            guard try peek() == UInt8(ascii: "\"") else { throw damaged }
            let name = try string()
            try take(UInt8(ascii: ":"))
            members.append((name, try value(depth: depth + 1)))
        } while try takes(UInt8(ascii: ","))
        try take(UInt8(ascii: "}"))
        return .object(members)
    }

    private mutating func array(depth: Int) throws -> Json {
        try take(UInt8(ascii: "["))
        var items: [Json] = []
        if try takes(UInt8(ascii: "]")) { return .array(items) }
        repeat {
            items.append(try value(depth: depth + 1))
        } while try takes(UInt8(ascii: ","))
        try take(UInt8(ascii: "]"))
        return .array(items)
    }

    private mutating func word(_ text: String, _ value: Json) throws -> Json {
        for byte in text.utf8 {
            guard at < bytes.count, bytes[at] == byte else { throw damaged }
            at += 1
        }
        return value
    }

    private mutating func number() throws -> Double {
        let start = at
        while at < bytes.count, "+-.0123456789Ee".utf8.contains(bytes[at]) { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        guard let value = Double(text), value.isFinite else { throw damaged }
        return value
    }

    private mutating func string() throws -> String {
        at += 1  // the quotation mark
        var units: [UInt8] = []
        while true {
            guard at < bytes.count, bytes[at] >= 0x20 else { throw damaged }
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                try units.append(contentsOf: String(escape()).utf8)
            } else {
                units.append(byte)
            }
        }
        let text = String(decoding: units, as: UTF8.self)
        guard text.utf8.elementsEqual(units) else { throw damaged }  // else it was mended
        return text
    }

    /// What stands after a backslash; half of a surrogate pair alone is U+FFFD.
    private mutating func escape() throws -> Unicode.Scalar {
        guard at < bytes.count else { throw damaged }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        default: throw damaged
        }
    }

    private mutating func unicodeEscape() throws -> Unicode.Scalar {
        let first = try fourDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let replacement: Unicode.Scalar = "\u{FFFD}"
        let isHigh = (0xD800..<0xDC00).contains(first)
        let another = at + 1 < bytes.count && bytes[at] == UInt8(ascii: "\\")
            && bytes[at + 1] == UInt8(ascii: "u")
        guard isHigh, another else { return replacement }
        let before = at
        at += 2
        let second = try fourDigits()
        guard (0xDC00..<0xE000).contains(second) else {
            at = before
            return replacement
        }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? replacement
    }

    private mutating func fourDigits() throws -> UInt32 {
        guard at + 4 <= bytes.count else { throw damaged }
        var value: UInt32 = 0
        for byte in bytes[at..<at + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw damaged }
            value = value << 4 | UInt32(digit)
        }
        at += 4
        return value
    }
}
