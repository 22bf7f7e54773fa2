"""Which of some classes a name means: matched exactly, else without regard to case."""

from collections import Counter
from collections.abc import Iterable, Sequence


def find_names(names: Iterable[str], classes: Sequence[str]) -> dict[str, int]:
    """Return the places in `classes` of those names that are among them.

    Case is passed over only where that leaves no doubt: where one class alone has the name so.
    """
    folded = [name.casefold() for name in classes]
    count = Counter(folded)
    exact = {name: place for place, name in enumerate(classes)}
    loose = {name: place for place, name in enumerate(folded) if count[name] == 1}
    places = {name: exact.get(name, loose.get(name.casefold())) for name in names}
    return {name: place for name, place in places.items() if place is not None}
