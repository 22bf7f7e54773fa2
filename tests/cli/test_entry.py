"""Ctrl-C at the two ends of a command's life, where no command is at work yet, or any more."""

import subprocess
import sys

import pytest

LOADING = """
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""
ENDING = "atexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"


def run(body: str) -> tuple[int, str, str]:
    """Run `kdc list students`; what runs the tests may ignore SIGINT, and children inherit that."""
    code = (
        "import atexit, os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{body}\n"
        "from kdc.cli.entry import main\n"
        "sys.argv = ['kdc', 'list', 'students']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ["kdc.cli.main", "typer", "kdc.cli.doctor", "kdc.compress.quiet"])
def test_ctrl_c_while_kdc_is_loaded_is_one_line(name: str) -> None:
    """Bug: a traceback of imports in the first tenths of a second."""
    assert run(LOADING.format(name=name)) == (1, "", "kdc: interrupted\n")


def test_ctrl_c_while_options_are_read_is_one_line() -> None:
    """Bug: typer ends with another code, and without a word."""
    reading = "typer.core.TyperGroup.invoke = lambda *a: os.kill(os.getpid(), signal.SIGINT)"
    said = "kdc: interrupted: nothing half-written was left behind\n"
    assert run(f"import typer.core\n{reading}") == (1, "", said)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_after_the_result_is_one_line(name: str) -> None:
    """Bug: a traceback of what libraries do at the end, below a result that is whole."""
    code, said, errors = run(ENDING.format(name=name))
    assert (code, errors) == (1, "kdc: interrupted\n") and "3x384" in said


def test_who_was_told_to_ignore_ctrl_c_goes_on() -> None:
    """Bug: a job in the background ends with the terminal's next Ctrl-C."""
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code, said, errors = run(ignored + LOADING.format(name="typer") + ENDING.format(name="SIGINT"))
    assert (code, errors) == (0, "") and "3x384" in said


def test_the_console_script_is_the_entry() -> None:
    """Bug: the script loads everything before anyone listens to Ctrl-C."""
    code = "import kdc.cli.entry, sys; print(sorted(n for n in sys.modules if n[:4] == 'kdc.'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['kdc.cli', 'kdc.cli.entry']\n"
