// swift-tools-version: 5.9
import PackageDescription

// What the app knows of models and texts, without a screen and without a runtime: `swift test`
// runs it on a Mac.
let package = Package(
    name: "Core",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "Core", targets: ["Core"])],
    targets: [
        .target(name: "Core"),
        .testTarget(name: "CoreTests", dependencies: ["Core"]),
    ]
)
