from pathlib import Path

import pytest

from tests.shipping import export


@pytest.fixture(scope="session")
def plain(student_folder: Path) -> Path:
    """The tiny BERT shipped in fp32, as `phone` in a folder of models."""
    phone = student_folder.parent / "plain" / "phone"
    export(student_folder, phone)
    return phone


@pytest.fixture(scope="session")
def quantized(student_folder: Path) -> Path:
    """The same in int8, whose runtimes may round an activation otherwise."""
    phone = student_folder.parent / "quantized" / "phone"
    export(student_folder, phone, method="int8-dynamic", max_drop=30.0)
    return phone
