"""The packages of the image. The build itself checks that they fit one another."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def test_each_dependency_has_a_version_that_it_allows() -> None:
    pins = {}
    for line in (ROOT / "docker/requirements.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            pins[name] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    of_the_image = project["dependencies"] + project["optional-dependencies"]["otel"]
    needed = [Requirement(each) for each in of_the_image]
    assert [each for each in needed if not each.specifier.contains(pins.get(each.name, "0"))] == []
