"""A runner of the tests: reads the job as the real one does, and answers or fails as it is told.

`phone.json` has `runner`: nothing for an answer to every text (its sum and its length), or a way
to fail. The models it opens must lie where the job says.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

library, path = sys.argv[1:]
lines = [line.split(" ") for line in Path(path).read_text().splitlines()]
job = {line[0]: line[1:] for line in lines if line[0] in ("mode", "threads", "runs")}
models = [" ".join(line[1:]) for line in lines if line[0] == "model"]
texts = [list(map(int, line[2 : 2 + int(line[1])])) for line in lines if line[0] == "text"]
how = json.loads(Path(os.environ["KDC_FAKE_PHONE"], "phone.json").read_text()).get("runner")
Path(os.environ["KDC_FAKE_PHONE"], "ran").write_text(str(os.getpid()))


def say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "crashed":
    os.kill(os.getpid(), signal.SIGSEGV)
elif how == "late":
    os.kill(os.getpid(), signal.SIGALRM)
elif how == "hangs":
    time.sleep(600)
elif how == "silent":
    sys.stderr.write("first\nthe last word\n")
    sys.exit(9)
elif how == "garbage":
    say({"models": "none"})
elif how == "refuses":
    say({"model": len(models) - 1, "error": "Load model failed: Status Message: no protobuf\n"})
    sys.exit(3)
elif how == "not a number":
    say({"models": [{"onnxruntime": "1", "logits": [[1.0, None]] * len(texts)}]})
else:
    for model in models:
        assert Path(model).stat().st_size
    if job["mode"] == ["answer"]:
        logits = [[float(sum(text)), float(len(text))] for text in texts]
        say({"models": [{"onnxruntime": "1.2.3", "logits": logits}]})
    else:
        runs = int(job["runs"][0])
        sizes = [Path(model).stat().st_size for model in models]
        times = {"load_ms": 1.5, "first_ms": 2.5, "cpu_ms": [0.5] * runs}
        memory = {"peak_rss_bytes": 1000, "private_bytes": 500}
        report = {"onnxruntime": "1.2.3", **times, **memory}
        say({"models": [{**report, "wall_ms": [float(size)] * runs} for size in sizes]})
