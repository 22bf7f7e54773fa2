"""A teacher that can answer: the one named, or one fine-tuned from it on the way."""

from dataclasses import replace
from hashlib import sha256 as digest_of
from pathlib import Path

from kdc.compress.data.dataset import Dataset
from kdc.compress.errors import Finished, Unusable
from kdc.compress.files import MANIFEST
from kdc.compress.finetune import TeacherJob, finetune
from kdc.compress.locks import is_locked
from kdc.compress.models import Source, find_model, is_classifier, read_config
from kdc.compress.progress import Progress
from kdc.compress.recipe import FINETUNE, load_recipe
from kdc.compress.rows import DEFAULT_MAX_LENGTH
from kdc.compress.runtime import choose_device, precision
from kdc.compress.workspace import Workspace


def ready_teacher(
    encoder: Source,
    data: Dataset,
    data_name: str,
    place: Workspace,
    progress: Progress,
    *,
    seed: int,
    device: str,
    max_length: int | None,
) -> Source:
    """Return a teacher with a head for classification: `encoder` itself where it has one.

    A bare encoder (such as `minilm`) is fine-tuned on the data first. It is kept under a name that
    holds the digest of encoder, data and options, so that later runs beside this one use it again;
    a stopped fine-tuning goes on where it stopped.

    Raises:
        KdcError: the model cannot be found or loaded, or the run was stopped (its state is kept).
    """
    if is_classifier(read_config(encoder.folder)):
        return encoder
    recipe = load_recipe(FINETUNE)
    length = max_length or DEFAULT_MAX_LENGTH
    bits = precision(choose_device(device))
    parts = (encoder.digest, data.digest(), repr(recipe), seed, length, bits)
    key = digest_of(repr(parts).encode()).hexdigest()[:8]
    out = place.teachers / f"{Path(encoder.name).name}-{data.task.name}-{key}"
    job = TeacherJob(
        encoder.name, data, data_name, recipe, out, seed, device, max_length, resume=True
    )
    try:
        if not (out / MANIFEST).is_file():
            does = "waiting for the run that is" if is_locked(Workspace(out).lock) else "teacher:"
            progress.say(f"{does} fine-tuning {encoder.name} on {data.task.name} ({_short(out)})")
            try:
                finetune(job, progress, wait=True)
            except Unusable as error:
                progress.say(f"fine-tuning {encoder.name} starts over: {error}")
                finetune(replace(job, resume=False), progress, wait=True)
            return find_model(str(out), progress)
    except Finished:  # by another run, for whose lock this one has waited
        pass
    progress.say(f"teacher: {encoder.name}, fine-tuned before ({_short(out)})")
    return find_model(str(out), progress)


def _short(path: Path) -> str:
    return "/".join(path.parts[-3:])
