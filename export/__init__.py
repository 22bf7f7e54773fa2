"""From a student folder to a phone folder, and what is measured of it."""

import os

# ONNX Runtime 1.29 and newer report the models that a process opens to its makers unless they are
# told not to before they are loaded; children inherit this. A user's own choice stands.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
