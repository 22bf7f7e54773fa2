"""What a phone says of itself: what it is, what it has room for, and how warm it is.

All but the kind of its CPU is left out where a device does not tell: `getprop` and `dumpsys` are
Android's, and any Linux board may run adbd.
"""

import re
from dataclasses import dataclass
from typing import Any

from kdc.compress.errors import KdcError
from kdc.export.devices.adb_bridge import Bridge

_PROPERTIES = {
    "maker": "ro.product.manufacturer",
    "model": "ro.product.model",
    "android": "ro.build.version.release",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",
    "abis": "ro.product.cpu.abilist",
}
_ARM64 = ("arm64-v8a", "aarch64", "arm64")
_ZONES = "/sys/class/thermal/thermal_zone"
_PLAUSIBLE = (-30.0, 150.0)  # degrees; sensors that are off report absolute zero and the like


@dataclass(frozen=True)
class Phone:
    """What a device is."""

    abis: tuple[str, ...]
    """The programs that it runs."""
    cores: int | None
    """How many it lets programs use."""
    about: dict[str, str]
    """Its maker, model, Android version, chip and board, as far as it tells them."""

    @property
    def where(self) -> dict[str, Any]:
        """What a report says of it."""
        return self.about if self.cores is None else {**self.about, "cores": self.cores}

    def check(self, serial: str, threads: int) -> None:
        """Refuse what it cannot do.

        Raises:
            KdcError: it runs no arm64 programs, or has fewer cores than `threads`.
        """
        if not any(name in _ARM64 for name in self.abis):
            says = ", ".join(self.abis) or "nothing of its CPU"
            raise KdcError(
                f"{serial} is no arm64 device (it says {says[:100]}): only those can be measured"
            )
        if self.cores is not None and threads > self.cores:
            raise KdcError(f"--threads {threads}: give at most {self.cores}, the cores of {serial}")


def describe_phone(bridge: Bridge) -> Phone:
    """Ask a device what it is."""
    asks = "; ".join(f'echo "{key}=$(getprop {name})"' for key, name in _PROPERTIES.items())
    asks += '; echo "machine=$(uname -m)"; echo "cores=$(nproc)"'
    lines = bridge.shell(f"{{ {asks}; }} 2>/dev/null").out.splitlines()
    told = {key: value.strip()[:80] for key, _, value in (line.partition("=") for line in lines)}
    abis = [*told.pop("abis", "").split(","), told.pop("machine", "")]
    cores = told.pop("cores", "")
    return Phone(
        abis=tuple(name for name in abis if name),
        cores=int(cores) if re.fullmatch("[1-9][0-9]{0,3}", cores) else None,
        about={key: told[key] for key in _PROPERTIES if told.get(key)},
    )


def free_bytes(bridge: Bridge, folder: str) -> int | None:
    """Return the bytes that a folder of the device has room for, or None where it does not say."""
    lines = bridge.shell(f"df -k {folder}").out.splitlines()
    if len(lines) < 2:
        return None
    names, values = lines[0].split(), " ".join(lines[1:]).split()
    for name in ("Available", "Avail"):  # a long device name has a line of its own
        if name in names and len(values) > names.index(name):
            text = values[names.index(name)]
            return int(text) * 1024 if text.isdecimal() else None
    return None


def describe_warmth(bridge: Bridge) -> dict[str, Any]:
    """Return battery (percent, degrees Celsius, plugged in) and the hottest thermal zone."""
    zones = f'for z in {_ZONES}*; do echo "zone $(cat $z/temp) $(cat $z/type)"; done'
    text = bridge.shell(f"{{ dumpsys battery; {zones}; }} 2>/dev/null").out
    warmth = {
        "battery_percent": _number(r"^ *level: (\d{1,3})$", text),
        "battery_celsius": _tenths(_number(r"^ *temperature: (-?\d{1,4})$", text)),
        "plugged_in": "powered: true" in text if "powered: " in text else None,
        **_hottest(text),
    }
    return {name: value for name, value in warmth.items() if value is not None}


def _hottest(text: str) -> dict[str, Any]:
    found = re.findall(r"^zone (-?\d{1,7}) (\S.*)$", text, re.MULTILINE)
    degrees = [(_degrees(int(value)), name.strip()[:40]) for value, name in found]
    sound = [pair for pair in degrees if _PLAUSIBLE[0] < pair[0] < _PLAUSIBLE[1]]
    if not sound:
        return {}
    celsius, zone = max(sound)
    return {"hottest_celsius": celsius, "hottest_zone": zone}


def _degrees(value: int) -> float:
    """Return degrees Celsius of what most kernels give in thousandths and some in whole ones."""
    return value / 1000 if abs(value) > 1000 else float(value)


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else None


def _tenths(value: int | None) -> float | None:
    return None if value is None else value / 10
