import CryptoKit
import Foundation
import XCTest

@testable import Core

final class PhoneFolderTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/")

    override func setUpWithError() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.copyItem(at: Replayed.assets, to: folder)
    }

    override func tearDownWithError() throws {
        try FileManager.default.removeItem(at: folder)
    }

    private func refusal() -> String? {
        do {
            _ = try PhoneFolder(folder)
            return nil
        } catch {
            return (error as? Refused)?.sentence ?? "\(error)"
        }
    }

    private func change(_ name: String, _ edit: (inout Data) -> Void) throws {
        let file = folder.appendingPathComponent(name)
        var data = try Data(contentsOf: file)
        edit(&data)
        try data.write(to: file)
    }

    /// Writes an app.json that asks for a key's signature.
    private func ask(for key: Curve25519.Signing.PrivateKey) throws {
        let raw = key.publicKey.rawRepresentation.base64EncodedString()
        try changeApp { $0["public_key"] = raw; $0["number"] = 5 }
    }

    private func changeApp(_ edit: (inout [String: Any]) -> Void) throws {
        let file = folder.appendingPathComponent("app.json")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        var fields = try XCTUnwrap(json as? [String: Any])
        edit(&fields)
        try JSONSerialization.data(withJSONObject: fields).write(to: file)
    }

    private func sign(with key: Curve25519.Signing.PrivateKey, number: Int = 5) throws {
        let manifest = try Data(contentsOf: folder.appendingPathComponent("manifest.json"))
        let digest = SHA256.hash(data: manifest).map { String(format: "%02x", $0) }.joined()
        let message = Data("kdc.model/1\n\(number)\n\(digest)\n".utf8)
        let envelope: [String: Any] = [
            "format": "kdc.signature/1", "number": number,
            "signature": try key.signature(for: message).base64EncodedString(),
        ]
        let file = folder.appendingPathComponent("manifest.json.sig")
        try JSONSerialization.data(withJSONObject: envelope).write(to: file)
    }

    func testTheBundledModelIsTaken() {
        XCTAssertNil(refusal())
    }

    func testAChangedFileIsNamed() throws {
        try change("tokenizer.json") { $0[$0.count / 2] ^= 1 }
        XCTAssertEqual(refusal(), "the model was changed: tokenizer.json does not match its sha256")
    }

    func testAMissingFileIsNamed() throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent("golden.json"))
        XCTAssertEqual(refusal(), "the model is incomplete: golden.json is missing")
    }

    func testOnlyTheAppsKeyCounts() throws {
        let key = Curve25519.Signing.PrivateKey()
        try ask(for: key)
        try? FileManager.default.removeItem(at: folder.appendingPathComponent("manifest.json.sig"))
        XCTAssertEqual(refusal()?.contains("is not signed, and"), true)
        try sign(with: Curve25519.Signing.PrivateKey())
        XCTAssertEqual(refusal()?.contains("not signed with this app's key"), true)
        try sign(with: key, number: 4)
        XCTAssertEqual(refusal()?.contains("is older (number 4)"), true)
        try sign(with: key)
        XCTAssertNil(refusal())
        try change("manifest.json") { $0.append(0x20) }
        XCTAssertEqual(refusal()?.contains("not signed with this app's key"), true)
    }

    func testAnotherTaskIsRefused() throws {
        try changeApp { fields in
            var task = fields["task"] as? [String: Any] ?? [:]
            task["name"] = "another"
            fields["task"] = task
        }
        XCTAssertEqual(refusal()?.contains("for another task than this app"), true)
    }
}
