import Core
import SwiftUI

/// Text in, labels with probabilities and milliseconds out.
struct ClassifyScreen: View {
    @EnvironmentObject private var engine: Engine
    @State private var text = ""
    @State private var pair = ""
    @State private var answer: Answer?
    @State private var told = ""

    var body: some View {
        NavigationStack {
            Form {
                Section(engine.task.pair ? "First text" : "Text") {
                    TextField("Write or paste a text", text: $text, axis: .vertical)
                        .lineLimit(3...8)
                }
                if engine.task.pair {
                    Section("Second text") {
                        TextField("Write or paste a text", text: $pair, axis: .vertical)
                            .lineLimit(3...8)
                    }
                }
                Section {
                    Button("Ask the model") { Task { await ask() } }
                        .frame(maxWidth: .infinity)
                }
                Section {
                    AnswerView(answer: answer)
                    if !told.isEmpty {
                        Text(told).font(.footnote).foregroundStyle(.secondary)
                    }
                }
            }
            .navigationTitle("Try it")
        }
    }

    private func ask() async {
        switch await engine.answer(text, pair: pair) {
        case .success(let (found, milliseconds)):
            answer = found
            told = String(format: "%.1f ms on this device", milliseconds)
        case .failure(let refused):
            answer = nil
            told = refused.sentence
        }
    }
}

/// Labels as bars, or a score.
struct AnswerView: View {
    let answer: Answer?

    var body: some View {
        switch answer {
        case .none:
            Text("No answer yet").foregroundStyle(.secondary)
        case .score(let score):
            Text(score, format: .number.precision(.fractionLength(3))).font(.title)
        case .labels(let labels):
            ForEach(labels) { label in
                VStack(alignment: .leading, spacing: 4) {
                    HStack {
                        Text(label.name).fontWeight(label.holds ? .semibold : .regular)
                        Spacer()
                        Text(label.probability, format: .percent.precision(.fractionLength(1)))
                            .monospacedDigit()
                    }
                    ProgressView(value: label.probability).accessibilityHidden(true)
                }
                .accessibilityElement(children: .combine)
            }
        }
    }
}
