"""Docstrings, comments and the words of the page are in plain English."""

from pathlib import Path

import pytest

from tests.conventions.prose import faults, python_prose, toml_prose

ROOT = Path(__file__).parents[2]
WORDS = ROOT / "service/i18n/locales/en.toml"
FILES = [
    str(path.relative_to(ROOT))
    for top in ("db", "service", "tests")
    for path in sorted((ROOT / top).rglob("*.py"))
]


def found_in(name: str) -> list[str]:
    path = ROOT / name
    prose = toml_prose if path.suffix == ".toml" else python_prose
    return [fault for text in prose(path.read_text()) for fault in faults(text)]


def test_python_and_words_are_written_in_plain_english() -> None:
    names = [*FILES, str(WORDS.relative_to(ROOT))]
    assert {name: found for name in names if (found := found_in(name))} == {}


@pytest.mark.parametrize(
    ("source", "prose"),
    [
        ('"""One.\n\nA └── B\n"""\n', ["One."]),
        ('def name() -> None:\n    """Calls `a b c`."""\n', ["Calls code."]),
        ("# First\n# second.\nname = 1  # type: ignore\n", ["First second."]),
    ],
)
def test_prose_of_a_module(source: str, prose: list[str]) -> None:
    texts = (" ".join(text.split()) for text in python_prose(source))
    assert [text for text in texts if text] == prose
