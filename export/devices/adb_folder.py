"""The device's side: the runner that is kept there, and a folder for each run that is not.

The runner lies in a folder named by the digest of its files, so that it is pushed once. Whatever
is pushed goes into the run's own folder first and is checked there, the runner too, which is then
renamed: nothing half-pushed is ever found under the name of something whole.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from kdc.export.devices.adb_bridge import Bridge, Said
from kdc.export.devices.adb_phone import free_bytes

HOME = "/data/local/tmp/kdc"
_SPARE = 1 << 24  # bytes to leave free: the runner writes what it measured
_PATIENCE = 120.0  # seconds for a slow phone to read back what was pushed
_PID = "pid"  # a file with the number of the process that runs here
_ALARM = "alarm"  # a file with the number of the process that sleeps until this is to be removed
# from 1.29 ONNX Runtime's Linux builds tell Microsoft which models are opened, unless told not to;
# what it notes for that would stay behind in Android's TMPDIR
_SETTINGS = "export ORT_DISABLE_TELEMETRY=1 TMPDIR"
_OLD = f"find {HOME} -maxdepth 1 -type d -mtime"
_REMOVE = "-exec rm -rf {} +"
# what runs left whose phone was restarted, and runners that nobody used for a month
_SWEEP = (
    f"{{ {_OLD} +1 -name 'run-*' {_REMOVE}; {_OLD} +30 -name 'runner-*' {_REMOVE}; }} 2>/dev/null"
)


@dataclass(frozen=True)
class Folder:
    """A folder of the device that is removed at the end."""

    bridge: Bridge
    path: str

    def put(self, files: Mapping[str, Path]) -> None:
        """Push files and compare them with what then lies there.

        Args:
            files: the local file of each path below this folder.

        Raises:
            KdcError: the device is full, or it holds something else than what was pushed.
        """
        _check_room(self.bridge, sum(path.stat().st_size for path in files.values()))
        folders = {str(Path(self.path, name).parent) for name in files}
        _must(self.bridge, f"mkdir -p {join(sorted(folders))}")
        for name, path in files.items():
            self.bridge.push(path, f"{self.path}/{name}")
        if not _same(self.bridge, self.path, files):
            raise KdcError(
                f"{self.bridge.serial} holds something else than what was pushed: measure again"
            )

    def run(self, command: Sequence[str], seconds: float) -> Said:
        """Run a program in this folder.

        Args:
            command: its words.
            seconds: after which no answer is waited for.

        Returns:
            Its exit code, what it printed, and the last of what it said beside that.
        """
        # `exec`: the program takes over the number of the shell that noted it
        started = quote(f"echo $$ >{_PID}; {_SETTINGS}={self.path}; exec {join(command)}")
        steps = f"sh -c {started} >out 2>err </dev/null; code=$?; rm -f {_PID}; cat out; exit $code"
        done = self.bridge.shell(f"cd {self.path} && {{ {steps}; }}", seconds)
        if done.code == 0:
            return done
        said = self.bridge.shell(f"tail -c 400 {self.path}/err").out.strip()
        return Said(done.code, done.out, said)

    def remove(self) -> None:
        """End what still runs here and remove everything."""
        end = f"for f in {_PID} {_ALARM}; do [ -f $f ] && kill -9 $(cat $f); done"
        ended = f"{{ cd {self.path} && {{ {end}; }}; cd /; }} 2>/dev/null"
        empty = f"{{ rmdir {HOME} 2>/dev/null; true; }}"  # where no runner is kept
        _must(self.bridge, f"{ended}; rm -rf {self.path} && {empty}")


@contextmanager
def run_folder(bridge: Bridge, seconds: float) -> Iterator[Folder]:
    """Yield a new folder of the device, which is gone afterwards whatever happened.

    A device that cannot be reached any more removes the folder itself when `seconds` are over;
    one that was restarted meanwhile has it removed by a run of another day.

    Args:
        bridge: the device.
        seconds: longer than the folder is needed.

    Raises:
        KdcError: the device went away or refuses it.
    """
    folder = Folder(bridge, f"{HOME}/run-{secrets.token_hex(6)}")
    try:
        begin = f"mkdir -p {HOME} && mkdir {folder.path} && {_later(folder.path, seconds)}"
        _must(bridge, f"{_SWEEP}; {begin}")
        yield folder
    except BaseException as error:
        try:
            folder.remove()
        except KdcError:  # the first error is the one to tell
            if isinstance(error, KdcError):
                raise _left(error, folder, seconds) from error
        raise
    try:
        folder.remove()
    except KdcError as error:
        raise _left(error, folder, seconds) from error


def runner_there(folder: Folder, runner: Path) -> str:
    """Return the device's folder that holds the runner's files, pushed now unless it is there.

    Args:
        folder: where it is pushed before it is kept.
        runner: the local folder of its files.

    Raises:
        KdcError: it cannot be pushed or differs afterwards.
    """
    files = files_of(runner)
    bridge, kept = folder.bridge, _kept(files)
    if not _same(bridge, kept, files):
        folder.put({f"runner/{name}": path for name, path in files.items()})
        new = f"{folder.path}/runner"
        _must(bridge, f"chmod -R 755 {new} && rm -rf {kept} && mv {new} {kept}")
    return kept


def files_of(runner: Path) -> dict[str, Path]:
    """Return the files of a runner's folder by name."""
    return {path.name: path for path in sorted(runner.iterdir()) if path.is_file()}


