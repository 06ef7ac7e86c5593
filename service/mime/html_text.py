"""The text of HTML as a person sees it, for reading and for search."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import unescape
from itertools import pairwise
from typing import NamedTuple

from lxml import etree

from service.mime.text import storable

# Elements whose content is not shown: the page of a message drops it, too.
UNSEEN_TAGS = frozenset({
    "applet", "audio", "canvas", "iframe", "math", "noembed", "noframes", "noscript", "object",
    "script", "select", "style", "svg", "template", "textarea", "title", "video",
})  # fmt: skip
# What the begin and the end of an element leave in the text: a line end, two, or one more than the
# others beside it. A run of these and of blanks is one or two line ends. Each begins with the same
# character, which Python finds fast. A line end of preformatted text is _OWN_END.
_OWN_END, _ONE_END, _TWO_ENDS, _BREAK = "\0", "\1", "\1\2", "\1\3"
_ENDS = re.compile("\1[\1\2\3 ]*")
_MARKS = {
    **dict.fromkeys((
        "address", "article", "aside", "body", "caption", "center", "dd", "details", "div", "dt",
        "fieldset", "figcaption", "footer", "form", "header", "hr", "html", "legend", "li", "main",
        "nav", "pre", "section", "summary", "table", "tr",
    ), _ONE_END),
    **dict.fromkeys((
        "blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "ul",
    ), _TWO_ENDS),
    **dict.fromkeys(("td", "th"), " "),
    "br": _BREAK,
}  # fmt: skip
_KINDS_OF_MARKS = frozenset(_MARKS.values())
# Longer HTML is read without the content of its data: URLs, and up to here.
_LONGEST = 10_000_000  # characters
_DATA = re.compile(r"(?<=data:)[\w/+.-]{0,50};base64,[\w+/=\s]*", re.IGNORECASE)
_LONGEST_STYLE = 1_000

# What hides the text of an element: GONE to its end, the others until an inner style says more.
# PRE does not hide it.
_SEEN, _INVISIBLE, _TINY, _GONE, _PRE = 0, 1, 2, 4, 8
_ZERO = re.compile(r"[+-]?0*\.?0*(?:px|pt|em|rem|%)?")
_TINY_SIZE = re.compile(r"(?:0?\.\d+|[01])(?:\.0*)?(?:px|pt)?|0(?:\.0*)?(?:em|rem|%)")
_TINY_FONT = re.compile(r"(?:^|\s)0(?:px|pt|em|rem|%)?[/\s]")

# Soft hyphens, and characters without a width. Joiners mean something between two characters.
_ZERO_WIDTH = re.compile("[\u00ad\u034f\u180e\u200b\u2060-\u2064\ufeff]")
_LONE_JOINER = re.compile(r"(?<!\S)[\u200c\u200d]+|[\u200c\u200d]+(?!\S)")

# HTML in lower case.
_TAG = re.compile("<[a-z/!?][^<>]*>")
_ALT = re.compile(r"""alt\s*=\s*("[^"]*"|'[^']*'|[^\s>]*)""")

# Scripts that are written without blanks: their words are compared by pairs of characters.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_WORD, _ASCII_WORD = re.compile(r"\w+"), re.compile(r"\w+", re.ASCII)
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
    if not body_html:
        return SeenText(body_text, None)
    if not (body_text and body_text.strip()):
        return SeenText(text_of_html(body_html) or body_text, None)
    return SeenText(body_text, _lines_beyond(body_text, body_html))


def text_of_html(markup: str) -> str:
    """What a person reads of it, in lines. Time grows with its length only."""
    parser = etree.HTMLParser(
        target=_Reader(), encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
    )
    if len(markup) > _LONGEST:
        markup = _DATA.sub("", markup)[:_LONGEST]
    parser.feed(markup.encode("utf-8", "replace"))
    text = " ".join(_without_zero_width(str(parser.close())).split())
    text = _ENDS.sub(_line_ends, text).replace(" \n", "\n")
    if _OWN_END in text:
        text = "\n".join(line.strip(" ") for line in text.split(_OWN_END))
    return storable(text.strip())


def _line_ends(run: re.Match[str]) -> str:
    marks = run[0].replace(" ", "")
    is_two = _TWO_ENDS in marks or _BREAK in marks[1:]
    return "\n\n" if is_two else "\n"


def _without_zero_width(text: str) -> str:
    if text.isascii():
        return text
    text = _ZERO_WIDTH.sub("", text)
    has_joiner = "\u200c" in text or "\u200d" in text
    return _LONE_JOINER.sub("", text) if has_joiner else text


class _Reader:
    """Collects the text of elements that are shown; the parser calls it in their order.

    Much mail is large, so no call does more than it must. The parser itself appends each text, a
    hidden one too. That is taken away where the state changes.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.data = self._texts.append
        self._state = _SEEN
        self._states: list[int] = []  # of the elements around
        self._state_begins = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        state = self._state
        self._states.append(state)
        if state & _GONE:
            return
        if mark := _MARKS.get(tag):
            self.data(mark)
            if tag == "pre":
                state |= _PRE
        elif tag in UNSEEN_TAGS:
            state = _GONE
        if attributes and state != _GONE:
            if style := attributes.get("style"):
                state = _styled(style[:_LONGEST_STYLE], state)
            if "hidden" in attributes:
                state = _GONE
        if state != self._state:
            self._change(state)
        if tag == "img" and (alt := attributes.get("alt")):
            self.data(f" {alt} ")

    def end(self, tag: str) -> None:
        state = self._states.pop()
        if state != self._state:
            self._change(state)
        if (mark := _MARKS.get(tag)) and mark != _BREAK:
            self.data(mark)

    def close(self) -> str:
        self._change(_SEEN)
        return "".join(self._texts)

    def _change(self, state: int) -> None:
        own = self._texts[self._state_begins :]
        if self._state == _PRE:
            own = [text.replace("\n", _OWN_END) for text in own]
        elif self._state & _GONE:
            own = []
        elif self._state != _SEEN:
            own = [text for text in own if text in _KINDS_OF_MARKS]
        self._texts[self._state_begins :] = own
        self._state = state
        self._state_begins = len(self._texts)


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


def _lines_beyond(text: str, markup: str) -> str | None:
    """The lines of HTML that have words which neither `text` nor an earlier line has."""
    simple = _simple_text(markup)
    pieces = set(text.lower().split()) if simple else set()
    others = [each for each in simple.split() if each not in pieces]
    if simple and not others:
        return None
    known = set(_words(text))
    if simple and all(known.issuperset(_words(each)) for each in others):
        return None
    lines = []
    for line in text_of_html(markup).split("\n"):
        words = set(_words(line))
        if not words <= known:
            known |= words
            lines.append(line)
    return "\n".join(lines) or None


def _simple_text(markup: str) -> str:
    """All words of HTML, perhaps with hidden ones, in a third of the time. Each tag parts words.

    Empty where a style sheet or a comment would add many: most of that says more than its text.
    """
    if "<style" in markup or "<!--" in markup:
        return ""
    markup = markup.lower()
    return unescape(" ".join([_TAG.sub(" ", markup), *_ALT.findall(markup)]))


def _words(text: str) -> Iterable[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKC", _ZERO_WIDTH.sub("", text)).casefold()
    return _pairs(folded) if _IS_UNSPACED.search(folded) else _WORD.findall(folded)


def _pairs(folded: str) -> Iterator[str]:
    for run in _RUN.finditer(_GAP.sub("", folded)):
        if run["unspaced"] is None or len(run[0]) == 1:
            yield run[0]
        else:
            yield from map("".join, pairwise(run[0]))
