import pytest

from kdc.compress.errors import KdcError
from kdc.export.targets import DEFAULT, TARGETS, check_target


def test_a_target_is_checked_by_name() -> None:
    assert check_target(DEFAULT) == DEFAULT
    assert all(row.about for row in TARGETS.values())
    with pytest.raises(KdcError, match=r"unknown target 'arm46'.*arm64"):
        check_target("arm46")
