"""The page's modules outside of a browser: their functions called by node, with values as JSON."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[1] / "sample_apps" / "web"
_CALLS = """
import { readFileSync } from "node:fs";
const [address, name] = process.argv.slice(-2);
const module = await import(address);
const out = [];
const bytes = (_, value) => (value?.hex === undefined ? value : Buffer.from(value.hex, "hex"));
for (const given of JSON.parse(readFileSync(0, "utf8"), bytes)) {
  out.push(await module[name](...given));
}
console.log(JSON.stringify(out));
"""


def call(module: str, name: str, calls: list[list[Any]]) -> list[Any]:
    """Return what a function of `web/MODULE.js` gives for each list of arguments.

    Bytes may be among them as `{"hex": "00ff"}`.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: apt-get install npm")
    address = (WEB / f"{module}.js").as_uri()
    command = [node, "--input-type=module", "-e", _CALLS, "--", address, name]
    given = json.dumps(calls)
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found
