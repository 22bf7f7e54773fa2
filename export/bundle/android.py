"""The Android app: a Kotlin project for Android Studio, or the web app as an APK, built here."""

import shlex
from pathlib import Path

from kdc.compress.progress import Progress
from kdc.export.bundle.android_names import package_id
from kdc.export.bundle.app import App, BundleJob, Content, SelfTest
from kdc.export.bundle.size import asset_parts

_APK = "app.apk"
_ASSETS = "app/src/main/assets"


def fill_android(folder: Path, content: Content, job: BundleJob, progress: Progress) -> None:
    """Write the project, or build the APK.

    Raises:
        KdcError: the id cannot be used, a copy differs, or the APK cannot be built.
    """
    if job.apk:
        from kdc.export.bundle.apk import build_apk

        build_apk(folder, content, job, progress)
        return
    from kdc.export.bundle.android_project import write_project

    write_project(folder, content, job)


def _opens(folder: Path, job: BundleJob) -> str:
    if job.apk:
        return f"adb install -r {shlex.quote(str(folder / _APK))}"
    return f"open {shlex.quote(str(folder))} in Android Studio and press Run; it was not built here"


def _check(folder: Path) -> SelfTest:
    from kdc.export.bundle.apk import check_apk

    return check_apk(folder)


ANDROID = App(
    "a Kotlin project for Android Studio; with --apk the page as a signed APK, built here",
    fill_android,
    _opens,
    {**asset_parts(_ASSETS), _APK: "apk", "core/src/main/resources/": "tokenizer"},
    _check,
    package_id,
)
