"""The Kotlin project for Android Studio, with one model's assets, name, icon and id."""

from importlib.resources import files
from pathlib import Path

from kdc.export.bundle.android_names import package_id
from kdc.export.bundle.android_resources import write_resources
from kdc.export.bundle.app import BundleJob, Content
from kdc.export.bundle.assets import write_assets
from kdc.export.bundle.copying import copy_app

ASSETS = "app/src/main/assets"
_RES = "app/src/main/res"
_TABLES = "core/src/main/resources/kdc/unicode.txt"
_LEFT = ("tools", "build", ".gradle", "local.properties")  # for tests, and what builds leave behind


def write_project(folder: Path, content: Content, job: BundleJob) -> None:
    """Write the project.

    Raises:
        KdcError: the id cannot be used, or a copy differs.
    """
    package = package_id(job.package, content.name)
    copy_app("android", folder, leave=_LEFT)
    write_resources(folder / _RES, content)
    tables = folder / _TABLES
    tables.parent.mkdir(parents=True)
    tables.write_bytes((files("kdc.sample_apps") / "unicode.txt").read_bytes())
    # an id, a number and a version: nothing that could be read as code
    properties = f"applicationId={package}\nversionCode={content.build}\n"
    properties += f"versionName={content.version}\n"
    (folder / "bundle.properties").write_text(properties, encoding="ascii")
    write_assets(folder / ASSETS, content)
