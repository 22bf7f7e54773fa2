"""What an Android app shows of itself before it runs: its name and its icon."""

from pathlib import Path

from kdc.export.bundle.android_names import resource_string
from kdc.export.bundle.app import Content
from kdc.export.bundle.icon import draw_png

_ICON, _FOREGROUND = 192, 432  # pixels of 48 and of 108 dp at 4 pixels a dp


def write_resources(res: Path, content: Content) -> None:
    """Write the app's name, colour and icons into a folder of resources.

    Args:
        res: the folder `res`, which may hold others.
        content: the app's name and colour.
    """
    values = (
        '<?xml version="1.0" encoding="utf-8"?>\n<resources>\n'
        '  <string name="app_name" translatable="false" formatted="false">'
        f"{resource_string(content.name)}</string>\n"
        f'  <color name="icon">{content.colour}</color>\n</resources>\n'
    )
    (res / "values").mkdir(parents=True, exist_ok=True)
    (res / "values" / "app.xml").write_text(values, encoding="utf-8")
    icons = res / "mipmap-xxxhdpi"
    icons.mkdir(parents=True, exist_ok=True)
    for name, size in (("icon", _ICON), ("icon_foreground", _FOREGROUND)):
        (icons / f"{name}.png").write_bytes(draw_png(content.name, content.colour, size))
