"""A runner of ONNX Runtime's own arm64 build: its C source, and how it is built, told and heard."""
