from pathlib import Path

import pytest

from tests.shards import tiny_corpus, tiny_masked_lm


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher and a corpus of two shards and one held out, each sequence masked twice."""
    folder = tmp_path_factory.mktemp("labels")
    tiny_masked_lm(folder / "teacher")
    tiny_corpus(folder / "shards", folder / "teacher")
    return folder
