import SwiftUI

/// The model card, as it is in the phone folder.
struct CardScreen: View {
    @EnvironmentObject private var engine: Engine

    var body: some View {
        NavigationStack {
            ScrollView {
                Text(engine.card)
                    .font(.callout)
                    .textSelection(.enabled)
                    .frame(maxWidth: .infinity, alignment: .leading)
                    .padding()
            }
            .navigationTitle("Model")
            .toolbar { ShareLink(item: engine.card) }
        }
    }
}
