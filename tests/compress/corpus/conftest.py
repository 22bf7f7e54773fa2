from pathlib import Path

import pytest

from kdc.compress.corpus.build import CorpusJob, build_corpus
from kdc.compress.progress import Silent
from tests.compress.corpus.texts import SETTINGS, page, tiny_documents, write_dump, write_text
from tests.tiny import tiny_encoder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder(tmp_path_factory.mktemp("teacher") / "teacher"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("sources")
    pages = [page(text, title=str(n)) for n, text in enumerate(tiny_documents(40, 5))]
    return write_text(folder / "a.txt", 120), write_dump(folder / "w.xml.bz2", *pages)


@pytest.fixture(scope="module")
def job(
    teacher: str, sources: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> CorpusJob:
    """A job that has been done once, by one process, without interruption."""
    made = CorpusJob(sources, teacher, tmp_path_factory.mktemp("whole") / "out", SETTINGS)
    assert build_corpus(made, Silent()) is not None
    return made
