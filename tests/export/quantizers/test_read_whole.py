"""Tables that no text chooses rows of, which every method has to reach too."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from transformers import AutoConfig, AutoModelForSequenceClassification

from kdc.export.exporters.torch_exporter import export_torch
from kdc.export.quantizers import NONE, QUANTIZERS
from kdc.export.quantizers.leftovers import fp32_matrices
from kdc.export.quantizers.situation import Situation
from tests.tiny import own_rng

TABLE = "rel_embeddings"
# root mean square error of the logits, as a share of their spread
TOLERANCES = {"fp16": 0.01, "int8-dynamic": 0.1, "int8-static": 0.1}
TOLERANCES |= {"int8-embeddings4": 0.5, "int4": 0.8}


@pytest.fixture(scope="module", params=["none", "layer_norm"])
def deberta(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DeBERTa whose table of relative positions is too large for the exporter to fold."""
    folder = tmp_path_factory.mktemp("deberta")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        "deberta-v2",
        **{**sizes, "intermediate_size": 64, "max_position_embeddings": 160, "vocab_size": 128},
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd=request.param,
        type_vocab_size=0,
        initializer_range=0.2,
        num_labels=3,
    )
    with own_rng():
        AutoModelForSequenceClassification.from_config(config).eval().save_pretrained(folder)
    export_torch(folder, folder / "model.onnx", standard=False)
    return folder / "model.onnx"


@pytest.mark.parametrize("method", [name for name in QUANTIZERS if name != NONE])
def test_every_method_stores_a_table_that_is_read_whole(
    method: str,
    deberta: Path,
    tmp_path: Path,
    situation: Situation,
    answers: Callable[[Path], npt.NDArray[np.float32]],
) -> None:
    """Bug: no int8 or int4 of any DeBERTa, for its relative positions stayed in fp32."""
    before = onnx.load(deberta).graph
    assert any(TABLE in name for name in fp32_matrices(before))
    small = tmp_path / "small.onnx"
    QUANTIZERS[method].quantize(deberta, small, situation)
    assert fp32_matrices(onnx.load(small).graph) == []
    error, spread = answers(small) - answers(deberta), answers(deberta).std()
    assert np.sqrt(np.mean(error**2)) < TOLERANCES[method] * spread
