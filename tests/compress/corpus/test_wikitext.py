import time

import pytest

from kdc.compress.corpus.wikitext import plain_text
from tests.compress.corpus.texts import times_slower

ARTICLE = """{{Infobox city|name=[[Ulm]]|coat={{nested|{{deep}}}}}}
'''Ulm''' ({{IPA|ʊlm}}) is a [[city]] in the [[Germany|German]] state<ref name="a">A [[book]].</ref>
of [[Baden-Württemberg#History]]<ref name="b" />, [http://ulm.de on the Danube].<!-- not
this -->
[[File:Ulm.jpg|thumb|The [[Ulm Minster|minster]] seen from [[Neu-Ulm|the other {{side}}]]]]
[[Datei:Ulm.png]]
== History ==
{| class="wikitable"
| a || {| nested
|}
|}
It is {{convert|5|km|mi|abbr=on}} from {{lang|de|Blaustein}}&nbsp;&ndash; a ''town''.<br/>Yes ( ; ).
* [[One]]
* This item is a whole sentence that a reader would read as prose.
<gallery>
File:A.jpg|caption
</gallery>
<math>x < y</math>
[[de:Ulm]] [[Category:Ulm]] __NOTOC__
"""


def test_what_a_reader_reads_as_prose_stays() -> None:
    assert plain_text(ARTICLE, ("Datei", "Kategorie")).split("\n") == [
        "Ulm is a city in the German state",
        "of Baden-Württemberg, on the Danube.",
        "It is 5 km from Blaustein – a town. Yes.",  # noqa: RUF001
        "This item is a whole sentence that a reader would read as prose.",
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a {{open b", "a open b"),
        ("a }} b", "a b"),
        ("a <ref>b", "a b"),
        ("a [[b", "a b"),
        ("a ]] b", "a b"),
        ("{{a}} {{b {{c}} d", "b d"),
        ("a <!-- b", "a"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("{{disambiguation}} a b", ""),
        ("{{Surname}} a b", "a b"),
        ("[[File:a.jpg|b]]c", "c"),
        ("[[:Category:A|b]] c", "b c"),
        ("[[a|b|c]]", "c"),
        ("x &lt;b&gt; y", "x <b> y"),
        ("", ""),
    ],
)
def test_lone_brackets_do_not_swallow_an_article(source: str, found: str) -> None:
    """Bug: one template without an end, as in thousands of articles, and the rest is gone."""
    assert plain_text(source) == found


@pytest.mark.parametrize(
    "tag",
    [
        "{{disambiguation needed|date=May 2011}}",
        "{{Disambiguation_needed}}",
        "{{ dab needed }}",
        "<!-- {{dab}} -->",
    ],
)
def test_an_article_with_an_unclear_link_is_no_list_of_articles(tag: str) -> None:
    """Bug: one tag behind a link, or one in a comment, and the whole article is left out."""
    assert plain_text(f"About [[Mercury]]{tag} and its orbit.") == "About Mercury and its orbit."


@pytest.mark.parametrize("name", ["disambiguation|geo", "hndis", "disambiguation cleanup", "dab"])
def test_a_list_of_articles_gives_nothing(name: str) -> None:
    assert plain_text(f"Mercury may be: {{{{{name}}}}}") == ""


@pytest.mark.parametrize(
    "piece",
    ["{{", "}}", "[[", "]]", "<ref>", "<!--", "{|\n", "[//", "''", "= ", " (", "{{lang|a=|b", "<a"],
)
def test_hostile_articles_take_time_in_proportion(piece: str) -> None:
    """Bug: an article of unclosed brackets keeps a worker busy for hours."""
    text = piece * (400_000 // len(piece))
    start = time.process_time()
    plain_text(text)
    assert time.process_time() - start < 4


@pytest.mark.parametrize(
    ("head", "piece"), [("{{", " "), ("{{a", " "), ("[http://", "a"), ("[//", " "), ("[// ", "a")]
)
def test_twice_the_text_takes_twice_the_time(head: str, piece: str) -> None:
    """Bug: two parts of an expression can share a row of characters in any way."""
    assert times_slower(plain_text, head + piece * 8000, head + piece * 16000) < 3
