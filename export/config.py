"""The `config.json` that ships: the student's, with its labels, and nothing of its machine."""

from pathlib import Path

from kdc.compress.artifact import Student
from kdc.compress.files import read_json, write_json
from kdc.compress.kept_tokens import special_ids
from kdc.export.vocabulary import Vocabulary


def write_config(
    student: Student,
    folder: Path,
    quantized: bool,
    vocabulary: Vocabulary | None = None,
    *,
    external: bool = False,
) -> None:
    """Write `config.json` with `id2label`, and with the file that transformers.js should load.

    Args:
        student: the student folder.
        folder: the phone folder.
        quantized: whether the model is `model_quantized.onnx`, which transformers.js calls q8.
        vocabulary: the tokens that ship, where the student's were cut.
        external: whether its weights lie in a file of their own.
    """
    config = read_json(student.folder / "config.json")
    kept = {
        key: value for key, value in config.items() if not key.startswith("_") and key != "auto_map"
    }
    if vocabulary is not None:
        kept["vocab_size"] = vocabulary.rows
        kept |= {key: vocabulary.new_id(old) for key, old in special_ids(config).items()}
    labels = student.task.labels or ("score",)
    names = {str(index): label for index, label in enumerate(labels)}
    numbers = {label: index for index, label in enumerate(labels)}
    loading: dict[str, str | bool] = {"dtype": "q8" if quantized else "fp32"}
    if external:
        loading["use_external_data_format"] = True
    write_json(
        folder / "config.json",
        {**kept, "id2label": names, "label2id": numbers, "transformers.js_config": loading},
    )
