import Foundation

/// Something that this app does not use, in one sentence for the user.
public struct Refused: Error, LocalizedError, Equatable {
    public let sentence: String

    public init(_ sentence: String) {
        self.sentence = sentence
    }

    public var errorDescription: String? { sentence }
}
