import json
import sys

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from kdc.cli import doctor as module
from kdc.cli.main import build


def test_doctor_reports_what_is_installed() -> None:
    done = CliRunner().invoke(build(), ["doctor", "--json", "-"])
    checks = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["numpy"]["found"] == np.__version__
    assert checks["onnxruntime"]["found"] == onnxruntime.__version__
    assert done.exit_code == int(any(check["state"] == "missing" for check in checks.values()))
    assert all(check["mend"] for check in checks.values() if check["state"] == "missing")


@pytest.mark.parametrize("requirement", ["no-such-package>=2", "numpy>=999"])
def test_what_is_missing_or_too_old_is_named_with_its_command(
    requirement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "requires", lambda name: [requirement])
    done = CliRunner().invoke(build(), ["doctor"])
    assert done.exit_code == 1
    assert f"pip install '{requirement}'" in done.stdout
    assert done.stderr.count("\n") == 1
    assert f"pip install '{requirement}'" in done.stderr


def test_a_missing_extra_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without `datasets` can still distil."""
    lines = ["no-such-package>=2; extra == 'datasets'", "other>=1; extra == 'dev'"]
    monkeypatch.setattr(module, "requires", lambda name: lines)
    done = CliRunner().invoke(build(), ["doctor"])
    assert done.exit_code == 0, done.output
    assert "pip install 'no-such-package>=2'" in done.stdout
    assert "other" not in done.stdout


def test_a_torch_that_does_not_load_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor is what a user runs when torch is broken: it must not break with it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    done = CliRunner().invoke(build(), ["doctor"])
    assert done.exit_code == 1
    assert "torch does not load" in done.stdout
