"""Documents are short, in plain English, and each of their links leads somewhere."""

import pytest

from tests.conventions.markdown import (
    ROOT,
    anchors,
    broken_links,
    links,
    markdown_prose,
    pages,
)
from tests.conventions.prose import faults

LONGEST_README = 130
LONGEST_PAGE = 300
NAMES = [str(path.relative_to(ROOT)) for path in pages()]


@pytest.mark.parametrize("name", NAMES)
def test_each_link_leads_somewhere(name: str) -> None:
    assert broken_links(ROOT / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_written_in_plain_english(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [fault for part in markdown_prose(text) for fault in faults(part)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_short(name: str) -> None:
    """Rows of tables are not counted: `make bench` writes some."""
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = sum(not line.startswith("|") for line in text.splitlines())
    assert lines <= (LONGEST_README if name == "README.md" else LONGEST_PAGE)


def test_links_are_found_outside_of_code_and_within_one_another() -> None:
    text = "[a](b.md#c) `[no](x)` [![picture](d.png)](e)\n```sh\n[no](y)\n```\n"
    assert links(text) == ["b.md#c", "d.png", "e"]


def test_an_anchor_is_what_github_makes_of_a_heading() -> None:
    assert anchors("# What's new?\n## `sync_status`, and more\n```sh\n# no\n```\n") == {
        "whats-new",
        "sync_status-and-more",
    }


def test_prose_is_what_is_read() -> None:
    text = "# Title\nOne [link](x.md).\n\n- item `code here`\n\n| a | b |\n\n```sh\nnot this\n```\n"
    prose = [" ".join(part.split()) for part in markdown_prose(text)]
    assert [part for part in prose if part] == ["One link.", "- item code", "a", "b"]
