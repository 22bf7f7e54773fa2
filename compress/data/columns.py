"""Which columns of a table are the text, the second text and the label."""

from dataclasses import dataclass, replace

from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError

TEXTS: tuple[str, ...] = ("text", "sentence", "utterance", "query", "question", "content", "review")
TEXTS += ("comment", "message", "title", "tweet", "document", "body")
PAIRS = (
    ("sentence1", "sentence2"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("question", "passage"),
    ("premise", "hypothesis"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("query", "document"),
    ("#1 string", "#2 string"),
)
LABELS: tuple[str, ...] = ("label", "labels", "intent", "class", "category", "target", "quality")
LABELS += ("gold_label", "score", "similarity", "sentiment", "emotion", "topic", "is_duplicate")


@dataclass(frozen=True)
class Names:
    """The columns a user names; None leaves one to be found by its usual name."""

    text: str | None = None
    """`--text`; without `pair` it means single texts."""
    pair: str | None = None
    """`--pair`, the second text."""
    label: str | None = None
    """`--label`."""

    def __post_init__(self) -> None:
        if self.pair is not None and self.text is None:
            raise KdcError(f"--pair {self.pair} names the second text: name the first with --text")


@dataclass(frozen=True)
class Columns:
    """Positions in a table's header."""

    text: int
    pair: int | None
    label: int


def find_columns(table: Table, names: Names) -> Columns:
    """Find the columns by the user's names, else by their usual ones, without regard to case.

    Raises:
        KdcError: a column is missing, or there are several it could be; all columns are listed.
    """
    labels = _label_candidates(table, names)
    texts = _text_candidates(table, names, labels)
    text, *pair = _only(table, texts, "text", "--text and, for pairs, --pair")
    (label,) = _only(table, labels, "label", "--label")
    positions = [text, *pair, label]
    if len(set(positions)) < len(positions):
        raise KdcError(f"{table.source}: --text, --pair and --label must name different columns")
    return Columns(text, pair[0] if pair else None, label)


def find_texts(table: Table, names: Names) -> tuple[int, int | None]:
    """Find the column of texts, and of second texts where there are pairs, without any label.

    Raises:
        KdcError: a column is missing, or there are several it could be; all columns are listed.
    """
    # what may be a column of labels is none of texts: `title` beside `topic`, say
    labels = _label_candidates(table, replace(names, label=None))
    candidates = _text_candidates(table, names, labels)
    text, *pair = _only(table, candidates, "text", "--text and, for pairs, --pair")
    if pair and pair[0] == text:
        raise KdcError(f"{table.source}: --text and --pair must name different columns")
    return text, pair[0] if pair else None


def has_labels(table: Table, names: Names) -> bool:
    """Whether a table has a column of labels: the test sets of benchmarks often have none."""
    found = [_folded(name) for name in table.header]
    return bool(set(found) & ({_folded(names.label)} if names.label else set(LABELS)))


def _label_candidates(table: Table, names: Names) -> list[tuple[int, ...]]:
    if names.label is not None:
        return [(_named(table, names.label, "--label"),)]
    taken = {_folded(name) for name in (names.text, names.pair) if name is not None}
    return [(i,) for i, name in _folded_header(table) if name in LABELS and name not in taken]


def _text_candidates(
    table: Table, names: Names, labels: list[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    if names.text is not None:
        text = _named(table, names.text, "--text")
        return [(text,) if names.pair is None else (text, _named(table, names.pair, "--pair"))]
    taken = set(labels)
    places: dict[str, list[int]] = {}
    for i, name in _folded_header(table):
        if (i,) not in taken:
            places.setdefault(name, []).append(i)
    pairs = [(a, b) for a, b in PAIRS if a in places and b in places]
    # two places of a name are as ambiguous as a thousand
    both = [(i, k) for a, b in pairs for i in places[a][:2] for k in places[b][:2]]
    in_pairs = {name for pair in pairs for name in pair}
    return [*both, *((i,) for name in TEXTS if name not in in_pairs for i in places.get(name, ()))]


def _named(table: Table, name: str, option: str) -> int:
    exact = [i for i, found in enumerate(table.header) if found == name]
    alike = [i for i, found in _folded_header(table) if found == _folded(name)]
    matches = exact or alike
    if len(matches) != 1:
        problem = "no column" if not matches else "several columns"
        raise KdcError(f"{table.source} has {problem} '{name}' ({option}): {_listed(table)}")
    return matches[0]


def _only(
    table: Table, candidates: list[tuple[int, ...]], what: str, option: str
) -> tuple[int, ...]:
    if len(candidates) == 1:
        return candidates[0]
    problem = "no column" if not candidates else "several columns"
    raise KdcError(
        f"{table.source} has {problem} of a usual name for the {what}: "
        f"name it with {option}; {_listed(table)}"
    )


def _listed(table: Table) -> str:
    names = [f"'{name[:40]}'" for name in table.header[:20]]
    more = ", ..." if len(table.header) > len(names) else ""
    return f"its header has {', '.join(names)}{more}"


def _folded_header(table: Table) -> list[tuple[int, str]]:
    return [(i, _folded(name)) for i, name in enumerate(table.header)]


def _folded(name: str) -> str:
    return name.strip().casefold()
