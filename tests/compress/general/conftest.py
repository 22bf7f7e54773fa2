from pathlib import Path

import pytest

from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import tiny_encoder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    tiny_masked_lm(folder / "teacher")
    tiny_encoder(folder / "bare", hidden=48)
    tiny_corpus(folder / "shards", folder / "teacher")
    return folder
