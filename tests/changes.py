"""What a test may ask for of a student otherwise than `tiny_job` does, each with its type."""

from typing import TypedDict

from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.recipe import Recipe


class JobChanges(TypedDict, total=False):
    """Fields of a `StudentJob`."""

    teachers: tuple[str, ...]
    data: Dataset
    student: str
    recipe: Recipe
    teacher_weights: tuple[float, ...]
    heads: int | None
    ffn: int | None
    activation: str | None
    seed: int
    setup_seed: int | None
    max_length: int | None
    vocab: str
    embedding_rank: int | None
    unlabelled: Split | None
    unlabelled_name: str | None
    controls: bool
    options: dict[str, str]
    resume: bool
