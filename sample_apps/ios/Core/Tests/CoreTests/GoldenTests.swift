import Foundation
import XCTest

@testable import Core

final class GoldenTests: XCTestCase {
    private func classifier(_ logits: [[Double]]) throws -> Classifier {
        let folder = try PhoneFolder(Replayed.assets)
        return try Classifier(folder, unicode: Replayed.unicode(), model: Prompter(logits))
    }

    private func golden() throws -> Golden {
        try Golden(Replayed.bytes("assets/golden.json"))
    }

    private func goldenLogits() throws -> [[Double]] {
        let bytes = try Replayed.bytes("assets/golden.json")
        return try Fields(bytes, file: "golden.json").rowsOfNumbers("logits")
    }

    /// The model's digests hold, and the golden texts give the golden ids.
    func testGoldenTextsAreExact() throws {
        let logits = try goldenLogits()
        let report = try golden().run(classifier(logits))
        XCTAssertEqual(report.exact, logits.count)
        XCTAssert(report.isPassed)
    }

    /// A runtime that answers every text with NaN is not passed over.
    func testLogitsThatAreNotNumbersAreWrong() throws {
        let logits = try goldenLogits()
        let broken = logits.map { $0.map { _ in Double.nan } }
        let report = try golden().run(classifier(broken))
        XCTAssertEqual(report.wrong, logits.count)
        XCTAssertFalse(report.isPassed)
    }

    /// One text with another label fails the test, whatever the others do.
    func testAnotherLabelIsWrong() throws {
        var logits = try goldenLogits()
        let task = try PhoneFolder(Replayed.assets).task
        try XCTSkipIf(task.kind == .regression, "a score has no label")
        logits[0] = logits[0].map { -$0 }
        let report = try golden().run(classifier(logits))
        XCTAssertEqual(report.wrong, 1)
        XCTAssertFalse(report.isPassed)
    }

    /// Where the two likeliest labels tie, a third one is as wrong as anywhere.
    func testATieExcusesTheTiedLabelsAlone() throws {
        let task = ModelTask(kind: .classification, labels: ["a", "b", "c"], pair: false)
        let golden = try Golden(file([[2, 1.99, -5]]))
        XCTAssertTrue(golden.isSameLabel([1.99, 2, -5], [2, 1.99, -5], task))
        XCTAssertFalse(golden.isSameLabel([-5, 1.99, 2], [2, 1.99, -5], task))
    }

    /// A score may be off by ten tolerances, or by 5 % of the range of all, and by no more.
    func testScoresAreBounded() throws {
        let task = ModelTask(kind: .regression, labels: [], pair: false)
        let golden = try Golden(file([[0], [1]]))
        XCTAssertTrue(golden.isSameLabel([0.19], [0], task))
        XCTAssertFalse(golden.isSameLabel([0.21], [0], task))
        let wide = try Golden(file([[0], [100]]))
        XCTAssertTrue(wide.isSameLabel([4.9], [0], task))
        XCTAssertFalse(wide.isSameLabel([5.1], [0], task))
        XCTAssertFalse(wide.isSameLabel([.nan], [0], task))
    }

    private func file(_ logits: [[Double]]) throws -> [UInt8] {
        let fields: [String: Any] = [
            "texts": logits.map { _ in "" }, "input_ids": logits.map { _ in [2, 3] },
            "logits": logits, "tolerance": 0.02,
        ]
        return [UInt8](try JSONSerialization.data(withJSONObject: fields))
    }
}
