import CryptoKit
import Foundation

/// What lies beside a signed `manifest.json`: the model's number, and a signature of both.
///
/// A newer model has a higher number, so that an older one cannot be brought back.
struct Envelope {
    static let name = "manifest.json.sig"
    private static let format = "kdc.signature/1"
    private static let length = 64  // bytes of an Ed25519 signature

    let number: Int64
    private let signature: Data

    /// Takes the bytes of the file, of which nothing is known yet.
    init(_ bytes: [UInt8]) throws {
        let file = try Fields(bytes, file: Self.name)
        guard try file.text("format") == Self.format else { throw file.wrong("format") }
        number = try file.ordinal("number")
        guard let signature = Data(base64Encoded: try file.text("signature")),
            signature.count == Self.length
        else { throw file.wrong("signature") }
        self.signature = signature
    }

    /// Whether the holder of a key signed this number for the manifest of a hex sha256.
    func isSigned(by key: Curve25519.Signing.PublicKey, digest: String) -> Bool {
        key.isValidSignature(signature, for: Data("kdc.model/1\n\(number)\n\(digest)\n".utf8))
    }
}
