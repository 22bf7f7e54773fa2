"""Which options of a bundle go together, found out before any work."""

from kdc.compress.errors import KdcError
from kdc.export.bundle.app import App, BundleJob
from kdc.export.bundle.numbers import HIGHEST, HIGHEST_BUILD


def check_options(job: BundleJob, app: App) -> None:
    """Check that every option that was given means something for the app.

    Raises:
        KdcError: one does not, or there is no browser for a check.
    """
    if (job.apk or job.keystore) and job.app != "android":
        raise KdcError("--apk and --keystore are for --app android: leave them out")
    if job.package and job.app == "web":
        raise KdcError("--package names apps of phones, and a page has no id: leave it out")
    if job.keystore and not job.apk:
        raise KdcError("--keystore signs an APK, and no APK is built without --apk: give both")
    _check_number(job)
    if job.check:
        _check_check(job, app)


def _check_number(job: BundleJob) -> None:
    if job.number is None:
        return
    if job.app == "web" and job.sign is None:
        raise KdcError("--number orders signed models and apps of phones: give --sign as well")
    highest = HIGHEST if job.app == "web" else HIGHEST_BUILD
    if not 1 <= job.number <= highest:
        raise KdcError(f"--number {job.number}: give a whole number from 1 to {highest}")


def _check_check(job: BundleJob, app: App) -> None:
    from kdc.export.devices.web.browser import require_browser

    if app.check is None:
        raise KdcError(f"--check: an app for {job.app} cannot be opened here, only one for the web")
    if job.app == "android" and not job.apk:
        raise KdcError(
            "--check opens pages, and this project is built by your Android Studio: "
            "give --apk as well, or check --app web"
        )
    require_browser()
