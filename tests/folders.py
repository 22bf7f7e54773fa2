"""What is in folders."""

from pathlib import Path

from kdc.compress.files import sha256


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file in a folder, by its path in there."""
    return {str(p.relative_to(folder)): sha256(p) for p in folder.rglob("*") if p.is_file()}
