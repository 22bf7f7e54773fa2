"""What the truncation benchmark trains: a corpus, a teacher, its labels, and one student a cell."""

import lzma
import time
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from truncation_judge import judge

from kdc.compress.corpus.build import CorpusJob, build_corpus
from kdc.compress.corpus.folder import Corpus, read_corpus
from kdc.compress.corpus.settings import Settings
from kdc.compress.files import MANIFEST, read_json, whole_file, write_json, write_text
from kdc.compress.general.distill import distill_general
from kdc.compress.general.job import GeneralJob
from kdc.compress.labelling.label import LabelJob, label, measure
from kdc.compress.labelling.verify import verify
from kdc.compress.labels.method import Method
from kdc.compress.progress import Progress
from kdc.compress.recipe import load_recipe

_SAMPLE = 2000  # places of --verify


@dataclass(frozen=True)
class Way:
    """What a student learns from."""

    about: str
    labels: Method | None = None
    """None: the teacher online, or nobody."""
    soft: float = 1.0
    tail: str = "bucket"


WAYS = {
    "full": Way("full softmax, the teacher online"),
    "top-10, no tail": Way("top-10, the tail ignored", Method("topk", 10, 16), tail="ignore"),
    "top-10": Way("top-10 + tail", Method("topk", 10)),
    "top-16": Way("top-16 + tail", Method("topk", 16)),
    "top-64": Way("top-64 + tail", Method("topk", 64)),
    "top-64, cut": Way("top-64 of at least 0.002, + tail", Method("topk", 64, least=0.002)),
    "12 draws": Way("12 draws", Method("draws", 12)),
    "20 draws": Way("20 draws", Method("draws", 20)),
    "hard": Way("hard labels: the text alone", soft=0.0),
}
"""`top-10, no tail` is the loss that truncated softmaxes were first trained with."""


@dataclass(frozen=True)
class Setup:
    """The sizes of the experiment: another setup is another experiment."""

    text: str
    characters: int
    """Of the text, from its start, that students learn from."""
    teacher_characters: int
    """That the teacher does, masked anew in every epoch: it knows no answers by heart."""
    vocab: int
    teacher: str
    student: str
    teacher_tokens: int
    tokens: int
    """That a student is trained on."""
    batch_tokens: int
    learning_rate: float
    max_length: int
    held_out: float
    dupe: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, with the name of the text alone."""
        return {**asdict(self), "text": Path(self.text).name}


@dataclass(frozen=True)
class Lab:
    """A setup and the folder that everything of it lies in."""

    setup: Setup
    out: Path
    device: str
    progress: Progress

    @property
    def shards(self) -> Path:
        """The corpus."""
        return self.out / "shards"

    @property
    def teacher_shards(self) -> Path:
        """What the teacher is pre-trained on; the same documents are held out."""
        return self.out / "teacher-shards"

    @property
    def teacher(self) -> Path:
        """The teacher."""
        return self.out / "teacher"

    def prepare(self) -> Corpus:
        """Make what all cells share and is not there yet: text, tokenizer, corpus and teacher."""
        text, more, words = (self.out / name for name in ("text.txt", "more.txt", "words"))
        sizes = {text: self.setup.characters, more: self.setup.teacher_characters}
        for path, characters in sizes.items():
            if not path.is_file():
                _cut_text(Path(self.setup.text), path, characters)
        if not (words / "config.json").is_file():
            _make_words(more, words, self.setup)
        settings = Settings(
            max_length=self.setup.max_length,
            held_out=self.setup.held_out,
            duplicates=self.setup.dupe,
            shard_characters=2_000_000,
        )
        build_corpus(CorpusJob((text,), str(words), self.shards, settings), self.progress)
        if not (self.teacher / MANIFEST).is_file():
            unmasked = replace(settings, duplicates=0)
            job = CorpusJob((more,), str(words), self.teacher_shards, unmasked)
            build_corpus(job, self.progress)
            self._train(self.teacher, self.setup.teacher, self.setup.teacher_tokens, 0, None)
        return read_corpus(self.shards)

    def labels(self, name: str) -> Path | None:
        """Label the corpus as a way asks, where it is not labelled so yet."""
        method = WAYS[name].labels
        if method is None:
            return None
        out = self.out / f"labels-{slug(name)}"
        job = LabelJob(self.shards, str(self.teacher), method, out, device=self.device)
        ready = label(job, self.progress)
        if not (note := out.with_suffix(".json")).is_file():
            found = verify(ready, _SAMPLE, self.progress)
            write_json(note, {**measure(ready).as_dict(), **found.as_dict()})
        return out

    def run(self, name: str, seed: int) -> dict[str, Any]:
        """Train one student and judge it; returns a cell's figures."""
        labels = self.labels(name)
        out = self.out / "students" / f"{slug(name)}-seed{seed}"
        began, cpu = time.perf_counter(), time.process_time()
        if not (out / MANIFEST).is_file():
            self._train(out, self.setup.student, self.setup.tokens, seed, name, labels)
        spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        corpus = read_corpus(self.shards)
        said = judge(out, self.teacher, corpus, self.setup.batch_tokens, self.device)
        return {**said, **self._verified(name), **spent}

    def _verified(self, name: str) -> dict[str, Any]:
        """Return what `kdc label --verify` says of a way's labels."""
        if WAYS[name].labels is None:
            return {}
        found = read_json(self.out / f"labels-{slug(name)}.json")
        return {"gradient_error": found["gradient_error"], "bias": found["bias"]}

    def bytes_per_token(self, name: str, corpus: Corpus) -> float:
        """Return what a way writes down; of the full softmax what it would be in fp32."""
        if WAYS[name].soft == 0:
            return 0.0
        method = WAYS[name].labels
        masked = corpus.manifest["masked"] / corpus.manifest["tokens"] / corpus.duplicates
        if method is None:
            return float(4 * self.setup.vocab * masked)
        self.labels(name)
        return float(read_json(self.out / f"labels-{slug(name)}.json")["bytes_per_token"])

    def _train(
        self,
        out: Path,
        shape: str,
        tokens: int,
        seed: int,
        name: str | None,
        labels: Path | None = None,
    ) -> None:
        recipe = out.with_name(f"{out.name}.toml")
        write_text(recipe, _recipe(self.setup, name))
        teacher = str(self.teacher) if name else None
        job = GeneralJob(
            self.shards if name else self.teacher_shards,
            load_recipe(str(recipe)),
            out,
            shape,
            teacher=teacher,
            labels=labels,
            tokens=tokens,
            seed=seed,
            device=self.device,
            resume=True,
        )
        distill_general(job, self.progress)


