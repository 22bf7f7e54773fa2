"""Programs that are started as a browser is and misbehave, each in its own way."""

import sys
from pathlib import Path

_HEAD = """#!{python} -I
import http.client, json, os, signal, socket, subprocess, sys, time
from urllib.parse import urlsplit
page = urlsplit(sys.argv[-1])
there = http.client.HTTPConnection(page.netloc)
root = page.path.removesuffix("page.html")
profile = next(a.partition("=")[2] for a in sys.argv if a.startswith("--user-data-dir="))
os.mkdir(profile)

def ask(method, name, body=None):
    there.request(method, root + name, body)
    return there.getresponse().read()

def live():  # as the page does: a connection that stays open
    global alive
    alive = socket.create_connection((page.hostname, page.port))
    alive.sendall(f"GET {root}alive HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n".encode())
    alive.recv(9)
    return alive

def answer(found):
    ask("POST", "answer", found if isinstance(found, str) else json.dumps(found))
    time.sleep(60)

"""


def fake_browser(path: Path, behaviour: str) -> Path:
    """Write a browser that does what a few lines of Python say.

    They may use `ask(method, name, body)`, `live()`, `answer(found)` and `profile`.
    """
    path.write_text(_HEAD.replace("{python}", sys.executable) + behaviour, encoding="utf-8")
    path.chmod(0o755)
    return path
