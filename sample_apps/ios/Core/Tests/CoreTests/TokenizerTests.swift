import Foundation
import XCTest

@testable import Core

final class TokenizerTests: XCTestCase {
    /// The hostile texts: ids, types and offsets are the Rust tokenizer's.
    func testVectors() throws {
        let tokenizer = try Replayed.tokenizer()
        let lines = try Replayed.bytes("vectors.jsonl").split(separator: UInt8(ascii: "\n"))
        XCTAssertGreaterThan(lines.count, 1000)
        for (place, line) in lines.enumerated() {
            let vector = try Fields(Array(line), file: "vectors.jsonl")
            let pair = vector.has("pair") ? try vector.text("pair") : nil
            let found = tokenizer.encode(try vector.text("text"), pair: pair)
            let told = "line \(place + 1), \(try vector.text("case"))"
            XCTAssertEqual(found.ids, try vector.counts("ids"), told)
            XCTAssertEqual(found.types, try vector.counts("types"), told)
            let offsets = found.offsets.map { [$0.lowerBound, $0.upperBound] }
            XCTAssertEqual(offsets, try vector.rowsOfCounts("offsets"), told)
        }
    }

    /// Swift's own strings call these two equal, and a vocabulary does not.
    func testVocabulariesAreNotComparedByCanonicalEquivalence() throws {
        let json = #"{"é": 1, "e\u0301": 2}"#
        let members = try Fields(Array(json.utf8), file: "test").wholes()
        XCTAssertEqual(members.map { $0.number }, [1, 2])
        XCTAssertEqual(members.map { $0.name.unicodeScalars.count }, [1, 2])
    }

    /// Half of a surrogate pair counts as U+FFFD, as in every UTF-8 text.
    func testHalvesOfPairs() throws {
        let json = #"{"text": "\ud83d\ude00\ud83d|\ude00\ud83dé\u0000"}"#
        let text = try Fields(Array(json.utf8), file: "test").text("text")
        let wanted: [UInt32] = [0x1F600, 0xFFFD, 0x7C, 0xFFFD, 0xFFFD, 0xE9, 0]
        XCTAssertEqual(text.unicodeScalars.map(\.value), wanted)
    }

    /// Cut from the left, a long text is another text.
    func testTextsAreCutInOneWay() throws {
        var fields = try XCTUnwrap(
            JSONSerialization.jsonObject(with: Data(Replayed.bytes("assets/tokenizer.json")))
                as? [String: Any])
        for cut: [String: Any] in [["direction": "Left"], ["strategy": "OnlyFirst"]] {
            fields["truncation"] = cut.merging(["max_length": 64]) { $1 }
            let bytes = [UInt8](try JSONSerialization.data(withJSONObject: fields))
            XCTAssertThrowsError(try Tokenizer(bytes, unicode: Replayed.unicode())) { error in
                XCTAssertEqual(
                    (error as? Refused)?.sentence.contains("cuts texts otherwise"), true)
            }
        }
    }

    /// The spaces that one token takes along may begin the next: Rust goes on after the word itself.
    func testATokenMayBeginWithASpace() throws {
        var added = AddedTokens(unicode: try Replayed.unicode())
        for (content, more) in [(" up", #""lstrip": false"#), ("wake", #""rstrip": true"#)] {
            let json = #"{"id": \#(content.utf8.count), \#(more)}"#
            try added.add(AlignedText(content).codes, Fields(Array(json.utf8), file: "test"))
        }
        let found = added.split(AlignedText("wake  up")).map { part -> [Int] in
            guard case .token(let token) = part else { return [] }
            return [token.id, token.start, token.end]
        }
        XCTAssertEqual(found, [[4, 0, 6], [3, 5, 8]])
    }

    func testDamagedFilesAreRefused() throws {
        let hostile = [
            "", "{", "[1]", "{\"a\":1}x", "{\"a\":}", "\u{FEFF}{}", "{\"a\":\"\\u12\"}",
            "{\"a\":\"\u{01}\"}", String(repeating: "{\"a\":", count: 100_000),
        ]
        for text in hostile {
            XCTAssertThrowsError(try Fields(Array(text.utf8), file: "test"), text) { error in
                XCTAssert(error is Refused)
            }
        }
        XCTAssertThrowsError(try Fields([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D], file: "test"))
    }
}
