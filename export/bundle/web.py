"""The web app: a static page for any browser and any host."""

from pathlib import Path

from kdc.compress.progress import Progress
from kdc.export.bundle.app import App, BundleJob, Content
from kdc.export.bundle.assets import ASSETS, write_assets
from kdc.export.bundle.copying import copy_app
from kdc.export.bundle.size import asset_parts


def fill_web(folder: Path, content: Content, job: BundleJob, progress: Progress) -> None:
    """Write the page and the model it shows."""
    copy_app("web", folder)
    write_assets(folder / ASSETS, content)


def _opens(folder: Path, job: BundleJob) -> str:
    return f"python3 -m http.server --directory {folder}, http://localhost:8000"


WEB = App(
    "a static page for any browser and any host; needs nothing but itself",
    fill_web,
    _opens,
    asset_parts(),
)
