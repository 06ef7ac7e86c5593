"""Words of strangers as pages show them: markup is made here, and none of it is theirs."""

import html
import re
from urllib.parse import quote

from markupsafe import Markup, escape

# What highlight_messages puts around a found word.
FOUND, END = "\ufdd0", "\ufdd1"
# An address's last character is no punctuation of the sentence it stands in.
_ADDRESS = re.compile(r"""https?://[^\s<>"'\ufdd0\ufdd1]*[^\s<>"'.,;:!?)\]}\ufdd0\ufdd1]""", re.I)
_NAMED = re.compile(r"\s*(\S.*?)\s*<[^<>]*>\s*", re.DOTALL)
_TAG = re.compile(r"<[^<>]*>?")


def path(*segments: str) -> str:
    """A path of ours; a slash within a segment stays within it."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def unmarked(text: str) -> str:
    """Without what would count as a mark, as highlight_messages leaves texts too."""
    return text.replace(FOUND, "").replace(END, "")


def marked(text: str) -> Markup:
    """With the words a search found marked."""
    return Markup(str(escape(text)).replace(FOUND, "<mark>").replace(END, "</mark>"))


def linked(text: str) -> Markup:
    """A plain text with its web addresses made links."""
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
    return (named[1].strip('"') if named else sender) or sender


def snippet(text: str) -> str:
    """Gmail's snippets are HTML-escaped (discovery document)."""
    return html.unescape(text[:500])


def frame_size(body_html: str) -> str:
    """How much room a mail is given: its frame has no origin, so nobody can measure what it shows.

    Takes the number of visible characters for it, and images as some more.
    """
    visible = len(" ".join(_TAG.sub(" ", body_html).split()))
    visible += 1000 * body_html.lower().count("<img")
    return "small" if visible < 500 else "medium" if visible < 2500 else "large"
