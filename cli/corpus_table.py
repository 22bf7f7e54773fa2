"""What `kdc corpus` prints at its end."""

from pathlib import Path

from kdc.cli.console import Terminal, duration
from kdc.compress.corpus.folder import Corpus


def show_corpus(terminal: Terminal, out: Path, made: Corpus | None, seconds: float) -> None:
    """Print what is in the folder, or that others have to finish it."""
    if made is None:
        terminal.say(
            f"{out}: this process has done its share; who is last puts the folder together"
        )
        terminal.result({"complete": False})
        return
    found = {"training": made.manifest, "held out": made.manifest["held_out"]}
    names = ("documents", "sequences", "tokens", "masked")
    rows = [
        [split, str(len(shards)), *(f"{int(found[split][name]):,}" for name in names)]
        for split, shards in (("training", made.shards), ("held out", made.held))
        if shards
    ]
    terminal.table(f"{out}", ["", "shards", *names], rows)
    tokens = int(made.manifest["tokens"]) + int(made.manifest["held_out"]["tokens"])
    terminal.say(f"{tokens / max(seconds, 1e-9):,.0f} tokens/s, took {duration(seconds)}")
    terminal.say(f"{out}: next: kdc label {out}, or kdc distill --corpus {out}")
    terminal.result(
        {
            "complete": True,
            "seconds": round(seconds, 3),
            "shards": len(made.shards),
            "held_out_shards": len(made.held),
            **{name: made.manifest[name] for name in (*names, "duplicates", "max_length")},
            "held_out": made.manifest["held_out"],
        }
    )
