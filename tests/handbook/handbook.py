"""The fenced blocks of db/README.md, section by section, and how they are run."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.demo.cluster import find_programs, installed_pg_configs

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "db/README.md"
SECONDS = 60
PROGRAMS = [ROOT / ".venv/bin", find_programs(installed_pg_configs())]


@dataclass(frozen=True)
class Block:
    """One fenced block. `login` stands after its language: the role that runs it.

    `output` is the text block right below, which shows what it prints.
    """

    language: str
    login: str
    code: str
    output: str | None = None


def sections() -> dict[str, list[Block]]:
    """The blocks of each section, by its heading, in order."""
    parts = re.split(r"^#{1,3} (.+)$", HANDBOOK.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], map(_blocks, parts[2::2]), strict=True))


def _blocks(text: str) -> list[Block]:
    fenced = re.compile(
        r"^```(?P<language>\w+) ?(?P<login>\w*)\n(?P<code>.*?)^```\n"
        r"(?:\n```text\n(?P<output>.*?)^```\n)?",
        re.M | re.S,
    )
    return [Block(**match.groupdict()) for match in fenced.finditer(text)]


def run(command: list[str], code: str, **environment: str) -> str:
    """What a command prints that is fed `code`; it must succeed."""
    path = os.pathsep.join([*map(str, PROGRAMS), os.environ["PATH"]])
    result = subprocess.run(
        command,
        input=code,
        cwd=ROOT,
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
