"""Plain English, checked: tests/conventions/prose.py says what that is."""

from pathlib import Path

import pytest

from db.migrations.install import FUNCTIONS
from tests.conventions.prose import faults, sql_prose

BASELINE = FUNCTIONS.parent / "migrations/versions/0001_baseline.sql"
SQL = [*sorted(FUNCTIONS.rglob("*.sql")), BASELINE]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (" ".join(["word"] * 26) + ".", "26 words: "),
        ("Two sentences. The row is read anew.", "“anew” (write: again): The row is read anew."),
        ("It is no error.", "“is no” (write: is not a): It is no error."),
    ],
)
def test_a_fault_is_named_with_its_sentence(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "text", [" ".join(["word"] * 25) + ".", "There is no row.", "The lease is no longer held."]
)
def test_plain_english_has_no_fault(text: str) -> None:
    assert faults(text) == []


def test_sql_says_it_in_comments_and_in_constants() -> None:
    sql = "-- One\n-- comment.\nselect 'two', 'a user''s '\n  'whole sentence'; -- not 'this'\n"
    assert [" ".join(text.split()) for text in sql_prose(sql)] == [
        "One comment.",
        "a user's whole sentence",
    ]


def found_in(paths: list[Path]) -> list[str]:
    return [
        f"{path.stem}: {fault}"
        for path in paths
        for text in sql_prose(path.read_text())
        for fault in faults(text)
    ]


def test_sql_is_written_in_plain_english() -> None:
    assert found_in(SQL) == []
