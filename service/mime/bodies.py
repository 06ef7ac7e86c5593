"""The texts of a mail, put together from its parts: one as plain text, one as HTML."""

import html
from collections.abc import Callable
from typing import NamedTuple

from service.mime.html_text import text_of_html
from service.mime.parts import Part


class Body(NamedTuple):
    """A stretch of the mail; text or html is None where the sender wrote it in the other only."""

    text: str | None
    html: str | None


def body_of(part: Part, decode: Callable[[Part], str]) -> Body:
    """All text that is content, in its order. Where some is plain and some HTML, each of the two
    holds all of it. The other form is made of the one that was sent."""
    return _joined(_pieces(part, decode))


def _pieces(part: Part, decode: Callable[[Part], str]) -> list[Body]:
    if part.mime_type == "multipart/alternative" and part.parts:
        return _alternative([body_of(child, decode) for child in part.parts])
    if part.parts:
        return [piece for child in part.parts for piece in _pieces(child, decode)]
    if not part.is_content or not (part.content or not part.mime_type.startswith("multipart/")):
        return []
    text = decode(part)
    return [Body(None, text) if part.mime_type == "text/html" else Body(text, None)]


def _alternative(variants: list[Body]) -> list[Body]:
    """The same text in several forms: what is plain is not shown a second time as HTML."""
    htmls = [each.html for each in variants if each.html is not None]
    texts = [each.text for each in variants if each.text is not None and each.html is None]
    texts = texts or [each.text for each in variants if each.text is not None]
    body = Body("\n".join(texts) if texts else None, "\n".join(htmls) if htmls else None)
    return [] if body == (None, None) else [body]


def _joined(pieces: list[Body]) -> Body:
    texts, htmls = [], []
    is_mixed = _has(pieces, 0) and _has(pieces, 1)
    for text, markup in pieces:
        if text is not None:
            texts.append(text)
        elif is_mixed and markup is not None:
            texts.append(text_of_html(markup))
        if markup is not None:
            htmls.append(markup)
        elif is_mixed and text is not None and text.strip():
            htmls.append(f'<div style="white-space: pre-wrap">{html.escape(text)}</div>')
    return Body("\n".join(texts) if texts else None, "\n".join(htmls) if htmls else None)


def _has(pieces: list[Body], form: int) -> bool:
    return any((piece[form] or "").strip() for piece in pieces)
