import json

import pytest
from typer.testing import CliRunner

from kdc.cli.list import LISTINGS
from kdc.cli.main import build


@pytest.mark.parametrize("what", LISTINGS)
def test_every_listing_is_a_table_of_unique_names(what: str) -> None:
    """A row that is shorter than the header would stop `kdc list`; two of a name hide one."""
    done = CliRunner().invoke(build(), ["list", what, "--json", "-"])
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    assert table["rows"]
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    names = [row[0] for row in table["rows"]]
    assert len(set(names)) == len(names)
    shown = CliRunner().invoke(build(), ["list", what]).stdout
    assert all(cell in shown for row in table["rows"] for cell in row)


def test_an_unknown_listing_names_the_near_ones() -> None:
    done = CliRunner().invoke(build(), ["list", "recipe"])
    assert done.exit_code == 1
    assert done.stderr == "kdc: unknown list 'recipe': did you mean recipes?\n"
