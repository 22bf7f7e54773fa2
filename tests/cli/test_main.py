import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kdc.cli.main import COMMANDS, build

HEAVY = ("torch", "transformers", "onnx", "onnxruntime", "numpy", "pyarrow", "datasets", "rich")
_MODULES = 400  # 354 at the most today, in 0.2 s

HELP = f"""
import sys
from kdc.cli.main import main
sys.argv = ["kdc", *sys.argv[1:], "--help"]
try:
    main()
except SystemExit as end:
    sys.stderr.write(f"{{end.code}} {{len(sys.modules)}} ")
    sys.stderr.write(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_quick_and_loads_nothing_heavy(command: str | None) -> None:
    """One `import torch` at the top of a module makes every `--help` take seconds.

    Modules are counted, since time is that of a busy machine.
    """
    arguments = [] if command is None else [command]
    done = subprocess.run(
        [sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True
    )
    code, modules, loaded = done.stderr.split(" ")
    assert code == "0"
    assert loaded == ""
    assert int(modules) < _MODULES
    assert "Usage: kdc" in done.stdout


def test_every_command_and_option_says_what_it_is() -> None:
    import typer

    root: Any = typer.main.get_command(build())
    for command in root.commands.values():
        assert command.help
        assert all(parameter.help for parameter in command.params)


def test_no_summary_is_cut_in_the_list_of_commands() -> None:
    """A first line of over 60 characters ends in dots in `kdc --help`."""
    done = CliRunner().invoke(build(), ["--help"], terminal_width=80)
    summaries = done.stdout.split("Commands:")[1]
    assert "..." not in summaries


def test_the_version_is_the_installed_one() -> None:
    assert CliRunner().invoke(build(), ["--version"]).stdout == f"kdc {version('kdc')}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["list"], ["doctor", "--nonsense"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(build(), arguments).exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_one_sentence_and_cleans_up(
    number: signal.Signals, tmp_path: Path
) -> None:
    """A supervisor's SIGTERM would otherwise kill the run with its staging folder left behind."""
    code = (
        "import signal, sys, time\n"
        # what runs the tests in the background may ignore SIGINT, and children inherit that
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\n"
        "from kdc.cli import main\n"
        "from kdc.compress.files import whole_folder\n"
        "def wait() -> None:\n"
        f"    with whole_folder(Path({str(tmp_path / 'out')!r}), 'kdc.app'):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "main.COMMANDS['wait'] = wait\n"
        "sys.argv = ['kdc', 'wait']\n"
        "main.main()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 1
    assert errors.startswith("kdc: interrupted")
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
