"""What a run's options say wrong by themselves: found before data are read and torch is loaded."""

import re
from collections.abc import Sequence

from kdc.compress.errors import KdcError, unknown
from kdc.compress.students import check_sizes

DEVICES = ("auto", "cpu", "cuda", "mps")
_MOST_SEEDS = 1000


def check_options(
    recipes: Sequence[str],
    seeds: int | None,
    device: str,
    student: str,
    heads: int | None,
    ffn: int | None,
) -> None:
    """Refuse options of `kdc distill` that no data and no teacher make right.

    Args:
        recipes: the recipes' names.
        seeds: how many seeds each is run with; None for one run of one recipe.
        device: the user's `--device`.
        student: the user's `--student`.
        heads: the user's `--heads`.
        ffn: the user's `--ffn`.

    Raises:
        KdcError: one of them is impossible; it is named.
    """
    check_device_name(device)
    check_sizes(student, heads, ffn)
    if len(recipes) > 1 or seeds is not None:
        check_runs(recipes, 1 if seeds is None else seeds)


def check_runs(recipes: Sequence[str], seeds: int) -> None:
    """Refuse a sweep that has no run, or two runs of one folder.

    Raises:
        KdcError: no seed, or recipes whose names give no folders of their own.
    """
    if not 1 <= seeds <= _MOST_SEEDS:
        raise KdcError(f"--seeds must be 1 to {_MOST_SEEDS:,}, not {seeds}")
    for name in recipes:
        if recipes.count(name) > 1:
            raise KdcError(f"two recipes are called {name}: give each a name of its own")
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise KdcError(f"the recipe's name {name!r} makes no folder: use letters and digits")


def check_device_name(name: str) -> None:
    """Refuse what is no device's name on any machine.

    Raises:
        KdcError: it is none of `DEVICES`, nor `cuda:` and a number.
    """
    kind, colon, index = name.partition(":")
    if kind not in DEVICES or (colon and not (kind == "cuda" and index.isdecimal())):
        raise unknown("device", name, DEVICES)
