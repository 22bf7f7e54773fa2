"""The Hugging Face half of a teacher's or student's folder."""

from pathlib import Path

from transformers import PreTrainedModel as Model

from kdc.compress.rows import Rows


def write_encoder(folder: Path, model: Model, rows: Rows) -> None:
    """Write the configuration, weights and tokenizer of a model into a staging folder.

    `tokenizer.json` cuts at the run's length and never pads, so that every reader of it, in any
    language, gives the ids that the model was trained on.
    """
    model.save_pretrained(folder, safe_serialization=True)
    rows.tokenizer.save_pretrained(folder)
    rows.plain.save(str(folder / "tokenizer.json"))
