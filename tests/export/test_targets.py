from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.targets import DEFAULT, TARGETS, check_target
from tests.shipping import export


def test_a_target_is_checked_by_name() -> None:
    assert check_target(DEFAULT) == DEFAULT
    assert all(row.about for row in TARGETS.values())
    with pytest.raises(KdcError, match=r"unknown target 'arm46'.*arm64"):
        check_target("arm46")


@pytest.mark.usefixtures("ready_export")
def test_every_target_gets_the_same_bytes(student_folder: Path, tmp_path: Path) -> None:
    """Help and card said that the file was made for the target's kernels: it never was.

    Where a target changes a byte, they have to say so again.
    """
    made = []
    for target in TARGETS:
        options = {"method": "int8-dynamic", "exporter": "torch", "max_drop": 100.0}
        folder = export(
            student_folder, tmp_path / target / "phone", target=target, **options
        ).folder
        made.append((folder / "onnx" / "model_quantized.onnx").read_bytes())
        assert f"* meant for: {target} (" in (folder / "README.md").read_text()
    assert len(set(made)) == 1