def _recipe(setup: Setup, name: str | None) -> str:
    way = WAYS[name] if name else Way("", soft=0.0)
    return "\n".join(
        [
            f'name = "{"general-truncation" if name else "pretrain-truncation"}"',
            'rows = "corpus"',
            "[train]",
            "epochs = 1",
            f"batch_tokens = {setup.batch_tokens}",
            f"learning_rate = {setup.learning_rate}",
            "warmup = 0.05",
            "dropout = 0.0",
            "evaluations = 4",
            "[start]",
            'weights = "random"',
            "[losses.masked_lm]",
            "temperature = 1.0",
            f"soft = {way.soft}",
            f"hard = {1.0 if way.soft == 0 else 0.0}",
            f'tail = "{way.tail}"',
            "",
        ]
    )


def _cut_text(source: Path, out: Path, characters: int) -> None:
    """Copy the beginning of a text up to a border of its documents."""
    opened = lzma.open if source.suffix == ".xz" else open
    with opened(source, "rt", encoding="utf-8") as file:
        text = str(file.read(characters))
    with whole_file(out) as temporary:
        temporary.write_text(text[: text.rfind("\n\n") + 1] or text, encoding="utf-8")


def _make_words(text: Path, out: Path, setup: Setup) -> None:
    """Train a WordPiece vocabulary, and put it into a folder that `--teacher` takes."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train([str(text)], vocab_size=setup.vocab, min_frequency=2, show_progress=False)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = BertConfig(vocab_size=setup.vocab, intermediate_size=32, **sizes)
    fast = BertTokenizerFast(
        tokenizer_object=tokenizer._tokenizer, model_max_length=config.max_position_embeddings
    )
    fast.save_pretrained(out)
    BertForMaskedLM(config).save_pretrained(out)


def slug(way: str) -> str:
    """Return what a way's files are called."""
    return way.replace(", ", "-").replace(" ", "-")


def digest(setup: Setup) -> str:
    """Return the sha256 of a setup, the text's place left out."""
    text = "\n".join(f"{name} {value}" for name, value in sorted(setup.as_dict().items()))
    return sha256(text.encode()).hexdigest()
