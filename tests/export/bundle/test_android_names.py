import re
from xml.etree import ElementTree

import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle.android_names import package_id, resource_string
from kdc.export.bundle.ios import bundle_id

HOSTILE = [
    "Ärger",
    "日本語",
    "100 %",
    "'\"</string>",
    "a\\nb",
    "@string/x",
    "?attr",
    "  x  ",
    "%s %1$d",
]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("demo", "app.kdc.demo"),
        ("phone-commands", "app.kdc.phone_commands"),
        ("sst-2", "app.kdc.sst_2"),
    ],
)
def test_plain_names_are_spelt_out(name: str, wanted: str) -> None:
    assert package_id(None, name) == wanted


@pytest.mark.parametrize("name", [*HOSTILE, "-", "_", "😀"])
def test_every_name_gives_an_id_that_android_takes(name: str) -> None:
    """An id that starts with a digit, or has none but punctuation, is refused at installation."""
    assert re.fullmatch(r"app\.kdc\.[a-z][a-z0-9_]*", package_id(None, name))


def test_names_that_fold_to_the_same_letters_keep_apart() -> None:
    """Two apps of one id replace each other on the phone, data and all."""
    names = ["Ärger", "Arger", "Árger", "日本語", "日本", "arger!"]
    names += ["A B", "a-b", "A_B", "a b", "a--b", "-a-b", "a-b-", "Mail", "mail", "3-a", "app-3-a"]
    for make in (package_id, bundle_id):
        made = [make(None, name) for name in names]
        assert len(set(made)) == len(names)
        for name, one in zip(names, made, strict=True):
            spelt = one.removeprefix("app.kdc.").replace("_", "-")
            assert spelt == name or make(None, spelt) not in made  # a digest, taken for a name


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "demo",
        "org.",
        "org.2x",
        "org.exa-mple",
        "org example",
        "org.x\n",
        "org.ü",
        "a." + "b" * 99,
        "org.x;evil",
        "org.$(x)",
    ],
)
def test_what_is_no_id_is_refused(wanted: str) -> None:
    """It is written into a file that Gradle reads and onto a command line."""
    with pytest.raises(KdcError, match="is no id of an Android app"):
        package_id(wanted, "x")


def test_an_id_with_other_letters_is_shown_as_it_was_typed() -> None:
    """Bug: 'com.b\\xfcro.x', which nobody typed."""
    for make in (package_id, bundle_id):
        with pytest.raises(KdcError, match=r"--package 'com\.büro\.x' is no .* a to z, digits"):
            make("com.büro.x", "x")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_comes_back_out_of_its_resource(name: str) -> None:
    """Undone by Android's rules: XML first, then the quotation marks, then the backslashes."""
    text = ElementTree.fromstring(f"<string>{resource_string(name)}</string>").text
    assert text is not None
    assert text[0] == text[-1] == '"'
    assert re.sub(r"\\(.)", r"\1", text[1:-1]) == name
