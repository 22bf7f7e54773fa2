"""The folder of an encoder that knows no task: a general student, or a teacher made from a corpus.

Files: `config.json`, `model.safetensors` and the tokenizer's files (loads with transformers'
`AutoModelForMaskedLM` where it has that head, else with `AutoModel`), `recipe.toml` (everything
needed to repeat the run), `metrics.json`, and `manifest.json`, written last.
"""

import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel as Model

from kdc.compress.corpus.folder import Corpus
from kdc.compress.files import whole_folder, write_json, write_manifest, write_text
from kdc.compress.recipe import Recipe
from kdc.compress.toml import to_toml
from kdc.compress.workspace import made_with

FORM = "kdc.encoder"
FORMAT = f"{FORM}/1"


def write_general(
    out: Path,
    model: Model,
    corpus: Corpus,
    metrics: dict[str, Any],
    recipe: Recipe,
    identity: dict[str, Any],
) -> None:
    """Write the folder of an encoder; the same run gives the same bytes.

    Args:
        out: where it goes.
        model: trained, with its masked-LM head or without one.
        corpus: gives the tokenizer.
        metrics: what the held-out words and the training said.
        recipe: how it was trained.
        identity: what it was trained from; the `[run]` of `recipe.toml`.

    Raises:
        KdcError: the disk is full, or `out` holds something else.
    """
    with whole_folder(out, FORM) as folder:
        model.save_pretrained(folder, safe_serialization=True)
        for name in corpus.manifest["files"]:
            if not name.endswith(".safetensors"):  # the tokenizer's
                shutil.copyfile(corpus.folder / name, folder / name)
        write_text(folder / "recipe.toml", to_toml({**recipe.as_dict(), "run": identity}))
        write_json(folder / "metrics.json", metrics)
        parent = {"corpus": identity["corpus_sha256"], "teacher": identity.get("teacher_sha256")}
        fields = {
            "parent": {name: digest for name, digest in parent.items() if digest},
            "max_length": corpus.max_length,
            "made_with": made_with(),
        }
        write_manifest(folder, FORMAT, fields)
