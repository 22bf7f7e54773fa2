"""The code in a model card: enough to run the model, and nothing else."""

from kdc.compress.task import Task

_PYTHON = """\
```python
import json
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

text = Tokenizer.from_file("tokenizer.json").encode({texts})
given = {{"input_ids": text.ids, "attention_mask": text.attention_mask}}
given["token_type_ids"] = text.type_ids
model = onnxruntime.InferenceSession("{file}")
feeds = {{node.name: np.array([given[node.name]]) for node in model.get_inputs()}}
logits = model.run(["logits"], feeds)[0][0]
{answer}
```"""

_LABEL = (
    'answer = json.load(open("config.json", encoding="utf-8"))["id2label"][str(logits.argmax())]'
)

_JAVASCRIPT = """\
```js
import {{ {names}, env }} from "@huggingface/transformers";

env.allowRemoteModels = false;
env.localModelPath = "./";
{code}
```"""

_PIPELINE = """\
const classify = await pipeline("text-classification", "phone");
const answer = await classify("some text");"""

_MODEL = """\
const tokenizer = await AutoTokenizer.from_pretrained("phone");
const model = await AutoModelForSequenceClassification.from_pretrained("phone");
const { logits } = await model(await tokenizer(TEXTS));"""


def python(task: Task, file: str) -> str:
    """Return how to run it with onnxruntime and tokenizers; `file` is the model's name."""
    texts = '"first text", "second text"' if task.pair else '"some text"'
    answer = _LABEL if task.labels else "answer = float(logits[0])"
    return _PYTHON.format(texts=texts, file=file, answer=answer)


def javascript(task: Task) -> str:
    """Return how to run it with transformers.js, whose pipeline is for labels of single texts."""
    if task.labels and not task.pair:
        return _JAVASCRIPT.format(names="pipeline", code=_PIPELINE)
    texts = '"first text", { text_pair: "second text" }' if task.pair else '"some text"'
    names = "AutoModelForSequenceClassification, AutoTokenizer"
    return _JAVASCRIPT.format(names=names, code=_MODEL.replace("TEXTS", texts))
