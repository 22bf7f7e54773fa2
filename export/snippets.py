"""The code in a model card: enough to run the model, and nothing else."""

import json
from dataclasses import dataclass

from kdc.compress.task import Kind, Task
from kdc.export.options import DEFAULT, SessionOptions

_PYTHON = """\
```python
import json
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
{fill}text = tokenizer.encode({texts})
given = {{"input_ids": text.ids, "attention_mask": text.attention_mask}}
given["token_type_ids"] = text.type_ids
{session}model = onnxruntime.InferenceSession("{file}"{options})
feeds = {{node.name: np.array([given[node.name]]) for node in model.get_inputs()}}
logits = model.run(["logits"], feeds)[0][0]
{answer}
```"""

OLD_X86 = (
    "On x86 processors before VNNI int8 sums overflow and answers are off, unless exact ones are "
    'asked for: `options.add_session_config_entry("session.x64quantprecision", "1")`, on '
    "`onnxruntime.SessionOptions()` of the level `ORT_ENABLE_EXTENDED`."
)
"""What int8 models need beside the code: `SessionOptions.build` sees for itself where they do."""

_LABEL = (
    'answer = json.load(open("config.json", encoding="utf-8"))["id2label"][str(logits.argmax())]'
)

_LABELS = """\
names = json.load(open("config.json", encoding="utf-8"))["id2label"]
answer = [names[str(place)] for place in np.flatnonzero(logits > 0)]"""

_JAVASCRIPT = """\
```js
import {{ {names}, env }} from "@huggingface/transformers";

env.allowRemoteModels = false;
env.allowLocalModels = true; // browsers start with false
env.localModelPath = "./";
{code}
```"""

_PIPELINE = """\
const classify = await pipeline("text-classification", "phone"{options});
const answer = await classify("some text");"""

_PIPELINE_OF_LABELS = """\
const classify = await pipeline("text-classification", "phone"{options});
const labels = await classify("some text", {{ top_k: null }});
const answer = labels.filter(({{ score }}) => score > 0.5);"""

_MODEL = """\
const tokenizer = await AutoTokenizer.from_pretrained("phone");
const model = await AutoModelForSequenceClassification.from_pretrained("phone"{options});
const {{ logits }} = await model(await tokenizer({texts}));"""

_RUNTIME = """\
```js
import {{ InferenceSession }} from "onnxruntime-web/wasm";

const model = await InferenceSession.create("phone/{file}"{options});
```"""


_ANSWERS: dict[Kind, str] = {
    "classification": _LABEL,
    "multi-label": _LABELS,
    "regression": "answer = float(logits[0])",
}


@dataclass(frozen=True)
class Fill:
    """How texts are padded for a model of one length."""

    length: int
    """Tokens of every text."""
    token: int
    """The padding token's id."""


def python(
    task: Task, file: str, fill: Fill | None = None, session: SessionOptions = DEFAULT
) -> str:
    """Return how to run it with onnxruntime and tokenizers.

    Args:
        task: what the model answers.
        file: the model's name in the phone folder.
        fill: how texts are padded; None for a model of texts of any length.
        session: how it is opened.
    """
    texts = '"first text", "second text"' if task.pair else '"some text"'
    answer = _ANSWERS[task.kind]
    padding = ""
    if fill is not None:
        padding = f"tokenizer.enable_padding(length={fill.length}, pad_id={fill.token})\n"
    return _PYTHON.format(
        texts=texts,
        file=file,
        answer=answer,
        fill=padding,
        session=_python_options(session),
        options="" if session == DEFAULT else ", options",
    )


def javascript(
    task: Task,
    fill: Fill | None = None,
    session: SessionOptions = DEFAULT,
    external: bool = False,
) -> str:
    """Return how to run it with transformers.js.

    Its pipeline is for labels of single texts of any length.

    Args:
        task: what the model answers.
        fill: how texts are padded; None for a model of texts of any length.
        session: how it is opened.
        external: whether its weights are a file of their own.
    """
    loading = _web_options(session)
    loading = {"session_options": loading} if loading else {}
    if external:
        loading["use_external_data_format"] = True
    if task.labels and not task.pair and fill is None:
        code = _PIPELINE_OF_LABELS if task.kind == "multi-label" else _PIPELINE
        pipeline = code.format(options=_argument(loading))
        return _JAVASCRIPT.format(names="pipeline", code=pipeline)
    options = ['text_pair: "second text"'] if task.pair else []
    if fill is not None:
        options.append(f'padding: "max_length", max_length: {fill.length}')
    first = "first text" if task.pair else "some text"
    texts = f'"{first}", {{ {", ".join([*options, "truncation: true"])} }}'
    names = "AutoModelForSequenceClassification, AutoTokenizer"
    code = _MODEL.format(texts=texts, options=_argument(loading))
    return _JAVASCRIPT.format(names=names, code=code)


def javascript_runtime(file: str, session: SessionOptions) -> str:
    """Return how to open it in ONNX Runtime Web alone, as ONNX Runtime's own format has to be."""
    return _RUNTIME.format(file=file, options=_argument(_web_options(session)))


def _python_options(session: SessionOptions) -> str:
    """Return the lines that make `options`; none where ONNX Runtime's own defaults are meant."""
    level = session.optimization.upper()
    level = "ORT_DISABLE_ALL" if level == "DISABLE" else f"ORT_ENABLE_{level}"
    lines = {
        "optimization": "options.graph_optimization_level = "
        f"onnxruntime.GraphOptimizationLevel.{level}",
        "arena": "options.enable_cpu_mem_arena = False",
        "memory_pattern": "options.enable_mem_pattern = False",
        "prepacking": 'options.add_session_config_entry("session.disable_prepacking", "1")',
    }
    chosen = [lines[name] for name in changes(session)]
    start = ["options = onnxruntime.SessionOptions()"] if chosen else []
    return "".join(f"{line}\n" for line in start + chosen)


def _web_options(session: SessionOptions) -> dict[str, object]:
    """Return what ONNX Runtime Web has to be told, for its own defaults are ours."""
    usual = DEFAULT.for_web()
    return {name: value for name, value in session.for_web().items() if value != usual.get(name)}


def changes(session: SessionOptions) -> list[str]:
    """Return the names of the options that are not ONNX Runtime's own defaults."""
    usual = DEFAULT.as_dict()
    return [name for name, value in session.as_dict().items() if value != usual[name]]


def _argument(value: dict[str, object]) -> str:
    """Return a JavaScript object as the last argument of a call; nothing for an empty one."""
    return f", {json.dumps(value, indent=2)}" if value else ""
