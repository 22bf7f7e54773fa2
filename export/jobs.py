"""What a device is asked and what it answers: the same for every device."""

from dataclasses import dataclass, field
from typing import Any

SETTLING = 3
"""Runs of a turn that do not count, where models take turns on any device: the others have just
pushed this one's weights out of the caches, and in an app nothing does. Of a model of 3 MB the
first run took twice as long as the fourth, the second a sixth longer and the third a twentieth."""


@dataclass(frozen=True)
class Job:
    """What to measure."""

    model: str
    """Path of the model file."""
    lengths: list[int]
    """Tokens of the texts to run; each gets its turn, in a shuffled order."""
    ids: tuple[int, int]
    """Token ids are drawn from the first, included, to the second, excluded."""
    threads: int
    """Threads that share the work of one run."""
    seconds: float
    """Wall time after which no further run is started."""
    runs: int = 1000
    """Most runs to measure."""
    seed: int = 0
    session: dict[str, Any] = field(default_factory=dict)
    """How to open the model (`SessionOptions.as_dict`); what is not named has its default."""
    cpu_profile: str = "native"
    """A name from `CPU_PROFILES`; only the host takes another than `native`."""


@dataclass(frozen=True)
class Reading:
    """What was measured. A device leaves empty what it cannot tell."""

    load_ms: float | None
    """Wall time of the runtime to open the file, which the system still holds in memory."""
    first_ms: float | None
    """Wall time of the very first run."""
    wall_ms: list[float]
    """Wall time of each run after the warm-up; of very many, see `whole`."""
    cpu_ms: list[float]
    """CPU time of each of the same runs, over all threads of the process."""
    peak_rss_bytes: int | None
    """Most memory the whole process ever held, its language and runtime included."""
    private_bytes: int | None
    """Memory that the process gained from before the file was opened to the end and that the
    system cannot take back. Pages of files (mapped weights, ONNX Runtime's own code) are not in
    it: the system drops them at will, and whose they are depends on who else reads the file."""
    onnxruntime: str
    """Version of ONNX Runtime."""
    instructions: list[int] = field(default_factory=list)
    """Instructions of each run, where the device counts them: a proxy of its work, never a time."""
    memory: dict[str, int] = field(default_factory=dict)
    """Where the memory goes, in bytes: any of `runtime`, `weights`, `prepacked`, `arena`."""
    where: dict[str, Any] = field(default_factory=dict)
    """What the device says of itself: its CPU, browser, temperature, battery."""
    whole: dict[str, Any] = field(default_factory=dict)
    """What all samples say where only some are kept (`kdc.export.thinning`); empty otherwise."""


@dataclass(frozen=True)
class Asked:
    """Texts to answer on a device."""

    model: str
    """Path of the model file."""
    tokens: list[list[int]]
    """Token ids of each text; each is run alone."""
    types: list[list[int]]
    """Token types of each text."""
    threads: int = 1
    session: dict[str, Any] = field(default_factory=dict)
    """How to open the model (`SessionOptions.as_dict`)."""
    cpu_profile: str = "native"
    """As in `Job`: int8 kernels answer differently on other units of a CPU."""


@dataclass(frozen=True)
class Answers:
    """What the device answered."""

    logits: list[list[float]]
    """(N, C) answers to the texts."""
    onnxruntime: str
    """Version of ONNX Runtime."""
    where: dict[str, Any] = field(default_factory=dict)
    """What the device says of itself."""
