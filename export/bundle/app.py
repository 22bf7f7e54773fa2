"""What every app is made from: what the user asked for, the model's folder, and a kind of app."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdc.compress.files import MANIFEST, sha256
from kdc.compress.progress import Progress
from kdc.export.phone_model import Phone


@dataclass(frozen=True)
class BundleJob:
    """A phone folder, where the app goes, and how; named as the command's options are."""

    phone: Path
    """A phone folder."""
    app: str
    """A name from `APPS`."""
    out: Path
    """The app's folder; an untouched older app of the kind is replaced, all else is refused."""
    name: str | None = None
    """What the app is called; None for the task's name."""
    sign: Path | None = None
    """File with the private key that signs the manifest; None for an app that asks for none."""
    apk: bool = False
    """Whether an Android app is built here and now, as the web app in a shell of its own."""
    check: bool = False
    """Whether the app is opened here, and kept only if it passes its self-test."""
    package: str | None = None
    """An Android or iOS app's id, such as `org.example.demo`; None for one made from the name."""
    keystore: Path | None = None
    """Keystore that signs an APK; None for this machine's debug key."""
    number: int | None = None
    """Number of a signed model and of a phone's app, higher than the last; None for the time's."""


@dataclass(frozen=True)
class Content:
    """What goes into an app, checked."""

    phone: Phone
    name: str
    """One line of printable characters; hostile to HTML, XML and shells all the same."""
    colour: str
    """`#rrggbb`, dark enough for white letters on it."""
    config: dict[str, Any]
    """`assets/app.json`."""
    signature: bytes | None
    """`assets/manifest.json.sig`; None for an app that asks for none."""
    build: int
    """What a phone tells newer apps from older ones by."""

    @property
    def version(self) -> str:
        """The app's version as a person reads it: its number, and which model is in it."""
        return f"{self.build}-{sha256(self.phone.folder / MANIFEST)[:8]}"


Fill = Callable[[Path, Content, BundleJob, Progress], None]
"""Write an app's files into a new folder: its own, and the model's with `write_assets`."""


@dataclass(frozen=True)
class SelfTest:
    """What the page's self-test found."""

    sentence: str
    """The page's own verdict."""
    texts: int
    """Golden texts, all answered as they must be."""
    load_ms: float
    """Milliseconds to open the model."""
    p50_ms: float
    """Median of whole answers, from text to logits."""
    p95_ms: float
    """95 % of them took less."""
    threads: int
    """Threads the model ran on."""


@dataclass(frozen=True)
class App:
    """A kind of app."""

    about: str
    """A line about it."""
    fill: Fill
    opens: Callable[[Path, BundleJob], str]
    """The one command that opens the app in a folder, or brings it onto a phone."""
    parts: dict[str, str]
    """What files are: the beginning of a path in the app's folder -> the name of a part; of
    several, the longest counts, and files of none are the `page`."""
    check: Callable[[Path], SelfTest] | None = None
    """Open the app on this machine and wait for its self-test, where that can be done."""
    id_of: Callable[[str | None, str], str] | None = None
    """The id of an app, from what the user gave and the app's name; None for a page."""
