"""Assets of an Android app without the app, and models that answer for them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kdc.compress.files import write_json
from kdc.export.session import open_session
from tests.phones import make_phone
from tests.student import remake

Answer = Callable[..., Sequence[float]]


def make_assets(folder: Path, public_key: str | None = None, **options: Any) -> Path:  # noqa: ANN401
    """An app's assets without the bundle: a phone folder and `app.json`."""
    make_phone(folder, **options)
    task = json.loads((folder / "manifest.json").read_text())["task"]
    config = {"format": "kdc.app-config/1", "name": "demo", "public_key": public_key}
    number = None if public_key is None else 5
    write_json(folder / "app.json", {**config, "task": task, "number": number})
    return folder


def change_json(path: Path, **fields: object) -> None:
    write_json(path, json.loads(path.read_text()) | fields)


def runtime(assets: Path) -> Answer:
    """The phone folder's own model in ONNX Runtime, as the app's adapter would run it."""
    import numpy as np

    session = open_session(assets / "onnx" / "model_quantized.onnx")

    def answer(ids: list[int], mask: list[int], types: list[int]) -> Sequence[float]:
        rows = (np.array([row]) for row in (ids, mask, types))
        found: list[float] = session.run_batch(*rows)[0].tolist()
        return found

    return answer


def runtime_never(*rows: list[int]) -> Sequence[float]:
    raise AssertionError(f"the model was asked {rows}")


def remake_assets(assets: Path) -> None:
    """Make the manifest again, without `app.json`, which is the app's."""
    remake(assets)
    manifest = json.loads((assets / "manifest.json").read_text())
    manifest["files"].pop("app.json", None)
    write_json(assets / "manifest.json", manifest)
