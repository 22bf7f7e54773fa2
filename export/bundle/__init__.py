"""Phone folder -> a ready app: a sample app's own files, and the model beside them as `assets/`."""

import base64
from dataclasses import asdict, dataclass
from importlib.metadata import version

from kdc.compress.errors import unknown
from kdc.compress.files import MANIFEST, refuse_inside, sha256, whole_folder, write_manifest
from kdc.compress.progress import Progress, Silent
from kdc.export.bundle.android import ANDROID
from kdc.export.bundle.app import App, BundleJob, Content, SelfTest
from kdc.export.bundle.assets import CONFIG_FORMAT
from kdc.export.bundle.fitness import check_fitness
from kdc.export.bundle.ios import IOS
from kdc.export.bundle.naming import app_name, name_colour
from kdc.export.bundle.numbers import build_number, model_number
from kdc.export.bundle.options import check_options
from kdc.export.bundle.replace import Release, check_update, place_for, refuse_loss
from kdc.export.bundle.size import Part, measure
from kdc.export.bundle.web import WEB
from kdc.export.phone_model import FORMAT as PHONE_FORMAT
from kdc.export.phone_model import Phone, read_phone

FORMAT = "kdc.app/1"
FORM = "kdc.app"

APPS: dict[str, App] = {"web": WEB, "android": ANDROID, "ios": IOS}
"""The apps there are."""


@dataclass(frozen=True)
class Bundled:
    """A finished app."""

    name: str
    """What it is called."""
    parts: list[Part]
    """What it weighs."""
    opens: str
    """The one command that opens it, or brings it onto a phone."""
    self_test: SelfTest | None
    """What its self-test found, where it was asked for."""


def bundle(job: BundleJob, progress: Progress | None = None) -> Bundled:
    """Write a sample app with a phone folder's model in it, every digest checked after the copy.

    Files that the phone folder's manifest does not name stay behind.

    Raises:
        KdcError: no such app, options that do not go together, a corrupted phone folder or one
            that the app cannot work with, a copy that differs, a name or key that cannot be used,
            no browser for a check, or a place that lies inside the phone folder, holds what would
            be lost, holds a newer or a signed app, or cannot be written.
        GateFailed: the app does not pass its self-test; nothing is written.
    """
    if job.app not in APPS:
        raise unknown("app", job.app, APPS)
    app = APPS[job.app]
    check_options(job, app)
    kind = {"app": job.app, "apk": job.apk}
    progress = progress or Silent()
    refuse_inside(job.out, job.phone)
    with place_for(job.out, FORM, kind):  # refused before the work, not after it
        content = _content(read_phone(job.phone), job, progress)
        release = _release(content, job, app)
        for sentence in check_update(job.out, release, job.apk):
            progress.say(sentence)
        check_fitness(content.phone)
        with whole_folder(job.out, FORM) as folder:
            app.fill(folder, content, job, progress)
            parent = {"format": PHONE_FORMAT, "sha256": sha256(content.phone.folder / MANIFEST)}
            fields = {**kind, **asdict(release), "name": content.name}
            fields["task"] = content.phone.task.as_dict()
            made_with = {"kdc": version("kdc")}
            write_manifest(folder, FORMAT, {**fields, "parent": parent, "made_with": made_with})
            parts = measure(folder, app.parts)
            self_test = app.check(folder) if job.check and app.check else None
            refuse_loss(job.out, FORM, kind)  # whoever worked there meanwhile
    return Bundled(content.name, parts, app.opens(job.out, job), self_test)


def _release(content: Content, job: BundleJob, app: App) -> Release:
    """Return what decides whether the app is an update; raises KdcError where its id is none."""
    return Release(
        package=None if app.id_of is None else app.id_of(job.package, content.name),
        build=None if app.id_of is None else content.build,
        number=content.config["number"],
        public_key=content.config["public_key"],
        keystore=job.keystore is not None,
    )


def _content(phone: Phone, job: BundleJob, progress: Progress) -> Content:
    """Put together what goes into the app; the manifest that is signed is the file, byte by byte.

    Raises:
        KdcError: the name or the key cannot be used.
    """
    name = app_name(job.name, phone.task.name)
    colour = name_colour(name)
    public_key, number, signature = None, None, None
    if job.sign is not None:
        from kdc.export.bundle.envelope import sign_manifest
        from kdc.export.bundle.signing import read_key

        key = read_key(job.sign)
        if key.others is not None:
            progress.say(key.others)
        public_key = base64.b64encode(key.public).decode("ascii")
        number = model_number(job.number)
        signature = sign_manifest(key, (phone.folder / MANIFEST).read_bytes(), number)
    config = {
        "format": CONFIG_FORMAT,
        "name": name,
        "task": phone.task.as_dict(),
        "labels": list(phone.task.labels),
        "max_length": phone.max_length,
        "colour": colour,
        "public_key": public_key,
        "number": number,
        "manifest_sha256": sha256(phone.folder / MANIFEST),
    }
    return Content(phone, name, colour, config, signature, build_number(job.number))
