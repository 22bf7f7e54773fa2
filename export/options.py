"""How ONNX Runtime is told to open a model: what costs memory and time, and what buys speed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from kdc.compress.errors import KdcError
from kdc.export import machine

if TYPE_CHECKING:
    import onnxruntime

PROPERTY = "kdc.session"
"""Property of a model file, and `session` in a phone folder's manifest: the options as JSON."""
Level = Literal["disable", "basic", "extended", "all"]
_FATAL = 4  # what goes wrong below that arrives as an exception, which is told once


@dataclass(frozen=True)
class SessionOptions:
    """Options of a session; the defaults are ONNX Runtime's own.

    They come from files that others wrote, so only these few can be named at all: some of ONNX
    Runtime's entries crash the process or let it read other files.
    """

    optimization: Level = "all"
    """How far the graph is rewritten at load. Formats that expand weights at load need `basic`."""
    arena: bool = True
    """Keep freed memory for the next run instead of giving it back."""
    memory_pattern: bool = True
    """Plan one block for all of a run's tensors; only pays where every text has one length."""
    prepacking: bool = True
    """Copy weights into the kernels' own order at load: faster runs, as many bytes again."""

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object, where: str) -> "SessionOptions":
        """Read what `as_dict` returned; options that are not named keep their default.

        Raises:
            KdcError: `value`, found in `where`, is something else.
        """
        known = {field.name: field.default for field in fields(cls)}
        if isinstance(value, Mapping) and set(value) <= set(known):
            levels = get_args(Level)
            sound = all(
                v in levels if name == "optimization" else type(v) is bool
                for name, v in value.items()
            )
            if sound:
                return cls(**value)
        raise KdcError(f"{where} carries session options that make no sense: export it again")

    def build(self, threads: int) -> "onnxruntime.SessionOptions":
        """Return them as ONNX Runtime takes them, for one run at a time on `threads` threads.

        Where int8 products overflow, the exact ones are asked for, which `extended` alone puts in:
        without them a model was off by up to 1.06 a logit on an (emulated) Haswell, and right with.
        """
        import onnxruntime

        built = onnxruntime.SessionOptions()
        built.intra_op_num_threads = threads
        built.inter_op_num_threads = 1
        built.log_severity_level = _FATAL
        levels = onnxruntime.GraphOptimizationLevel
        built.graph_optimization_level = {
            "disable": levels.ORT_DISABLE_ALL,
            "basic": levels.ORT_ENABLE_BASIC,
            "extended": levels.ORT_ENABLE_EXTENDED,
            "all": levels.ORT_ENABLE_ALL,
        }[self.optimization]
        if machine.int8_overflows():
            built.add_session_config_entry("session.x64quantprecision", "1")
            if self.optimization in ("disable", "basic"):
                built.graph_optimization_level = levels.ORT_ENABLE_EXTENDED
        built.enable_cpu_mem_arena = self.arena
        built.enable_mem_pattern = self.memory_pattern
        if not self.prepacking:
            built.add_session_config_entry("session.disable_prepacking", "1")
        return built

    def for_web(self) -> dict[str, Any]:
        """Return them as ONNX Runtime Web and transformers.js take them."""
        level = "disabled" if self.optimization == "disable" else self.optimization
        options: dict[str, Any] = {
            "executionProviders": ["wasm"],
            "graphOptimizationLevel": level,
            "enableCpuMemArena": self.arena,
            "enableMemPattern": self.memory_pattern,
            "logSeverityLevel": _FATAL,
        }
        if not self.prepacking:
            options["extra"] = {"session": {"disable_prepacking": "1"}}
        return options


DEFAULT = SessionOptions()
PHONE = SessionOptions(optimization="basic", memory_pattern=False)
"""For graphs that leave nothing to rewrite. Measured on a 3x384 model in int8 whose weights are
mapped (the layout mmap), one thread, fresh processes: load 12 ms of CPU, 7.4 MB of its own memory
(34 MB with everything inside the `.onnx`), 0.65 ms for 20 tokens. Without prepacking load fell to
7 ms and memory to 2.7 MB, and 20 tokens took 0.94 ms; without an arena 128 tokens took a quarter
longer and memory grew. Not for QDQ graphs, whose pairs only `extended` turns into integer
products."""
