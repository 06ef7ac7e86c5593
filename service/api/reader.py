"""Who reads an answer: the language and the time zone that the browser asks for."""

from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from litestar import Request

from service.i18n.translator import Translator, preferred_translator

# The script of every page keeps the browser's time zone in it.
ZONE_COOKIE = "time_zone"


def translator_of(request: Request[Any, Any, Any]) -> Translator:
    return preferred_translator(request.headers.get("Accept-Language", ""))


def time_zone_of(request: Request[Any, Any, Any]) -> tzinfo:
    """UTC until the cookie is set."""
    try:
        return ZoneInfo(unquote(request.cookies[ZONE_COOKIE]))
    except (KeyError, ValueError, OSError):
        return UTC
