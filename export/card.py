"""The model card: what ships, how good and how big it is, how it was made and how to use it."""

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kdc.compress.artifact import Student
from kdc.compress.metrics import Score
from kdc.compress.task import Task
from kdc.export.trials import Trial

_CARD = """\
---
library_name: transformers.js
pipeline_tag: text-classification
---

# {name}

{what} It was distilled from a larger teacher and runs on a phone or in a browser, without a network.

## How good

{metric} on {n} dev texts, each answered alone, with its 95 % interval.

| model | {metric} | interval | kept of the teacher |
|---|---|---|---|
{scores}

Against the student before quantization: {parity}.

## How big

`{file}`: {mb:.2f} MB ({bytes} bytes), {zip_mb:.2f} MB zipped, quantization `{method}`.

## How fast

That depends on the device: `kdc bench --model student.onnx` measures it.
Texts are run alone, unpadded, and cut at {max_length} tokens.

## How made

{made}

## How to use it

In Python, inside this folder:

```python
import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

text = Tokenizer.from_file("tokenizer.json").encode({texts})
names = {{"input_ids": text.ids, "attention_mask": text.attention_mask, "token_type_ids": text.type_ids}}
model = onnxruntime.InferenceSession("{file}")
feeds = {{node.name: np.array([names[node.name]]) for node in model.get_inputs()}}
logits = model.run(["logits"], feeds)[0][0]
{answer}
```

In JavaScript, with this folder beside the page as `phone/`:

```js
import {{ AutoModelForSequenceClassification, AutoTokenizer, env }} from "@huggingface/transformers";

env.allowRemoteModels = false;
env.localModelPath = "./";
const tokenizer = await AutoTokenizer.from_pretrained("phone");
const model = await AutoModelForSequenceClassification.from_pretrained("phone", {{ dtype: "{dtype}" }});
const {{ logits }} = await model(tokenizer({js_texts}, {{ truncation: true }}));
```

`golden.json` holds texts with the ids, logits and labels that every app must reproduce.
"""


def card(student: Student, trial: Trial, file: str) -> str:
    """Return the card as Markdown.

    Args:
        student: the student folder.
        trial: the method that ships.
        file: the model's name in the phone folder.
    """
    task = student.task
    texts = ("first text", "second text") if task.pair else ("some text",)
    single = '["some text"]'
    double = '["first text"], { text_pair: ["second text"] }'
    return _CARD.format(
        name=task.name,
        what=_what(task),
        metric=task.metric,
        n=trial.score.n,
        scores=_scores(student, trial),
        parity=_parity(trial),
        file=file,
        mb=trial.bytes / 1e6,
        bytes=trial.bytes,
        zip_mb=trial.zip_bytes / 1e6,
        method=trial.method,
        max_length=student.max_length,
        made=_made(student),
        texts=", ".join(f'"{text}"' for text in texts),
        js_texts=single,
        dtype="q8",
        answer="",
    )
