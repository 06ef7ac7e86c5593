"""What pages say, in English or Simplified Chinese, as the browser prefers.

A message is a sentence of locales/*.toml with {placeholders}; one that counts has a form for each
plural that its language knows.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "locales"
PLURALS = {"one", "other"}

Word = str | Mapping[str, str]

_RANGE = re.compile(
    r"\s*(?P<tag>\*|[a-z]{1,8})(?:-[a-z0-9-]+)?\s*(?:;\s*q=(?P<q>[01](?:\.\d{0,3})?))?\s*", re.I
)


class Translator:
    """The words of one language, and how it writes numbers and dates. `tag` is BCP 47."""

    def __init__(self, tag: str, sections: Mapping[str, Any]) -> None:
        self.tag = tag
        self.words: dict[str, Word] = dict(_flat(sections))

    def say(self, key: str, **values: object) -> str:
        """A word with its values; `count` chooses the plural. Raises KeyError for one unknown."""
        word = self.words[key]
        if not isinstance(word, str):
            word = word.get("one" if values["count"] == 1 else "other", word["other"])
        shown = {name: self.shown(value) for name, value in values.items()}
        return word.format(**shown) if shown else word

    def shown(self, value: object) -> str:
        """A value as it stands within a sentence."""
        return f"{value:,}" if isinstance(value, int) else str(value)

    def section(self, *prefixes: str) -> dict[str, Word]:
        """The words whose keys begin so, for scripts."""
        return {key: word for key, word in self.words.items() if key.startswith(prefixes)}

    def moment(self, at: datetime) -> str:
        return self.say("common.moment", day=self.day(at), time=f"{at:%H:%M}")

    def clock(self, at: datetime) -> str:
        return f"{at:%H:%M:%S}"

    def day(self, at: datetime) -> str:
        month = self._months[at.month - 1]
        return self.say("common.day", day=str(at.day), month=month, year=str(at.year))

    @cached_property
    def _months(self) -> list[str]:
        return self.say("common.months").split()


class Languages:
    """Those there are."""

    def __init__(self) -> None:
        self.english = Translator("en", _read("en"))
        self.chinese = Translator("zh-Hans", _read("zh"))

    def preferred(self, accept_language: str) -> Translator:
        """The one a browser asks for first (RFC 9110, 12.5.4); English for all others.

        Any Chinese is Simplified Chinese: who reads Traditional reads it sooner than English.
        """
        ours = {"en": self.english, "zh": self.chinese, "*": self.english}
        asked = [(-quality, tag) for tag, quality in _ranges(accept_language) if tag in ours]
        # Sorting is stable: of two that are liked alike the first goes before.
        _, tag = min(asked, key=lambda each: each[0], default=(0, "en"))
        return ours[tag]


def _ranges(accept_language: str) -> Iterator[tuple[str, float]]:
    for each in accept_language[:500].split(","):
        if (found := _RANGE.fullmatch(each)) and (quality := float(found["q"] or 1)):
            yield found["tag"].lower(), quality


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def _flat(sections: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Word]]:
    for name, value in sections.items():
        if isinstance(value, str) or value.keys() <= PLURALS:
            yield f"{prefix}{name}", value
        else:
            yield from _flat(value, f"{prefix}{name}.")
