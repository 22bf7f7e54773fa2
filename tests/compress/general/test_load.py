from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import BertForMaskedLM, BertModel

from kdc.compress.errors import KdcError
from kdc.compress.general.load import load_bare, load_masked_lm
from kdc.compress.models import Source
from tests.foreign import edit
from tests.tiny import save_model, tiny_config

Load = Callable[[Source], Any]


def source_of(folder: Path, kind: type, **changes: object) -> Source:
    save_model(folder, kind(tiny_config(layers=3)))
    edit(folder / "config.json", **changes)
    return Source("teacher", folder, "")


@pytest.mark.parametrize(
    ("load", "kind"),
    [(load_masked_lm, BertForMaskedLM), (load_bare, BertForMaskedLM), (load_bare, BertModel)],
)
def test_layers_that_the_configuration_does_not_count_are_refused(
    tmp_path: Path, load: Load, kind: type
) -> None:
    """Bug: a corpus is labelled by the lower two thirds of a teacher, without a word."""
    assert load(source_of(tmp_path / "whole", kind)).config.num_hidden_layers == 3
    cut = source_of(tmp_path / "cut", kind, num_hidden_layers=2)
    with pytest.raises(KdcError, match="hold layers that it does not count"):
        load(cut)


def test_a_tensor_of_the_head_may_not_be_missing(tmp_path: Path) -> None:
    """Bug: words are filled in at random."""
    source = source_of(tmp_path / "bare", BertModel, architectures=["BertForMaskedLM"])
    with pytest.raises(KdcError, match=r"missing or of another shape, the first is cls\."):
        load_masked_lm(source)
