from dataclasses import asdict

from kdc.compress.families import FIRST_TOKEN
from kdc.compress.layer_parts import PARTS
from kdc.export.graph.families import FAMILIES


def test_training_and_export_know_the_same_families_by_the_same_names() -> None:
    """Bug: a family is exported whose last layer, or whose matrices, training does not know."""
    assert set(FIRST_TOKEN) == set(FAMILIES)
    for name, family in FAMILIES.items():
        theirs, ours = asdict(PARTS[name]), asdict(family)
        matrices = ("query", "key", "value", "mix", "up", "down")
        assert [theirs[part] for part in matrices] == [ours[part] for part in matrices]
        head = [matrix.removeprefix(".") for matrix, _ in family.head]
        assert [theirs["head"], theirs["answer"]] == head
