import Core
import SwiftUI

/// Replays the golden texts on this device.
struct SelfTestScreen: View {
    @EnvironmentObject private var engine: Engine

    var body: some View {
        NavigationStack {
            List {
                Section { summary }
                if let report = engine.report {
                    Section("Texts") { ForEach(report.rows) { RowView(row: $0) } }
                }
            }
            .navigationTitle("Self-test")
            .task { if engine.report == nil { await engine.runSelfTest() } }
            .toolbar {
                Button("Run again") { Task { await engine.runSelfTest() } }
                    .disabled(engine.isTesting)
            }
        }
    }

    @ViewBuilder private var summary: some View {
        if let report = engine.report {
            Label(
                report.isPassed ? "Passed" : "Failed",
                systemImage: report.isPassed ? "checkmark.circle.fill" : "xmark.octagon.fill"
            )
            .font(.headline)
            .foregroundStyle(report.isPassed ? Color.green : Color.red)
            row("Texts", "\(report.rows.count)")
            row("Same logits", "\(report.exact)")
            row("Wrong", "\(report.wrong)")
            row("Checked and opened in", milliseconds(engine.openMilliseconds))
            row("Latency, median", milliseconds(report.latency(0.5)))
            row("Latency, 95th percentile", milliseconds(report.latency(0.95)))
        } else {
            ProgressView("Asking the golden texts")
        }
    }

    private func row(_ name: String, _ value: String) -> some View {
        LabeledContent(name) { Text(value).monospacedDigit() }
    }

    private func milliseconds(_ value: Double) -> String {
        String(format: "%.1f ms", value)
    }
}

/// How one golden text came out.
struct RowView: View {
    let row: Golden.Row

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            Text(row.text.isEmpty ? "(an empty text)" : row.text).lineLimit(2)
            if let pair = row.pair { Text(pair).lineLimit(2) }
            Text(told).font(.footnote).foregroundStyle(row.isWrong ? Color.red : Color.secondary)
        }
        .accessibilityElement(children: .combine)
    }

    private var told: String {
        let off = row.off.isFinite ? String(format: "off by %.3f", row.off) : "no finite logits"
        if !row.sameIds { return "wrong: other tokens" }
        if !row.sameLabel { return "wrong: another answer, \(off)" }
        if row.isWrong { return "wrong: \(off)" }
        return row.isExact ? "pass" : "pass, rounded otherwise: \(off)"
    }
}
