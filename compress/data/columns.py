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
SEPARATORS = ("|", ";", ",")
LABELS += ("gold_label", "score", "similarity", "sentiment", "emotion", "topic", "is_duplicate")


@dataclass(frozen=True)
class Names:
    """The columns a user names; None leaves one to be found by its usual name."""

    text: str | None = None
    """`--text`; without `pair` it means single texts."""
    pair: str | None = None
    """`--pair`, the second text."""
    label: str | None = None
    """`--label`: a column, or several of 0 and 1 with commas between them."""
    separator: str | None = None
    """`--multi-label`: what stands between the labels of a cell; None: a cell is one label."""

    def __post_init__(self) -> None:
        if self.separator is not None and self.separator not in SEPARATORS:
            known = ", ".join(f"'{one}'" for one in SEPARATORS)
            raise KdcError(
                f"--multi-label must be what stands between a row's labels, one of {known} (in "
                f"quotation marks), not '{self.separator[:40]}'"
            )
        if self.pair is not None and self.text is None:
            raise KdcError(f"--pair {self.pair} names the second text: name the first with --text")


@dataclass(frozen=True)
class Columns:
    """Positions in a table's header."""

    text: int
    pair: int | None
    label: int | tuple[int, ...]
    """The column of labels; several: one a label, with 1 where it holds and 0 where not."""
    separator: str | None = None
    """What stands between the labels of a cell; None: a cell is one label, or a list of them."""


def find_columns(table: Table, names: Names) -> Columns:
    """Find the columns by the user's names, else by their usual ones, without regard to case.

    Raises:
        KdcError: a column is missing, or there are several it could be; all columns are listed.
    """
    labels = _label_candidates(table, names)
    texts = _text_candidates(table, names, labels)
    text, *pair = _only(table, texts, "text", "--text and, for pairs, --pair")
    label, *more = _only(table, labels, "label", "--label")
    positions = [text, *pair, label, *more]
    if len(set(positions)) < len(positions):
        raise KdcError(f"{table.source}: --text, --pair and --label must name different columns")
    if more and names.separator is not None:
        raise KdcError(
            f"{table.source}: --multi-label is for one column of labels, and --label names "
            f"{len(more) + 1}: leave it out"
        )
    named = (label, *more) if more else label
    return Columns(text, pair[0] if pair else None, named, names.separator)


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
    found = {_folded(name) for name in table.header}
    if names.label is None:
        return bool(found & set(LABELS))
    return _folded(names.label) in found or {_folded(part) for part in _parts(names.label)} <= found


def _label_candidates(table: Table, names: Names) -> list[tuple[int, ...]]:
    if names.label is not None:
        whole = _folded(names.label) in (name for _, name in _folded_header(table))
        parts = [names.label] if whole else _parts(names.label)
        return [tuple(_named(table, part, "--label") for part in parts)]
    taken = {_folded(name) for name in (names.text, names.pair) if name is not None}
    return [(i,) for i, name in _folded_header(table) if name in LABELS and name not in taken]


def _text_candidates(
    table: Table, names: Names, labels: list[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    if names.text is not None:
        text = _named(table, names.text, "--text")
        return [(text,) if names.pair is None else (text, _named(table, names.pair, "--pair"))]
    taken = {i for columns in labels for i in columns}
    places: dict[str, list[int]] = {}
    for i, name in _folded_header(table):
        if i not in taken:
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
    left = [f"'{name[:40]}'" for name in table.unread[:20]]
    unread = f"; of types that are not read here: {', '.join(left)}" if left else ""
    return f"its header has {', '.join(names) or 'no names'}{more}{unread}"


def _folded_header(table: Table) -> list[tuple[int, str]]:
    return [(i, _folded(name)) for i, name in enumerate(table.header)]


def _folded(name: str) -> str:
    return name.strip().casefold()


def _parts(label: str) -> list[str]:
    return label.split(",")
