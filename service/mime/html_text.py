"""The text of HTML as a person sees it, for reading and for search."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from lxml import etree

from service.mime.text import storable

# Elements whose content is not shown: the page of a message drops it, too.
UNSEEN_TAGS = frozenset({
    "applet", "audio", "canvas", "iframe", "math", "noembed", "noframes", "noscript", "object",
    "script", "select", "style", "svg", "template", "textarea", "title", "video",
})  # fmt: skip
# The line ends that are at least between the text of an element and what is around it.
_LINE_ENDS = {
    **dict.fromkeys((
        "address", "article", "aside", "body", "caption", "center", "dd", "details", "div", "dt",
        "fieldset", "figcaption", "footer", "form", "header", "hr", "html", "legend", "li", "main",
        "nav", "pre", "section", "summary", "table", "tr",
    ), 1),
    **dict.fromkeys(("td", "th"), 0),
    **dict.fromkeys((
        "blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "ul",
    ), 2),
}  # fmt: skip
# No character of HTML, whose own line ends are blanks.
_LINE_END = "\0"
# Longer HTML is read without the content of its data: URLs, and up to here.
_LONGEST = 10_000_000  # characters
_DATA = re.compile(r"(?<=data:)[\w/+.-]{0,50};base64,[\w+/=\s]*", re.IGNORECASE)
_LONGEST_STYLE = 1_000

# What hides the text of an element: GONE to its end, the others until an inner style says more.
_SEEN, _INVISIBLE, _TINY, _GONE = 0, 1, 2, 4
_ZERO = re.compile(r"[+-]?0*\.?0*(?:px|pt|em|rem|%)?")
_TINY_SIZE = re.compile(r"(?:0?\.\d+|[01])(?:\.0*)?(?:px|pt)?|0(?:\.0*)?(?:em|rem|%)")
_TINY_FONT = re.compile(r"(?:^|\s)0(?:px|pt|em|rem|%)?[/\s]")

# Soft hyphens, and characters without a width. Joiners mean something between two characters.
_ZERO_WIDTH = re.compile("[\u00ad\u034f\u180e\u200b\u2060-\u2064\ufeff]")
_LONE_JOINER = re.compile(r"(?<!\S)[\u200c\u200d]+|[\u200c\u200d]+(?!\S)")

# Scripts that are written without blanks: their words are compared by pairs of characters.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_ASCII_WORD = re.compile(r"\w+", re.ASCII)
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|[^\W{_UNSPACED}]+")
_GAP = re.compile(rf"(?<=[{_UNSPACED}])\s+(?=[{_UNSPACED}])")


class SeenText(NamedTuple):
    """What a person sees of a mail.

    `body_text` is as sent; it is made of the HTML where no text was sent. `html_text` has the
    lines of the HTML with words that `body_text` lacks, None where there are none.
    """

    body_text: str | None
    html_text: str | None


def seen_text(body_text: str | None, body_html: str | None) -> SeenText:
    """What a person sees of a mail with these two bodies."""
    of_html = text_of_html(body_html) if body_html else ""
    if not of_html:
        return SeenText(body_text, None)
    if not (body_text and body_text.strip()):
        return SeenText(of_html, None)
    return SeenText(body_text, _lines_beyond(body_text, of_html))


def text_of_html(markup: str) -> str:
    """What a person reads of it, in lines. Time grows with its length only."""
    parser = etree.HTMLParser(
        target=_Reader(), encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
    )
    if len(markup) > _LONGEST:
        markup = _DATA.sub("", markup)[:_LONGEST]
    parser.feed(markup.encode("utf-8", "replace"))
    text = _without_zero_width(str(parser.close()))
    lines = (" ".join(line.split()) for line in text.split(_LINE_END))
    return storable("\n".join(lines).strip())


def _without_zero_width(text: str) -> str:
    if text.isascii():
        return text
    text = _ZERO_WIDTH.sub("", text)
    has_joiner = "\u200c" in text or "\u200d" in text
    return _LONE_JOINER.sub("", text) if has_joiner else text


class _Reader:
    """Collects the text of elements that are shown; the parser calls it in their order."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._states = [_SEEN]
        self._open_pres = 0
        self._line_ends = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        state = self._states[-1]
        if state != _GONE and attributes:
            if style := attributes.get("style"):
                state = _styled(style[:_LONGEST_STYLE], state)
            if "hidden" in attributes:
                state = _GONE
        if tag in _LINE_ENDS:
            self._end_line(tag)
        elif tag in UNSEEN_TAGS:
            state = _GONE
        elif tag == "br":
            self._line_ends = min(2, self._line_ends + 1)
        self._states.append(state)
        self._open_pres += tag == "pre"
        if tag == "img" and (alt := attributes.get("alt")):
            self.data(f" {alt} ")

    def end(self, tag: str) -> None:
        self._states.pop()
        if tag in _LINE_ENDS:
            self._end_line(tag)
            self._open_pres -= tag == "pre"

    def data(self, text: str) -> None:
        if self._states[-1] != _SEEN:
            return
        if self._open_pres:
            text = text.replace("\n", _LINE_END)
        if self._line_ends and not text.isspace():
            self._texts.append(_LINE_END * self._line_ends)
            self._line_ends = 0
        self._texts.append(text)

    def close(self) -> str:
        return "".join(self._texts)

    def _end_line(self, tag: str) -> None:
        line_ends = _LINE_ENDS[tag]
        if line_ends > self._line_ends:
            self._line_ends = line_ends
        elif not line_ends:
            self._texts.append(" ")


@lru_cache(maxsize=1000)
def _styled(style: str, state: int) -> int:
    """The state within an element of this style, within one of that state."""
    given = {}
    for declaration in style.lower().split(";"):
        name, _, value = declaration.partition(":")
        given[name.strip()] = value.partition("!")[0].strip()
    clipped = given.get("overflow") == "hidden" and (
        _is_zero(given.get("max-height")) or _is_zero(given.get("height"))
    )
    if given.get("display") == "none" or _is_zero(given.get("opacity")) or clipped:
        return _GONE
    if visibility := given.get("visibility"):
        state = _with(state, _INVISIBLE, visibility in ("hidden", "collapse"))
    if font := given.get("font"):
        state = _with(state, _TINY, _TINY_FONT.search(font) is not None)
    if size := given.get("font-size"):
        state = _with(state, _TINY, _TINY_SIZE.fullmatch(size) is not None)
    return state


def _with(state: int, flag: int, is_set: bool) -> int:
    return state | flag if is_set else state & ~flag


def _is_zero(value: str | None) -> bool:
    return bool(value) and _ZERO.fullmatch(value or "") is not None


def _lines_beyond(text: str, more: str) -> str | None:
    """The lines of `more` that have words which neither `text` nor an earlier line has."""
    known = set(_words(text))
    if more.isascii() and known.issuperset(_words(more)):
        return None  # As most mail; no word of ASCII goes over a line.
    lines = []
    for line in more.split("\n"):
        words = set(_words(line))
        if not words <= known:
            known |= words
            lines.append(line)
    return "\n".join(lines) or None


def _words(text: str) -> Iterable[str]:
    return _ASCII_WORD.findall(text.lower()) if text.isascii() else _other_words(text)


def _other_words(text: str) -> Iterator[str]:
    folded = unicodedata.normalize("NFKC", _ZERO_WIDTH.sub("", text)).casefold()
    for run in _RUN.finditer(_GAP.sub("", folded)):
        if run["unspaced"] is None or len(run[0]) == 1:
            yield run[0]
        else:
            yield from map("".join, pairwise(run[0]))
