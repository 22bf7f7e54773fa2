"""The programs that build an APK, all of them packages of Debian and Ubuntu, found and run."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kdc.compress.errors import KdcError

PACKAGES = {
    "aapt2": "aapt",
    "smali": "libsmali-java",
    "apksigner": "apksigner",
    "keytool": "default-jre-headless",
}
"""Program -> the package that has it."""
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
"""Android's own resources, which an app's refer to."""
_FRAMEWORK_PACKAGE = "android-framework-res"
_TIME_LIMIT = 300.0  # seconds; each takes one or two


def missing_packages() -> list[str]:
    """Return the packages that building an APK wants and this machine lacks."""
    missing = [package for name, package in PACKAGES.items() if shutil.which(name) is None]
    return missing if find_framework() else [*missing, _FRAMEWORK_PACKAGE]


def find_framework() -> Path | None:
    """Return Debian's file of Android's resources, or the newest of an Android SDK."""
    if FRAMEWORK.is_file():
        return FRAMEWORK
    home = os.environ.get("ANDROID_HOME") or os.environ.get("ANDROID_SDK_ROOT")
    jars = sorted(Path(home).glob("platforms/android-*/android.jar")) if home else []
    return max(jars, key=lambda jar: (len(jar.parent.name), jar.parent.name), default=None)


def require_tools() -> Path:
    """Check that everything is there.

    Returns:
        The file of Android's resources.

    Raises:
        KdcError: something is missing; one command gets all of it.
    """
    framework, missing = find_framework(), missing_packages()
    if missing or framework is None:
        raise KdcError(f"an APK is built with programs that are not here: {_install(missing)}")
    return framework


def run_tool(
    command: Sequence[str | Path], doing: str, secrets: Mapping[str, str] | None = None
) -> str:
    """Run one of the programs and return what it says.

    Args:
        command: the program and its arguments.
        doing: what it is to do, for the sentence, such as `sign the APK`.
        secrets: variables of its environment that no command line may show.

    Raises:
        KdcError: it refuses, with its first complaint, hangs or does not start.
    """
    program = str(command[0])
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIME_LIMIT,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(secrets or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise KdcError(
            f"{program} did not {doing} in {_TIME_LIMIT:.0f} s: try once more"
        ) from error
    except OSError as error:
        package = PACKAGES.get(program, program)
        raise KdcError(
            f"{program} does not start ({error.strerror}): {_install([package])}"
        ) from error
    if done.returncode:
        raise KdcError(f"{program} cannot {doing} ({_complaint(done.stderr, done.stdout)})")
    return done.stdout


def _complaint(*streams: str) -> str:
    lines = [line.strip() for stream in streams for line in stream.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Picked up ", "WARNING"))]
    errors = [line for line in lines if "error" in line.lower() or "exception" in line.lower()]
    return (errors or lines or ["it does not say why"])[0][:200].rstrip(".")


def _install(packages: Sequence[str]) -> str:
    return f"apt-get install {' '.join(packages)}"
