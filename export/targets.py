"""Where a model is meant to run: a note in its folder and its card, which changes no byte."""

from dataclasses import dataclass

from kdc.compress.errors import unknown


@dataclass(frozen=True)
class Target:
    """A row of the table of targets.

    Every target gets the same file: weights are signed on all of them, each for its own reason
    (ONNX Runtime's MLAS kernels, which always take dynamic activations as unsigned bytes):

    * x86: VNNI multiplies unsigned activations by signed weights; signed by signed has no
      instruction and was measured 10 to 80 times slower.
    * arm64: the dot-product kernel is unsigned; weights of either sign are packed once, at load,
      and signed ones have their top bit flipped on the way.
    * web: the WebAssembly kernel widens signed weights to 16 bits, and flips unsigned ones.
    """

    about: str


TARGETS = {
    "arm64": Target("phones and tablets, Apple silicon"),
    "x86": Target("desktops, servers and emulators, with VNNI"),
    "web": Target("browsers: ONNX Runtime Web's WebAssembly"),
}
DEFAULT = "arm64"


def check_target(name: str) -> str:
    """Return `name` when it is a target.

    Raises:
        KdcError: there is no such target.
    """
    if name not in TARGETS:
        raise unknown("target", name, TARGETS)
    return name
