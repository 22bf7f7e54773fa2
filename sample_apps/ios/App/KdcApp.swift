import SwiftUI

@main
struct KdcApp: App {
    @StateObject private var engine = Engine()

    var body: some Scene {
        WindowGroup {
            Home()
                .environmentObject(engine)
                .task { await engine.open() }
        }
    }
}

/// The three screens, or why there are none.
struct Home: View {
    @EnvironmentObject private var engine: Engine

    var body: some View {
        switch engine.state {
        case .opening:
            ProgressView("Checking and opening the model")
        case .refused(let sentence):
            VStack(spacing: 12) {
                Image(systemName: "exclamationmark.shield").font(.largeTitle)
                    .accessibilityHidden(true)
                Text(sentence).multilineTextAlignment(.center)
            }
            .padding()
        case .ready:
            TabView {
                ClassifyScreen().tabItem { Label("Try it", systemImage: "text.bubble") }
                SelfTestScreen().tabItem { Label("Self-test", systemImage: "checkmark.seal") }
                CardScreen().tabItem { Label("Model", systemImage: "doc.text") }
            }
        }
    }
}
