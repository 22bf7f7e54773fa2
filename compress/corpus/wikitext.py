"""From wikitext to plain text: what a reader of the article would read as prose.

By regular expressions and counted brackets, in time linear in the text: what two neighbours in an
expression could share between them is taken by the first for good (`*+`). A full parser
(mwparserfromhell) keeps a tree that nobody asks for here, at a tenth of the tokenizer's pace.
"""

import html
import re
from collections.abc import Iterable

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BLOCKS = (
    "ref|math|chem|gallery|timeline|syntaxhighlight|source|code|pre|score|table|imagemap|hiero|"
    "graph|mapframe|templatestyles|inputbox|categorytree"
)
_BLOCK = re.compile(rf"<(/?)({_BLOCKS})\b[^<>]*?(/?)>", re.IGNORECASE)
_SHOWN = re.compile(r"\{\{\s*+(\w[\w ]{1,19}?)\s*+\|([^{}]*)\}\}")
_ARGUMENTS: dict[str, slice] = {  # of those without a name, which ones are read
    **dict.fromkeys(("nowrap", "nobr", "small", "big", "em", "strong", "nihongo"), slice(1)),
    **dict.fromkeys(("lang", "transl", "transliteration"), slice(-1, None)),
    **dict.fromkeys(("convert", "cvt"), slice(2)),
}
_SPACE = re.compile(r"\{\{\s*(?:nbsp|spaces?|snds?|dash|ndash|spaced ndash)\s*\}\}", re.IGNORECASE)
_BRACES = re.compile(r"\{\{|\}\}")
_TABLE = re.compile(r"^[ \t:]*\{\||^[ \t]*\|\}", re.MULTILINE)
_LINK = re.compile(r"\[\[([^\[\]|]*)(?:\|([^\[\]]*))?\]\]")
_WEB = re.compile(r"\[(?:https?:|ftp:)?//[^\s\[\]]*+[ \t]*+([^\[\]\n]*)\]")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_HEADING = re.compile(r"^=.*=[ \t]*$", re.MULTILINE)
_QUOTES = re.compile(r"'{2,5}")
_MAGIC = re.compile(r"__[A-Z]+__")
_HOLLOW = re.compile(r" ?\([ ,;:/\u2013-]*\)")
_GAP = re.compile(r"[ \t\u00a0]+")
_LOOSE = re.compile(r" +([,.;:!?)])")
_MARKUP = "*#:;|!{}"  # what lines begin with that are no prose
_SENTENCE = re.compile(r".{40,}[.!?\")]$")
_DROPPED = ("file", "image", "media", "category")
_DEPTH = 4  # links inside captions inside captions
_ELSEWHERE = re.compile(r":?[a-z]{2,3}(?:-[a-z]+)?:")
_CHOICE = re.compile(  # not those that ask, inside an article, for a link to be made clear
    r"\{\{\s*+(?![\w\s-]*needed\b)(?:[\w-]*disambig\w*|dab|hndis|geodis|set index)\b",
    re.IGNORECASE,
)


def plain_text(wikitext: str, spaces: Iterable[str] = ()) -> str:
    """Return the prose of an article, one paragraph a line.

    Tables, templates, references, files, categories, headings and lists of anything but sentences
    are left out; a page that only tells articles apart gives nothing.

    Args:
        wikitext: the article's source.
        spaces: what links to files and categories start with in this wiki, beside the English.
    """
    text = _COMMENT.sub("", wikitext)
    if _CHOICE.search(text):
        return ""
    text = _SHOWN.sub(_shown, _SPACE.sub(" ", _without_blocks(text)))
    text = without_nested(text, _BRACES, "{{")
    text = without_nested(text, _TABLE, "{|")
    text = _links(text, tuple({*_DROPPED, *(space.lower() for space in spaces)}))
    text = _WEB.sub(r"\1", _HEADING.sub("", text))
    text = html.unescape(_TAG.sub("", _BREAK.sub(" ", text)))
    text = _MAGIC.sub("", _QUOTES.sub("", text))
    lines = (_tidy(line) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def without_nested(text: str, brackets: re.Pattern[str], opening: str) -> str:
    """Remove all from an opening bracket to its own closing one; a lone bracket alone goes."""
    opened: list[int] = []
    ranges: list[tuple[int, int]] = []
    for found in brackets.finditer(text):
        if found[0].endswith(opening):
            opened.append(found.start())
        elif opened:
            start = opened.pop()
            while ranges and ranges[-1][0] > start:
                ranges.pop()
            ranges.append((start, found.end()))
        else:
            ranges.append((found.start(), found.end()))
    return _without(text, ranges).replace(opening, "")


def _without_blocks(text: str) -> str:
    """Remove elements that hold no prose, with what is in them; a lone tag alone goes."""
    ranges: list[tuple[int, int]] = []
    name, start = "", 0
    for tag in _BLOCK.finditer(text):
        if name and tag[1] and tag[2].lower() == name:
            ranges[-1] = (start, tag.end())
            name = ""
        elif not name:
            ranges.append(tag.span())
            name, start = ("" if tag[1] or tag[3] else tag[2].lower()), tag.start()
    return _without(text, ranges)


def _without(text: str, ranges: list[tuple[int, int]]) -> str:
    """Remove ascending ranges."""
    kept, place = [], 0
    for start, end in ranges:
        kept.append(text[place:start])
        place = end
    return "".join([*kept, text[place:]])


def _shown(template: re.Match[str]) -> str:
    """Return what some templates show, or leave them as they are."""
    wanted = _ARGUMENTS.get(template[1].lower())
    if wanted is None:
        return template[0]
    return " ".join([part.strip() for part in template[2].split("|") if "=" not in part][wanted])


def _links(text: str, dropped: tuple[str, ...]) -> str:
    """Put labels in the place of links, from the inside out."""

    def label(link: re.Match[str]) -> str:
        target, shown = link[1].strip(), link[2]
        space, colon, _ = target.partition(":")
        if colon and space.strip().lower() in dropped:
            return ""
        if shown is None:
            return "" if _ELSEWHERE.match(target) else target.removeprefix(":").split("#")[0]
        return shown.rsplit("|", 1)[-1]

    for _ in range(_DEPTH):
        text, count = _LINK.subn(label, text)
        if not count:
            break
    return text.replace("[[", "").replace("]]", "")


def _tidy(line: str) -> str:
    """Return a line of prose with single spaces, or nothing if it is none."""
    line = line.strip()
    if line[:1] in _MARKUP and line:
        line = line.lstrip(_MARKUP).strip()
        if not _SENTENCE.match(line):
            return ""
    line = _HOLLOW.sub("", _GAP.sub(" ", line))
    return _LOOSE.sub(r"\1", line).strip()
