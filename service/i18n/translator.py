"""Messages in English or Simplified Chinese.

A message is a sentence of locales/*.toml with {placeholders}. A message that counts has a form for
each plural of its language.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "locales"
# The names of the files by their tag of BCP 47.
LOCALES = {"en": "en", "zh-Hans": "zh"}
PLURALS = {"one", "other"}

Message = str | Mapping[str, str]

_RANGE = re.compile(
    r"\s*(?P<tag>\*|[a-z]{1,8})(?:-[a-z0-9-]+)?\s*(?:;\s*q=(?P<q>[01](?:\.\d{0,3})?))?\s*", re.I
)


class Translator:
    """The messages of one language, and how it formats numbers and dates. `tag` is BCP 47."""

    def __init__(self, tag: str) -> None:
        """Raises KeyError for a language that has no messages."""
        path = FOLDER / f"{LOCALES[tag]}.toml"
        self.tag = tag
        self.messages: dict[str, Message] = dict(_flat(tomllib.loads(path.read_text("utf-8"))))

    def translate(self, key: str, **values: object) -> str:
        """A message with its values; `count` chooses the plural. Raises KeyError for no message."""
        message = self.messages[key]
        if not isinstance(message, str):
            message = message.get("one" if values["count"] == 1 else "other", message["other"])
        formatted = {name: self.format(value) for name, value in values.items()}
        return message.format(**formatted) if formatted else message

    def format(self, value: object) -> str:
        """A value as it is written within a sentence."""
        return f"{value:,}" if isinstance(value, int) else str(value)

    def section(self, *prefixes: str) -> dict[str, Message]:
        """The messages whose keys begin with these prefixes, for scripts."""
        return {key: each for key, each in self.messages.items() if key.startswith(prefixes)}

    def moment(self, at: datetime) -> str:
        return self.translate("common.moment", day=self.day(at), time=f"{at:%H:%M}")

    def clock(self, at: datetime) -> str:
        """Names the zone where the reader's own is not known."""
        return f"{at:%H:%M:%S}{' UTC' if at.tzinfo is UTC else ''}"

    def day(self, at: datetime) -> str:
        month = self._months[at.month - 1]
        return self.translate("common.day", day=str(at.day), month=month, year=str(at.year))

    @cached_property
    def _months(self) -> list[str]:
        return self.translate("common.months").split()


@cache
def translator(tag: str) -> Translator:
    """The translator of a language, read once: messages never change."""
    return Translator(tag)


def preferred_translator(accept_language: str) -> Translator:
    """The language that a browser prefers (RFC 9110, 12.5.4); English if none of ours.

    Any Chinese is Simplified Chinese: readers of Traditional Chinese prefer it to English.
    """
    tags = {"en": "en", "zh": "zh-Hans", "*": "en"}
    accepted = [(-quality, tag) for tag, quality in _ranges(accept_language) if tag in tags]
    # min() returns the first of equals, so the order breaks a tie.
    _, tag = min(accepted, key=lambda each: each[0], default=(0, "en"))
    return translator(tags[tag])


def _ranges(accept_language: str) -> Iterator[tuple[str, float]]:
    for each in accept_language[:500].split(","):
        if (found := _RANGE.fullmatch(each)) and (quality := float(found["q"] or 1)):
            yield found["tag"].lower(), quality


def _flat(sections: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Message]]:
    for name, value in sections.items():
        if isinstance(value, str) or value.keys() <= PLURALS:
            yield f"{prefix}{name}", value
        else:
            yield from _flat(value, f"{prefix}{name}.")
