import pytest
import torch
from transformers import FlaubertConfig, NystromformerConfig, NystromformerModel, XLNetConfig

from kdc.compress.errors import KdcError
from kdc.compress.families import Sizes, layer_of, least_bytes, max_length, set_dropout
from tests.families import FAMILIES, family_config, family_model, some_ids
from tests.tiny import POSITIONS, VOCABULARY

EVERY = pytest.mark.parametrize("family", FAMILIES)


@EVERY
def test_sizes_are_read_and_written_under_one_name(family: str) -> None:
    """Bug: a student of a family that says `dim` or `n_layers` comes out in the teacher's size."""
    config = family_config(family)
    sizes = Sizes(config)
    assert (sizes.layers, sizes.hidden, sizes.heads, sizes.ffn) == (4, 32, 2, 64)
    assert sizes.activation in ("gelu", "gelu_new", "relu")
    sizes.set(layers=3, hidden=48, heads=3, ffn=80, activation="relu")
    again = type(config)(**config.to_dict())
    read = Sizes(again)
    assert (read.layers, read.hidden, read.heads, read.ffn) == (3, 48, 3, 80)
    assert read.activation == "relu"


@EVERY
def test_a_text_of_the_longest_length_runs_and_one_more_does_not(family: str) -> None:
    """Bug: RoBERTa counts positions from its padding index, so its table's rows are not lengths."""
    model = family_model(family)
    longest = max_length(model)
    assert longest == POSITIONS - (2 if family in ("roberta", "xlm-roberta", "mpnet") else 0)
    model(input_ids=some_ids(2, longest))
    if family != "modernbert":  # rotary positions have no table that ends
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=some_ids(2, longest + 1))


def test_rows_of_a_position_table_that_cannot_be_numbered_do_not_count() -> None:
    """Bug: Nystromformer's table holds two rows more than its texts may have tokens."""
    sizes = {
        "num_hidden_layers": 1,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_landmarks": 4,
    }
    model = NystromformerModel(
        NystromformerConfig(
            vocab_size=VOCABULARY,
            intermediate_size=32,
            max_position_embeddings=16,
            segment_means_seq_len=16,
            **sizes,
        )
    ).eval()
    assert max_length(model) == 16
    model(input_ids=some_ids(1, 16))


def test_a_family_without_an_end_of_positions_takes_512_tokens() -> None:
    """Bug: XLNet's limit of -1 asks the user for a length between 3 and -1."""
    model = torch.nn.Module()
    model.config = XLNetConfig()
    assert max_length(model) == 512


def test_a_family_whose_sizes_have_other_names_is_refused_in_a_sentence() -> None:
    """Bug: an AttributeError from deep inside, after the teacher was loaded."""
    with pytest.raises(KdcError, match="flaubert has no intermediate_size"):
        _ = Sizes(FlaubertConfig()).ffn


def test_tables_as_wide_as_the_states_follow_them_and_others_stay() -> None:
    """Bug: DeBERTa's pooler and ELECTRA's embeddings keep the teacher's width and do not fit."""
    deberta, electra, albert = (family_config(name) for name in ("deberta-v2", "electra", "albert"))
    for config in (deberta, electra, albert):
        Sizes(config).set(layers=2, hidden=16, heads=2, ffn=32, activation="gelu")
    assert deberta.pooler_hidden_size == 16
    assert electra.embedding_size == 16
    albert = family_config("albert")
    albert.embedding_size = 8
    Sizes(albert).set(layers=2, hidden=16, heads=2, ffn=32, activation="gelu")
    assert albert.embedding_size == 8


def test_lists_with_an_entry_a_layer_are_spread_with_the_layers() -> None:
    """Bug: a ModernBERT student is trained for minutes and then cannot be saved."""
    config = family_config("modernbert")
    # transformers 4.57 has no such list of its own
    config.layer_types = ["full_attention", *["sliding_attention"] * 3]
    Sizes(config).set(layers=2, hidden=32, heads=2, ffn=64, activation="gelu")
    assert config.layer_types == ["full_attention", "sliding_attention"]


@EVERY
def test_dropout_of_hidden_states_and_attention_is_written(family: str) -> None:
    """Bug: a recipe's dropout never reaches a family that calls it otherwise."""
    model_config = family_config(family)
    set_dropout(model_config, 0.37)
    values = [value for key, value in model_config.to_dict().items() if value == 0.37]
    assert values


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("bert.encoder.layer.3.output.dense.bias", ("bert.encoder.layer.{}.output.dense.bias", 3)),
        ("model.layers.11.mlp.Wi.weight", ("model.layers.{}.mlp.Wi.weight", 11)),
        ("mobilebert.encoder.layer.1.ffn.0.bias", ("mobilebert.encoder.layer.{}.ffn.0.bias", 1)),
        ("albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.bias", None),
        ("bert.embeddings.word_embeddings.weight", None),
        ("bert.encoder.layer.12.output.dense.bias", None),
    ],
)
def test_layer_numbers_are_found_where_there_are_layers(
    name: str, place: tuple[str, int] | None
) -> None:
    """Bug: ALBERT's shared layer or a second number in the name is taken for the layer's."""
    assert layer_of(name, layers=12) == place


@EVERY
def test_the_least_size_of_a_model_stays_below_its_real_size(family: str) -> None:
    """Bug: a good checkpoint of 8-bit weights is refused as too small for its configuration."""
    parameters = sum(parameter.numel() for parameter in family_model(family).parameters())
    assert 0 < least_bytes(family_config(family)) < parameters


def test_the_least_size_grows_with_what_could_take_all_memory() -> None:
    """Bug: a configuration of a billion rows is built before anybody looks at the file's size."""
    for name in ("vocab_size", "max_position_embeddings", "intermediate_size", "num_hidden_layers"):
        config = family_config("bert")
        setattr(config, name, 1_000_000)
        assert least_bytes(config) >= 32_000_000