def _kept(files: Mapping[str, Path]) -> str:
    lines = "".join(f"{sha256(path)} {name}\n" for name, path in sorted(files.items()))
    return f"{HOME}/runner-{hashlib.sha256(lines.encode()).hexdigest()[:16]}"


def _later(path: str, seconds: float) -> str:
    """Return a command that removes a folder when the time is over, or its `sleep` is ended."""
    asleep = f"sleep {seconds:.0f} & echo $! >{path}/{_ALARM}; wait $!"
    return f"{{ (trap '' HUP; {asleep}; rm -rf {path}) </dev/null >/dev/null 2>&1 & }}"


def _left(error: KdcError, folder: Folder, seconds: float) -> KdcError:
    minutes = -int(-seconds // 60)
    return KdcError(f"{error}; {folder.path} may be left there for {minutes} minutes")


def _check_room(bridge: Bridge, needed: int) -> None:
    free = free_bytes(bridge, HOME)
    if free is not None and free < needed + _SPARE:
        raise KdcError(
            f"{bridge.serial} is full: {HOME} has room for {free / 1e6:.0f} MB and "
            f"{(needed + _SPARE) / 1e6:.0f} MB are needed"
        )


def _same(bridge: Bridge, folder: str, files: Mapping[str, Path]) -> bool:
    """Compare what lies in a folder of the device: sha256, or bytes where it cannot tell those.

    The folder is touched: one that is used is not old.
    """
    names = join(f"./{name}" for name in files)
    done = bridge.shell(f"cd {folder} && touch . && sha256sum {names} 2>/dev/null", _PATIENCE)
    if done.code == 0:
        wanted = [sha256(path) for path in files.values()]
    else:
        sizes = f'for f in {names}; do wc -c <"$f"; done'
        done = bridge.shell(f"cd {folder} && {sizes}", _PATIENCE)
        wanted = [str(path.stat().st_size) for path in files.values()]
    # GNU's begins the line of a name that it had to escape with a backslash
    found = [line.split()[0].lstrip("\\") for line in done.out.splitlines() if line.strip()]
    return found == wanted


def _must(bridge: Bridge, command: str) -> None:
    done = bridge.shell(command)
    if done.code:
        said = " ".join(f"{done.out} {done.err}".split())[-200:]
        if "No space left" in said:
            raise bridge.full()
        raise KdcError(f"{bridge.serial} refused a command ({said or done.code}): measure again")
