from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.site import Site, running_site

MESSAGES = 240


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    logs: Path = tmp_path_factory.mktemp("logs")
    with running_site(logs, MESSAGES) as site:
        yield site
