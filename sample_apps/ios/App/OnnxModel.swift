import Core
import Foundation
import OnnxRuntimeBindings

/// The model in ONNX Runtime, opened by its path, so that weights beside it are mapped from the
/// disk and never copied through Swift.
final class OnnxModel: Model {
    private let environment: ORTEnv
    private let session: ORTSession
    private let inputs: [String]

    init(_ folder: PhoneFolder) throws {
        environment = try ORTEnv(loggingLevel: .warning)
        let options = try OnnxModel.options(folder.manifest)
        session = try ORTSession(
            env: environment, modelPath: folder.model.path, sessionOptions: options)
        inputs = try session.inputNames()
        let known: Set<String> = ["input_ids", "attention_mask", "token_type_ids"]
        if let other = inputs.first(where: { !known.contains($0) }) {
            throw Refused("the model asks for \(other), which this app does not know")
        }
        guard try session.outputNames().contains("logits") else { throw Refused("the model gives no logits") }
    }

    func logits(_ input: ModelInput) throws -> [Float] {
        let rows = [
            "input_ids": input.ids, "attention_mask": input.mask, "token_type_ids": input.types,
        ]
        var values: [String: ORTValue] = [:]
        for name in inputs { values[name] = try OnnxModel.tensor(rows[name] ?? []) }
        let found = try session.run(
            withInputs: values, outputNames: ["logits"], runOptions: nil)
        guard let logits = found["logits"] else { throw Refused("the model gives no logits") }
        return try (logits.tensorData() as Data).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// A row as a tensor (1, T).
    private static func tensor(_ row: [Int64]) throws -> ORTValue {
        let data = row.withUnsafeBytes { NSMutableData(bytes: $0.baseAddress, length: $0.count) }
        return try ORTValue(
            tensorData: data, elementType: .int64, shape: [1, NSNumber(value: row.count)])
    }

    /// The manifest's `session`, by which the model was measured; what it does not name keeps
    /// its default.
    private static func options(_ manifest: Fields) throws -> ORTSessionOptions {
        let options = try ORTSessionOptions()
        try options.setIntraOpNumThreads(2)  // phones have two fast cores; more of them wait
        guard manifest.has("session") else { return options }
        let session = try manifest.object("session")
        if session.has("optimization") {
            try options.setGraphOptimizationLevel(level(session.text("optimization"), session))
        }
        if session.has("prepacking"), try !session.flag("prepacking") {
            try options.addConfigEntry(withKey: "session.disable_prepacking", value: "1")
        }
        return options
    }

    private static func level(_ name: String, _ session: Fields) throws
        -> ORTGraphOptimizationLevel
    {
        switch name {
        case "disable": return .none
        case "basic": return .basic
        case "extended": return .extended
        case "all": return .all
        default: throw session.wrong("optimization")
        }
    }
}
