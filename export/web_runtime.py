"""ONNX Runtime Web: what runs a model in a page, in its smallest build, without WebGPU."""

from pathlib import Path

from kdc.compress.progress import Progress
from kdc.export.npm_package import NpmPackage, fetch

RUNTIME = NpmPackage(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8p"
    "ZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    {
        "ort.wasm.bundle.min.mjs": (
            "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"
        ),
        "ort-wasm-simd-threaded.wasm": (
            "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
        ),
    },
    33,
)
"""All that a page needs to run models on the CPU, on any number of threads."""
PACKAGE, VERSION, FILES = RUNTIME.name, RUNTIME.version, RUNTIME.files


def web_runtime(progress: Progress) -> Path:
    """Return a folder with `FILES`; the first call fetches them.

    Raises:
        KdcError: there is no npm, it cannot fetch the package or fetched another one, or the
            cache cannot be written.
    """
    return fetch(RUNTIME, progress)
