/// A JSON object of a file, whose values are of the kinds that the app expects, or refused.
public struct Fields {
    public let file: String
    private let members: [(name: String, value: Json)]

    /// Reads a file that holds an object.
    public init(_ bytes: [UInt8], file: String) throws {
        guard case .object(let members) = try Json.parse(bytes, file: file) else {
            throw Refused("\(file) holds no JSON object: it is damaged")
        }
        self.init(members, file: file)
    }

    private init(_ members: [(name: String, value: Json)], file: String) {
        self.file = file
        self.members = members
    }

    public var names: [String] { members.map { $0.name } }

    /// Whether there is a value of that name, and not null.
    public func has(_ name: String) -> Bool {
        if case .some(.null) = value(name) { return false }
        return value(name) != nil
    }

    public func text(_ name: String) throws -> String {
        guard case .some(.string(let text)) = value(name) else { throw wrong(name) }
        return text
    }

    /// A flag; one that is missing or null does not hold.
    public func flag(_ name: String) throws -> Bool {
        guard has(name) else { return false }
        guard case .some(.bool(let flag)) = value(name) else { throw wrong(name) }
        return flag
    }

    public func number(_ name: String) throws -> Double {
        guard case .some(.number(let number)) = value(name) else { throw wrong(name) }
        return number
    }

    /// A whole number from 0 to 2^31 - 1.
    public func count(_ name: String) throws -> Int {
        guard let count = Fields.whole(value(name)) else { throw wrong(name) }
        return count
    }

    /// A whole number from 1 to 2^53 - 1, exact in a Double.
    public func ordinal(_ name: String) throws -> Int64 {
        let value = try number(name)
        guard value >= 1, value < 9_007_199_254_740_992, value == value.rounded() else {
            throw wrong(name)
        }
        return Int64(value)
    }

    public func object(_ name: String) throws -> Fields {
        guard case .some(.object(let members)) = value(name) else { throw wrong(name) }
        return Fields(members, file: file)
    }

    public func objects(_ name: String) throws -> [Fields] {
        try list(name).map { item in
            guard case .object(let members) = item else { throw wrong(name) }
            return Fields(members, file: file)
        }
    }

    public func texts(_ name: String) throws -> [String] {
        try list(name).map { item in
            guard case .string(let text) = item else { throw wrong(name) }
            return text
        }
    }

    public func counts(_ name: String) throws -> [Int] {
        guard let counts = Fields.counts(try list(name)) else { throw wrong(name) }
        return counts
    }

    /// Lists of whole numbers.
    public func rowsOfCounts(_ name: String) throws -> [[Int]] {
        try list(name).map { item in
            guard case .array(let items) = item, let row = Fields.counts(items) else {
                throw wrong(name)
            }
            return row
        }
    }

    /// Lists of numbers.
    public func rowsOfNumbers(_ name: String) throws -> [[Double]] {
        try list(name).map { item in
            guard case .array(let items) = item else { throw wrong(name) }
            return try items.map { number in
                guard case .number(let value) = number else { throw wrong(name) }
                return value
            }
        }
    }

    public func list(_ name: String) throws -> [Json] {
        guard case .some(.array(let items)) = value(name) else { throw wrong(name) }
        return items
    }

    public func wrong(_ name: String) -> Refused {
        Refused("\(file) has no usable \"\(name)\": it is damaged, or of another kind")
    }

    /// The members, each of which is a whole number: a vocabulary.
    public func wholes() throws -> [(name: String, number: Int)] {
        try members.map { name, value in
            guard let number = Fields.whole(value) else { throw wrong(name) }
            return (name: name, number: number)
        }
    }

    /// The value of a name, compared scalar by scalar; of several, the last, as elsewhere.
    private func value(_ name: String) -> Json? {
        members.last { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    private static func counts(_ items: [Json]) -> [Int]? {
        let found = items.compactMap { whole($0) }
        return found.count == items.count ? found : nil
    }

    private static func whole(_ value: Json?) -> Int? {
        guard case .some(.number(let number)) = value else { return nil }
        guard number >= 0, number <= Double(Int32.max), number == number.rounded() else {
            return nil
        }
        return Int(number)
    }
}
