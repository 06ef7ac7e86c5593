"""Untrusted text as pages show it: all markup is made here."""

import html
import re
from urllib.parse import quote

from markupsafe import Markup, escape

from service.mime.html_text import text_of_html

# What highlight_messages puts around a found word.
FOUND, END = "\ufdd0", "\ufdd1"
# The last character is not punctuation, which belongs to the sentence around the address. So does
# a bracket that does not open in the address, and all East Asian punctuation.
_WITHIN = (
    r"""[^\s<>"'()\ufdd0\ufdd1\u2018-\u201f\u3000-\u3003\u3008-\u301f\uff01-\uff0f\uff1a-\uff1f]"""
)
_ADDRESS = re.compile(rf"https?://(?:{_WITHIN}|\({_WITHIN}*\))+(?<![.,;:!?\]}}])", re.IGNORECASE)
_NAMED = re.compile(r"\s*(\S.*?)\s*<[^<>]*>\s*", re.DOTALL)
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def path(*segments: str) -> str:
    """A path of this server; a slash within a segment is escaped."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def unmarked(text: str) -> str:
    """Without characters that would count as marks, as highlight_messages does it too."""
    return text.replace(FOUND, "").replace(END, "")


def marked(text: str) -> Markup:
    """With the words that a search found as <mark>."""
    return Markup(str(escape(text)).replace(FOUND, "<mark>").replace(END, "</mark>"))


def linked(text: str) -> Markup:
    """A plain text with its web addresses as links."""
    pieces, position = [], 0
    for address in _ADDRESS.finditer(text):
        to = escape(address[0])
        pieces += [
            escape(text[position : address.start()]),
            f'<a href="{to}" target="_blank" rel="noopener noreferrer">{to}</a>',
        ]
        position = address.end()
    return Markup("".join([*pieces, escape(text[position:])]))


def sender_name(sender: str) -> str:
    """The name of `Name <address>`, else all of it."""
    named = _NAMED.fullmatch(sender)
    name = named[1] if named else ""
    quoted = _QUOTED.fullmatch(name)
    return (_ESCAPED.sub(r"\1", quoted[1]) if quoted else name.strip('"')) or sender


def snippet(text: str) -> str:
    """Gmail's snippets are HTML-escaped (discovery document)."""
    return html.unescape(text[:500])


def frame_size(body_html: str) -> str:
    """The size of a frame: it has no origin, so scripts cannot measure its content.

    Estimated from the number of visible characters; an image counts as some more.
    """
    visible = len(text_of_html(body_html))
    visible += 1000 * body_html.lower().count("<img")
    return "small" if visible < 500 else "medium" if visible < 2500 else "large"
