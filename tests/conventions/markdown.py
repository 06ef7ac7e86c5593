"""The Markdown files of the project: their links, their headings and their prose."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_TARGET = re.compile(r"\]\(([^)\s]+)\)")
_LINK = re.compile(r"!?\[([^][]*)\]\([^)]*\)")
_WRITTEN_BY_A_COMMAND = re.compile(r"<!-- (?:make|python) .*?<!-- end[^>]*-->", re.S)
_CODE = re.compile(r"`[^`]*`")


def pages() -> list[Path]:
    """Every Markdown file, without those of folders that are installed or hidden."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def links(text: str) -> list[str]:
    """The targets of links and images outside of code."""
    return _TARGET.findall(_CODE.sub("", _FENCED.sub("", text)))


def anchors(text: str) -> set[str]:
    """The anchors GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Relative links to a file or a heading that does not exist."""
    return [
        target
        for target in links(page.read_text(encoding="utf-8"))
        if "://" not in target and not _resolves(page, target)
    ]


def _resolves(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    if not path.exists():
        return False
    return not anchor or anchor in anchors(path.read_text(encoding="utf-8"))


def markdown_prose(text: str) -> Iterator[str]:
    """Paragraphs, list items and cells of tables, without code, targets of links and figures."""
    text = _WRITTEN_BY_A_COMMAND.sub("", _FENCED.sub("\n", text))
    # An image can be the text of a link.
    text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))
    text = _CODE.sub("code", text).replace("**", "")
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|^#+ .*$", text, flags=re.M):
        if block.lstrip().startswith("|"):
            yield from (cell for row in block.splitlines() for cell in row.split("|"))
        else:
            yield block
