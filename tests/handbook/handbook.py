"""The fenced blocks of the handbooks, section by section, and how they are run."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.demo.cluster import find_programs

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "db/README.md", *sorted(ROOT.glob("*/handbook/*.md"))]
SECONDS = 300  # one block moves most slots of three nodes
PROGRAMS = [ROOT / ".venv/bin", find_programs()]
# A heading of a page or a section, or a fenced block with what it prints below it.
PART = re.compile(
    r"^##? (?P<heading>.+)$"
    r"|^```(?P<language>\w+) ?(?P<login>\w*)\n(?P<code>(?:.*\n)*?)```$"
    r"(?:\n\n```text\n(?P<output>(?:.*\n)*?)```$)?",
    re.M,
)


@dataclass(frozen=True)
class Block:
    """One fenced block. `login` follows its language: the role that runs it.

    A block `sh service` is a command of the service, with the environment of one.

    `output` is the text block right below, which shows what it prints.
    """

    language: str
    login: str
    code: str
    output: str | None = None


def sections() -> dict[str, list[Block]]:
    """The blocks of each section that has some, by its heading, in order."""
    found: dict[str, list[Block]] = {}
    for page in PAGES:
        for heading, blocks in _sections(page.read_text(encoding="utf-8")):
            if blocks and heading in found:
                raise ValueError(f"{page} has a second section “{heading}” with blocks")
            if blocks:
                found[heading] = blocks
    return found


def _sections(text: str) -> Iterator[tuple[str, list[Block]]]:
    """Each heading with the blocks below it."""
    heading, blocks = "", list[Block]()
    for part in PART.finditer(text):
        if part["heading"]:
            yield heading, blocks
            heading, blocks = part["heading"], []
        else:
            blocks.append(Block(part["language"], part["login"], part["code"], part["output"]))
    yield heading, blocks


def run(command: list[str], code: str, folder: Path = ROOT, **environment: str) -> str:
    """What a command prints that reads `code`; it must succeed."""
    path = os.pathsep.join([*map(str, PROGRAMS), os.environ["PATH"]])
    result = subprocess.run(
        command,
        input=code,
        cwd=folder,
        env={"PATH": path, "LANG": "C.UTF-8", "PGOPTIONS": "-c timezone=UTC", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, f"{code}\n{result.stdout}{result.stderr}"
    return result.stdout


def psql(url: str, code: str) -> str:
    return run(["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url], code)


def shape(printed: str) -> list[tuple[str, ...]]:
    """Column names and numbers of rows of each table psql printed."""
    names = re.findall(r"^(.*)\n-[-+]*$", printed, re.M)
    counts = re.findall(r"^\((\d+) rows?\)$", printed, re.M)
    return [
        (*(name.strip() for name in line.split("|")), count)
        for line, count in zip(names, counts, strict=True)
    ]
