"""Texts that stand in the training rows and again in the rows a model is judged by."""

from kdc.compress.data.dataset import Split

_Key = tuple[str, str]


def shared_texts(train: Split, other: Split, name: str) -> str | None:
    """Describe the overlap of two splits, without regard to case and outer blanks.

    Args:
        train: the training rows.
        other: rows that should be unseen.
        name: what to call them, such as `dev`.

    Returns:
        `23 of 872 dev texts also stand in train`, with how many of them bear another label, or
        None where there are none.
    """
    keys = _keys(other)
    labels: dict[_Key, set[float]] = {key: set() for key in keys}
    for key, label in zip(_keys(train), train.labels.tolist(), strict=True):
        if key in labels:
            labels[key].add(label)
    seen = [(labels[key], label) for key, label in zip(keys, other.labels.tolist(), strict=True)]
    shared = sum(1 for known, _ in seen if known)
    if not shared:
        return None
    conflicts = sum(1 for known, label in seen if known and label not in known)
    with_another = f", {conflicts} of them with another label" if conflicts else ""
    return f"{shared:,} of {len(other):,} {name} texts also stand in train{with_another}"


def _keys(split: Split) -> list[_Key]:
    pairs = split.pairs or [""] * len(split)
    return [
        (text.strip().casefold(), pair.strip().casefold())
        for text, pair in zip(split.texts, pairs, strict=True)
    ]
