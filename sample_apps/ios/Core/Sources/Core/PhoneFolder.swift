import CryptoKit
import Foundation

/// A model with all that belongs to it, checked: signature, then digests, and only then its use.
///
/// The app is told whose models it takes by `app.json`, which is part of the app; the folder may
/// be replaced by a newer one that the same key has signed.
public struct PhoneFolder {
    private static let appFormat = "kdc.app-config/1"
    private static let format = "kdc.phone/1"
    private static let manifestName = "manifest.json"
    private static let most = 64 << 20  // bytes of a file that is read as a whole

    /// `app.json`: what the app was told when it was made.
    public let app: Fields
    /// `manifest.json`.
    public let manifest: Fields
    public let task: ModelTask
    /// The model's file; weights that lie outside it lie beside it.
    public let model: URL

    private let folder: URL
    private var digests: [String: String] = [:]

    /// Checks a folder and opens it.
    public init(_ folder: URL) throws {
        self.folder = folder
        app = try Fields(Self.read(folder, "app.json"), file: "app.json")
        guard try app.text("format") == Self.appFormat else { throw app.wrong("format") }
        let signed = try Self.read(folder, Self.manifestName)
        try Self.checkSignature(of: signed, in: folder, app: app)
        manifest = try Fields(signed, file: Self.manifestName)
        let format = try manifest.text("format")
        guard format == Self.format else {
            throw Refused(
                "this app reads models of the format \(Self.format), and this one is \(format): "
                    + "build a newer app")
        }
        try Self.checkTask(manifest.object("task"), app.object("task"))
        let files = try manifest.object("files")
        var found: [String: String] = [:]
        for name in files.names {
            found[name] = try Self.check(name, files.object(name), in: folder)
        }
        let models = found.keys.filter {
            $0.hasPrefix("onnx/") && ($0.hasSuffix(".onnx") || $0.hasSuffix(".ort"))
        }
        guard models.count == 1, let name = models.first else {
            throw Refused("\(Self.manifestName) does not name one model: bundle it again")
        }
        digests = found
        model = folder.appendingPathComponent(name)
        task = try ModelTask(manifest.object("task"))
    }

    /// The bytes of a file that the manifest names; they are checked once more as they are read.
    public func bytes(_ name: String) throws -> [UInt8] {
        let bytes = try Self.read(folder, name)
        guard Self.hex(SHA256.hash(data: bytes)) == digests[name] else { throw Self.changed(name) }
        return bytes
    }

    /// The length that every input has, or nil where the model takes any.
    public func fixedLength() throws -> Int? {
        try manifest.has("fixed_length") ? manifest.count("fixed_length") : nil
    }

    private static func read(_ folder: URL, _ name: String) throws -> [UInt8] {
        guard let file = try? FileHandle(forReadingFrom: folder.appendingPathComponent(name)) else {
            throw Refused("the model is incomplete: \(name) is missing")
        }
        defer { try? file.close() }
        guard let data = try file.read(upToCount: most + 1) else { return [] }
        guard data.count <= most else { throw Refused("\(name) is too large to be read") }
        return [UInt8](data)
    }

    private static func checkSignature(of signed: [UInt8], in folder: URL, app: Fields) throws {
        guard app.has("public_key") else { return }
        guard let raw = Data(base64Encoded: try app.text("public_key")),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: raw)
        else { throw app.wrong("public_key") }
        guard let file = try? read(folder, Envelope.name) else {
            throw Refused("\(manifestName) is not signed, and this app takes signed models only")
        }
        let envelope = try Envelope(file)
        guard envelope.isSigned(by: key, digest: hex(SHA256.hash(data: signed))) else {
            throw Refused(
                "\(manifestName) is not signed with this app's key: it was changed, or is "
                    + "another's")
        }
        let own = try app.ordinal("number")
        guard envelope.number >= own else {
            throw Refused(
                "the model is older (number \(envelope.number)) than the one that the app was "
                    + "made with (\(own))")
        }
    }

    /// Refuses a model whose answers the app would take for those of its own task.
    private static func checkTask(_ task: Fields, _ own: Fields) throws {
        let names = (try task.text("name"), try own.text("name"))
        let same = try names.0 == names.1 && task.text("kind") == own.text("kind")
            && task.flag("pair") == own.flag("pair")
            && task.list("labels").count == own.list("labels").count
        guard same else {
            throw Refused(
                "the model is for another task than this app: \(names.0), and the app's is "
                    + "\(names.1)")
        }
    }

    /// Returns the hex sha256 of a file after comparing it with the manifest's.
    private static func check(_ name: String, _ entry: Fields, in folder: URL) throws -> String {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(""), !parts.contains(".."), !name.contains("\\") else {
            throw Refused("\(manifestName) names a file outside its folder: \(name)")
        }
        // mapped: pieces that are read would stay in memory until all of this is done
        let file = folder.appendingPathComponent(name)
        guard let data = try? Data(contentsOf: file, options: .mappedIfSafe) else {
            throw Refused("the model is incomplete: \(name) is missing")
        }
        let found = hex(SHA256.hash(data: data))
        guard data.count == (try entry.count("bytes")), found == (try entry.text("sha256")) else {
            throw changed(name)
        }
        return found
    }

    private static func changed(_ name: String) -> Refused {
        Refused("the model was changed: \(name) does not match its sha256")
    }

    private static func hex(_ digest: SHA256.Digest) -> String {
        digest.map { String(format: "%02x", $0) }.joined()
    }
}
