"""The lean graph: an encoder described in its own terms, and emitted as ONNX node by node."""
