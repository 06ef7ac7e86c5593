"""What a command writes into a document: between `<!-- the command -->` and `<!-- end -->`."""

import re
from pathlib import Path


def read_between(document: Path, command: str) -> str:
    """ValueError: the document has no place for it."""
    found = _between(command).search(document.read_text())
    if found is None:
        raise ValueError(f"{document} has no <!-- {command} --> … <!-- end -->")
    return found[0]


def write_between(document: Path, command: str, text: str) -> None:
    """ValueError: the document has no place for it."""
    read_between(document, command)
    # Once: after an empty section, the pattern matches again, up to the end of the next one.
    document.write_text(_between(command).sub(lambda _: text, document.read_text(), count=1))


def _between(command: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {re.escape(command)} -->\n).*?(?=<!-- end -->)", re.S)
