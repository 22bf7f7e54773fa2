import re
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64.cores import CORES, DEFAULT_CORE, find_core, write_system


def test_no_address_is_the_default_core() -> None:
    assert find_core("") == DEFAULT_CORE
    assert find_core("neoverse-n1") == "neoverse-n1"


@pytest.mark.parametrize(
    ("name", "told"), [("cortex-a35", "cortex-a53 or cortex-a76"), ("max", "cortex-a53")]
)
def test_an_unknown_core_is_told_with_the_nearest(name: str, told: str) -> None:
    """QEMU's `max` has instructions that no core has, some of them wrong: it must not be had."""
    with pytest.raises(KdcError, match=f"unknown arm64 core '{name}': did you mean .*{told}"):
        find_core(name)


@pytest.mark.parametrize("name", CORES)
def test_every_processor_is_described_in_full(tmp_path: Path, name: str) -> None:
    """ONNX Runtime crashes where a file that it reads about processors is the other machine's."""
    write_system(tmp_path, name)
    told = (tmp_path / "proc/cpuinfo").read_text()
    assert re.findall(r"^processor\t: (\d+)$", told, re.MULTILINE) == ["0", "1"]
    assert told.count(f"CPU part\t: {CORES[name].part:#x}\n") == 2
    cpus = tmp_path / "sys/devices/system/cpu"
    assert (cpus / "online").read_text() == "0-1\n"
    for index in "01":
        assert (cpus / f"cpu{index}/topology/core_id").read_text() == f"{index}\n"


def test_the_caches_have_the_sizes_that_they_tell(tmp_path: Path) -> None:
    write_system(tmp_path, "cortex-a76")
    caches = sorted((tmp_path / "sys/devices/system/cpu/cpu1/cache").iterdir())
    sizes = []
    for cache in caches:
        told = {path.name: path.read_text().strip() for path in cache.iterdir()}
        product = 64 * int(told["ways_of_associativity"]) * int(told["number_of_sets"])
        assert f"{product // 1024}K" == told["size"]
        sizes.append((told["level"], told["type"], told["size"]))
    expected = [("1", "Data", "64K"), ("1", "Instruction", "64K")]
    assert sizes == [*expected, ("2", "Unified", "512K"), ("3", "Unified", "4096K")]


def test_a_core_without_dot_product_does_not_claim_one() -> None:
    """The two kinds of kernels are what the cores are there for."""
    dot = {name for name, core in CORES.items() if "asimddp" in core.features.split()}
    assert dot == {"cortex-a76", "neoverse-n1"}
