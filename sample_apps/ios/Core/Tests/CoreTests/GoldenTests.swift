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
}
