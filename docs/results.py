"""Writes the README's results and their picture from the measurements in `benchmarks/results`.

python docs/results.py                # table and picture; also run by `make fix`
python docs/results.py NAME FILE...   # first keep what `kdc bench --json` wrote as NAME.json
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from kdc.compress.files import write_json, write_text
from kdc.export.report.cells import Table
from kdc.export.report.detail_tables import versus_table
from kdc.export.report.document import Report
from kdc.export.report.merge import merge
from kdc.export.report.names import shortened
from kdc.export.report.pareto import settings
from kdc.export.report.reader import read_report
from kdc.export.report.svg_file import svg_file
from kdc.export.report.tables import machine_words, pareto_table
from kdc.export.report.tradeoff import overview
from kdc.export.report.write import as_dict

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "results.svg"
FOLDER = ROOT / "benchmarks" / "results"
START, END = "<!-- results -->\n", "<!-- /results -->"
_COLUMNS = 4  # of latencies
_FONT = "system-ui,sans-serif"


def table(folder: Path = FOLDER) -> str:
    """Return the table of every measurement in a folder, as Markdown; empty without any."""
    report = _report(folder)
    if report is None:
        return ""
    return f"{_rows(report)}\n{_sources(report)}\n"


def picture(folder: Path = FOLDER) -> str:
    """Return the picture of the setting that the table begins with, as SVG; empty without any."""
    report = _report(folder)
    found = settings(report) if report else []
    return svg_file(overview(found[0]), _FONT) if found else ""


def _report(folder: Path) -> Report | None:
    files = sorted(folder.glob("*.json"))
    return shortened(merge([read_report(path) for path in files])) if files else None


def _rows(report: Report) -> str:
    found = settings(report)[:_COLUMNS]
    shown = [pareto_table(report, found)] if found else []
    shown += [versus_table(report.versus)] if report.versus else []
    return "\n".join(f"{_markdown(one)}\n{_sentence(one.note)}\n" for one in shown)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}.".replace("*", "\\*")


def _markdown(found: Table) -> str:
    lines = [found.columns, ["---"] * len(found.columns), *found.rows]
    cells = ([str(cell).replace("|", "\\|").replace("*", "\\*") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _sources(report: Report) -> str:
    """Tell of each measurement where and when it was made and what repeats it."""
    lines = [
        f"* {(source.date or '')[:10]}, {machine_words(source.machine)}: `{source.command or ''}`"
        for source in report.sources
    ]
    return "\n".join(lines)


def readme() -> str:
    """Return the README with the table as it is now.

    Raises:
        SystemExit: there are measurements and the README has no place for them.
    """
    text, found = README.read_text(encoding="utf-8"), table()
    if START not in text:
        if found:
            sys.exit(f"README.md has no {START.strip()} for the results to stand in")
        return text
    head, rest = text.split(START)
    return head + START + found + END + rest.split(END, 1)[1]


def keep(name: str, files: Sequence[Path]) -> None:
    """Keep measurements in the repository: without samples, and without a text of the data.

    Raises:
        SystemExit: a path of this machine is in them.
    """
    report = merge([read_report(path) for path in files])
    told = [*report.models, *(source.command or "" for source in report.sources)]
    foreign = sorted({word for text in told for word in text.split() if word.startswith("/")})
    if foreign:
        sys.exit(f"a path of this machine is in it, so bench from its folder: {foreign[0]}")
    write_json(FOLDER / f"{name}.json", as_dict(report, whole=False))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        keep(sys.argv[1], [Path(name) for name in sys.argv[2:]])
    README.write_text(readme(), encoding="utf-8")
    if drawn := picture():
        write_text(PICTURE, drawn)
