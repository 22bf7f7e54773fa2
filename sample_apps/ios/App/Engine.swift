import Core
import Foundation

/// The model, opened once, off the main thread; what the screens show of it.
@MainActor
final class Engine: ObservableObject {
    enum State: Equatable {
        case opening
        case ready
        case refused(String)
    }

    @Published private(set) var state = State.opening
    @Published private(set) var openMilliseconds = 0.0
    @Published private(set) var report: Golden.Report?
    @Published private(set) var isTesting = false
    private(set) var task = ModelTask(kind: .regression, labels: [], pair: false)
    private(set) var card = ""
    private let worker = Worker()

    func open() async {
        guard state == .opening else { return }
        do {
            let opened = try await worker.open()
            (task, card, openMilliseconds) = (opened.task, opened.card, opened.milliseconds)
            state = .ready
        } catch {
            state = .refused(Self.sentence(error))
        }
    }

    /// The answer to a text, or to a pair, and the milliseconds that it took.
    func answer(_ text: String, pair: String) async -> Result<(Answer, Double), Refused> {
        do {
            return .success(try await worker.answer(text, pair: pair))
        } catch {
            return .failure(Refused(Self.sentence(error)))
        }
    }

    func runSelfTest() async {
        guard !isTesting else { return }
        isTesting = true
        defer { isTesting = false }
        do {
            report = try await worker.test()
        } catch {
            state = .refused(Self.sentence(error))
        }
    }

    private static func sentence(_ error: Error) -> String {
        (error as? Refused)?.sentence ?? "The model cannot be run: \(error.localizedDescription)"
    }
}

/// Does what takes time, one thing after the other.
private actor Worker {
    struct Opened: Sendable {
        let task: ModelTask
        let card: String
        let milliseconds: Double
    }

    private var classifier: Classifier?
    private var golden: Golden?

    func open() throws -> Opened {
        let start = ProcessInfo.processInfo.systemUptime
        guard let resources = Bundle.main.resourceURL else {
            throw Refused("the app has no resources: build it again")
        }
        let folder = try PhoneFolder(resources.appendingPathComponent("assets"))
        let tables = resources.appendingPathComponent("unicode.txt")
        let unicode = try UnicodeTables(String(contentsOf: tables, encoding: .utf8))
        let model = try OnnxModel(folder)
        classifier = try Classifier(folder, unicode: unicode, model: model)
        golden = try Golden(folder.bytes("golden.json"))
        let card = String(decoding: try folder.bytes("README.md"), as: UTF8.self)
        let seconds = ProcessInfo.processInfo.systemUptime - start
        return Opened(task: folder.task, card: card, milliseconds: seconds * 1000)
    }

    func answer(_ text: String, pair: String) throws -> (Answer, Double) {
        guard let classifier else { throw Refused("the model is not open yet") }
        let start = ProcessInfo.processInfo.systemUptime
        let answer = try classifier.answer(text, pair: pair)
        return (answer, (ProcessInfo.processInfo.systemUptime - start) * 1000)
    }

    func test() throws -> Golden.Report {
        guard let classifier, let golden else { throw Refused("the model is not open yet") }
        return try golden.run(classifier)
    }
}
