"""Sanitizes the HTML of a message: only listed tags, attributes and CSS properties remain.

The lists are the first barrier. The policy and the sandbox of the frame are the second: they stop
scripts, forms and remote content too.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from html import unescape
from urllib.parse import unquote

import nh3

from service.web.contrast import attribute_colour, readable, style_colour

TAGS = {
    "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br",
    "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "dir",
    "div", "dl", "dt", "em", "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hr", "i", "img", "ins", "kbd", "li", "main", "mark", "menu", "nav", "ol", "p",
    "pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike", "strong",
    "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt",
    "u", "ul", "var", "wbr",
}  # fmt: skip
# Their content is dropped as well.
DROPPED_TAGS = {
    "applet", "audio", "canvas", "iframe", "math", "noembed", "noframes", "noscript", "object",
    "script", "select", "style", "svg", "template", "textarea", "title", "video",
}  # fmt: skip
ATTRIBUTES = {
    "*": {
        "align", "bgcolor", "color", "dir", "height", "lang", "style", "title", "valign", "width",
    },
    "a": {"href"},
    "font": {"face", "size"},
    "hr": {"noshade", "size"},
    "img": {"alt", "border", "hspace", "src", "vspace"},
    "ol": {"start", "type"},
    "table": {"border", "cellpadding", "cellspacing", "frame", "rules"},
    "td": {"colspan", "nowrap", "rowspan"},
    "th": {"colspan", "nowrap", "rowspan"},
    "ul": {"type"},
}  # fmt: skip
# The element `style` is dropped. The attribute keeps only properties that fetch nothing.
PROPERTIES = {
    "background", "background-color", "border", "border-bottom", "border-bottom-color",
    "border-bottom-left-radius", "border-bottom-right-radius", "border-bottom-style",
    "border-bottom-width", "border-collapse", "border-color", "border-left", "border-left-color",
    "border-left-style", "border-left-width", "border-radius", "border-right", "border-right-color",
    "border-right-style", "border-right-width", "border-spacing", "border-style", "border-top",
    "border-top-color", "border-top-left-radius", "border-top-right-radius", "border-top-style",
    "border-top-width", "border-width", "box-sizing", "caption-side", "clear", "color", "direction",
    "display", "empty-cells", "float", "font", "font-family", "font-size", "font-style",
    "font-variant", "font-weight", "height", "letter-spacing", "line-height", "list-style-type",
    "margin", "margin-bottom", "margin-left", "margin-right", "margin-top", "max-height",
    "max-width", "min-height", "min-width", "opacity", "overflow", "padding", "padding-bottom",
    "padding-left", "padding-right", "padding-top", "table-layout", "text-align", "text-decoration",
    "text-indent", "text-transform", "unicode-bidi", "vertical-align", "visibility", "white-space",
    "width", "word-break", "word-spacing", "word-wrap",
}  # fmt: skip
# No function but a colour's, so no url(), and no backslash to spell one with.
_VALUE = re.compile(r"""(?:(?:rgba?|hsla?)\([\d\s,.%/]*\)|[\w\s#%.,'"!+/-])+""")
_IMAGE_FUNCTION = re.compile(
    r"(?:url|image|image-set|[\w-]+-gradient)\((?:[^()]|\([^()]*\))*\)", re.IGNORECASE
)
_NO_SIZE = re.compile(r"font-size:\s*0*\.?0*(?:px|pt|em|rem|%)?\s*(?:!.*)?", re.IGNORECASE)
_SHEET = re.compile(r"<style\b(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL)
# A picture behind text, as an attribute or in a style.
_BACKGROUND = re.compile(r"\sbackground\s*=|\bbackground(?:-image)?\s*:[^;>]*\(", re.IGNORECASE)
_LINK = re.compile(r"https?://|mailto:", re.IGNORECASE)
_REMOTE = re.compile(r"https?://", re.IGNORECASE)
_EMBEDDED = re.compile(
    r"cid:.*|data:image/(?:png|jpeg|jpg|gif|webp);base64,[\w+/=\s]*", re.IGNORECASE | re.DOTALL
)
_IMAGE = re.compile(r"""<img\b[^<>]*?\ssrc\s*=\s*(?:["']\s*)?(?:https?:|cid:)""", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^<>]*", re.IGNORECASE)
_BODY_COLOURS = {
    "background-color": re.compile(r"""\sbgcolor\s*=\s*["']?(#?\w+)""", re.IGNORECASE),
    "color": re.compile(r"""\stext\s*=\s*["']?(#?\w+)""", re.IGNORECASE),
}
_CID_IMAGE = re.compile(r'(<img [^>]*?src=")cid:([^"]*)(?=")', re.IGNORECASE)

# The parser's time grows with the square of the depth of elements or of the number of attributes,
# and it blocks this process. Up to this many characters it takes half a second at worst. Longer
# HTML is sanitized in a process of its own, with a time limit.
LONGEST_IN_PROCESS = 10_000
TIMEOUT_SECONDS = 5
# The total length of all data: URLs in a page.
MAX_IMAGE_CHARACTERS = 20_000_000


class SanitizeTimeout(Exception):
    """Sanitizing takes too long: no mail for people is built like this."""


def has_hidden_images(html: str) -> bool:
    """Whether it has images that are shown only on request."""
    return _IMAGE.search(html) is not None


def sanitize(html: str, remote_images: bool = False) -> str:
    """The safe part of `html`. Inline images keep their src of cid: or data:.

    Raises SanitizeTimeout.
    """
    if len(html) <= LONGEST_IN_PROCESS:
        return _sanitize(html, remote_images)
    command = [sys.executable, "-I", "-m", __name__, *(["images"] if remote_images else [])]
    try:
        done = subprocess.run(
            command, input=html.encode(), capture_output=True, timeout=TIMEOUT_SECONDS, check=True
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise SanitizeTimeout from error
    return done.stdout.decode()


def content_ids(sanitized: str) -> set[str]:
    """The Content-IDs of the inline images it shows."""
    return {_content_id(source) for _, source in _CID_IMAGE.findall(sanitized)}


def insert_images(sanitized: str, images: Mapping[str, str]) -> str:
    """Replace the cid: URLs of inline images by `images`, data: URLs by Content-ID.

    A message may repeat an image until the page holds MAX_IMAGE_CHARACTERS of them.
    """
    room = MAX_IMAGE_CHARACTERS

    def shown(img: re.Match[str]) -> str:
        nonlocal room
        url = images.get(_content_id(img[2]), "")
        room -= len(url)
        return img[1] + (url if room >= 0 else "")

    return _CID_IMAGE.sub(shown, sanitized)


def _content_id(source: str) -> str:
    """RFC 2392: an address without its brackets, percent-encoded."""
    return unquote(unescape(source))


def _sanitize(html: str, remote_images: bool) -> str:
    sheets = " ".join(_SHEET.findall(html)).lower()
    is_lossy = "background" in sheets or "color" in sheets or _BACKGROUND.search(html) is not None

    def attribute(_tag: str, name: str, value: str) -> str | None:
        match name:
            case "href":
                return value if _LINK.match(value.strip()) else None
            case "src":
                return _source(value.strip(), remote_images)
            case "style":
                return _style(value, "font-size" in sheets)
            case "bgcolor" | "color":
                return attribute_colour(value)
            case _:
                return value

    cleaned = nh3.clean(
        _BODY.sub(_body_as_div, html, count=1),
        tags=TAGS,
        clean_content_tags=DROPPED_TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=attribute,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "cid", "data"},
        link_rel="noopener noreferrer",
    )
    return readable(cleaned, is_lossy)


def _body_as_div(body: re.Match[str]) -> str:
    """Keep the colours of the body: without its background, white text would be invisible."""
    found = {name: colour.search(body[0]) for name, colour in _BODY_COLOURS.items()}
    colours = ";".join(f"{name}:{match[1]}" for name, match in found.items() if match)
    return f'<div style="{colours}"><div{body[0][len("<body") :]}'


def _source(value: str, remote_images: bool) -> str | None:
    if remote_images and _REMOTE.match(value):
        # The policy of the frame allows images over https only.
        return _REMOTE.sub("https://", value, count=1)
    return value if _EMBEDDED.fullmatch(value) else None


def _style(value: str, is_sized_by_sheet: bool) -> str | None:
    kept = []
    for declaration in value.split(";"):
        name, _, given = declaration.partition(":")
        name, given = name.strip(), given.strip()
        if name.lower() in ("background", "background-color", "color"):
            given = _IMAGE_FUNCTION.sub(" ", given)
            given = (_VALUE.fullmatch(given) and style_colour(name.lower(), given)) or ""
        is_kept = name.lower() in PROPERTIES and _VALUE.fullmatch(given)
        # The sheet that gives the text within a size again is dropped.
        if is_kept and not (is_sized_by_sheet and _NO_SIZE.fullmatch(f"{name}:{given}")):
            kept.append(f"{name}:{given}")
    return ";".join(kept) or None


if __name__ == "__main__":
    sanitized = _sanitize(sys.stdin.buffer.read().decode(), "images" in sys.argv)
    sys.stdout.buffer.write(sanitized.encode())
