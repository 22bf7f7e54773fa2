"""Processor cores by name, and what the system tells of itself on one of them.

ONNX Runtime chooses its kernels by what the processor says (`getauxval`, which the emulator
answers by `-cpu`) and by what the system's files say of it. An emulated process reads those of the
machine that emulates, which belong to another architecture and crash it, so it is given these.
"""

from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import unknown

DEFAULT_CORE = "cortex-a76"
_V8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_V8_2 = f"{_V8} atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
_PROCESSORS = range(2)


@dataclass(frozen=True)
class Core:
    """A core as Linux describes it; identifiers as in the register MIDR_EL1."""

    about: str
    variant: int
    part: int
    revision: int
    features: str
    caches: tuple[int, int, int]
    """KiB of the first level (data, and as much for instructions), the second and the third; 0
    where there is none."""


CORES = {
    "cortex-a53": Core("phones of 2014 on, no dot product", 0, 0xD03, 4, _V8, (32, 512, 0)),
    "cortex-a76": Core("phones of 2019 on, dot product", 4, 0xD0B, 0, _V8_2, (64, 512, 4096)),
    "neoverse-n1": Core("servers, dot product", 3, 0xD0C, 1, _V8_2 + " ssbs", (64, 1024, 0)),
}
"""Each name is also one of QEMU's; `max` is none of them, for no core has all it offers."""


def find_core(name: str) -> str:
    """Return the name of a core; the default one for an empty name.

    Raises:
        KdcError: there is none of that name.
    """
    if name and name not in CORES:
        raise unknown("arm64 core", name, CORES)
    return name or DEFAULT_CORE


def write_system(root: Path, name: str) -> None:
    """Write the /proc and /sys of a machine with two such cores under `root`."""
    for path, text in _files(CORES[name]).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="ascii")


def _files(core: Core) -> dict[str, str]:
    every = f"{_PROCESSORS[0]}-{_PROCESSORS[-1]}\n"
    cpus = "sys/devices/system/cpu"
    files = {"proc/cpuinfo": "".join(_processor(core, index) for index in _PROCESSORS)}
    files |= {f"{cpus}/{name}": every for name in ("possible", "present", "online")}
    files[f"{cpus}/kernel_max"] = "7\n"
    for index in _PROCESSORS:
        told = _topology(index, every) | _caches(core, index, every)
        files |= {f"{cpus}/cpu{index}/{name}": text for name, text in told.items()}
    return files


def _processor(core: Core, index: int) -> str:
    lines = {
        "processor\t": index,
        "BogoMIPS\t": "38.40",
        "Features\t": core.features,
        "CPU implementer\t": "0x41",
        "CPU architecture": 8,
        "CPU variant\t": f"{core.variant:#x}",
        "CPU part\t": f"{core.part:#x}",
        "CPU revision\t": core.revision,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items()) + "\n"


def _topology(index: int, every: str) -> dict[str, str]:
    alone = f"{index}\n"
    return {
        "cpufreq/cpuinfo_max_freq": "2400000\n",
        "cpufreq/cpuinfo_min_freq": "500000\n",
        "topology/physical_package_id": "0\n",
        "topology/core_id": alone,
        "topology/core_cpus_list": alone,
        "topology/thread_siblings_list": alone,
        "topology/core_siblings_list": every,
        "topology/cluster_cpus_list": every,
        "topology/package_cpus_list": every,
    }


def _caches(core: Core, index: int, every: str) -> dict[str, str]:
    first, second, third = core.caches
    alone, ways, line = f"{index}\n", 8, 64
    rows = [(1, first, "Data", alone), (1, first, "Instruction", alone)]
    rows += [(2, second, "Unified", alone), (3, third, "Unified", every)]
    files: dict[str, str] = {}
    for place, (level, size, kind, shared) in enumerate(row for row in rows if row[1]):
        told = {
            "level": f"{level}\n",
            "size": f"{size}K\n",
            "type": f"{kind}\n",
            "shared_cpu_list": shared,
            "coherency_line_size": f"{line}\n",
            "ways_of_associativity": f"{ways}\n",
            "number_of_sets": f"{size * 1024 // (ways * line)}\n",
            "physical_line_partition": "1\n",
        }
        files |= {f"cache/index{place}/{name}": text for name, text in told.items()}
    return files
