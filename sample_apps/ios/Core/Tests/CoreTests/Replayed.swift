import Foundation
import XCTest

@testable import Core

/// The files of the model that this project was written for, where `kdc bundle` puts them.
enum Replayed {
    static let project = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    static let assets = project.appendingPathComponent("assets")

    static func unicode() throws -> UnicodeTables {
        let file = project.appendingPathComponent("App/unicode.txt")
        return try UnicodeTables(String(contentsOf: file, encoding: .utf8))
    }

    static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: project.appendingPathComponent(path)))
    }

    static func tokenizer() throws -> Tokenizer {
        try Tokenizer(bytes("assets/tokenizer.json"), unicode: unicode())
    }
}

/// Gives the golden logits back, in their order: the runtime's part, played without one.
final class Prompter: Model {
    private var answers: [[Double]]

    init(_ answers: [[Double]]) {
        self.answers = answers
    }

    func logits(_ input: ModelInput) throws -> [Float] {
        answers.removeFirst().map(Float.init)
    }
}
