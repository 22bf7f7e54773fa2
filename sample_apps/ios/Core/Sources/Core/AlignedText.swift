/// A text as code points that know where each comes from in the text as it was given, counted
/// in code points.
struct AlignedText {
    private(set) var codes: [UInt32] = []
    private(set) var starts: [Int] = []
    private(set) var ends: [Int] = []

    init() {}

    init(_ text: String) {
        codes = text.unicodeScalars.map(\.value)
        starts = Array(codes.indices)
        ends = starts.map { $0 + 1 }
    }

    var count: Int { codes.count }

    func part(_ range: Range<Int>) -> AlignedText {
        var part = AlignedText()
        part.codes = Array(codes[range])
        part.starts = Array(starts[range])
        part.ends = Array(ends[range])
        return part
    }

    mutating func append(_ code: UInt32, start: Int, end: Int) {
        codes.append(code)
        starts.append(start)
        ends.append(end)
    }

    /// The same text with each code point replaced by some, which come from where it came from.
    func replacing(_ become: (UInt32) -> [UInt32]) -> AlignedText {
        var out = AlignedText()
        for place in codes.indices {
            for code in become(codes[place]) {
                out.append(code, start: starts[place], end: ends[place])
            }
        }
        return out
    }
}
