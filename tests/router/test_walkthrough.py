"""The handbook's page “Past one machine”, command by command, on real servers."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from service.demo.pgbouncer import PgBouncer
from service.demo.routed import superuser
from service.postgres.calls import Session
from tests.functions.conftest import connected
from tests.handbook.handbook import ROOT, run
from tests.router.conftest import Installation

pytestmark = pytest.mark.gate

PAGE = ROOT / "db/handbook/many-nodes.md"
DATABASE = "app"
POOLER = "gmail-sync router pooler > /etc/pgbouncer/pgbouncer.ini"
# They need the whole machine, or run until they are stopped.
NOT_RUN = (r"\$ sudo .*\n", r"\$ .* gmail-sync serve --no-worker\n", r"\$ .* gmail-sync worker\n")
USERS = [f"user-{number}" for number in range(12)]


@pytest.fixture
def places(installation: Installation) -> Iterator[dict[str, str]]:
    """A URL for each host of the page, in databases of their own."""
    hosts = {**{f"db{n}": node for n, node in enumerate(installation.nodes)}}
    hosts["router"] = installation.router
    with ExitStack() as stack:
        for server in hosts.values():
            server.create_database(DATABASE)
            stack.callback(server.drop_database, DATABASE)
        yield {name: server.url(DATABASE) for name, server in hosts.items()}
    for server in hosts.values():
        with superuser(server.url("postgres")) as connection:
            connection.execute("drop role if exists shop, gmail_sync_login")


def commands(places: dict[str, str], password: str) -> str:
    """The page's commands for this machine."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    text = "".join(blocks)
    for pattern in NOT_RUN:
        text, count = re.subn(pattern, "", text)
        assert count, f"{pattern} is not on the page"
    for name, url in places.items():
        text = text.replace(f"postgresql://postgres@{name}/app", url)
    return text.replace("$(openssl rand -hex 32)", password).replace("$ ", "set -e; ", 1)


def test_one_postgres_becomes_three(
    places: dict[str, str], installation: Installation, tmp_path: Path
) -> None:
    first = places["db0"]
    run(["gmail-sync", "migrate"], "", DATABASE_URL=first)
    with closing(Session(first, "test")) as functions:
        for user in USERS:
            connected(functions, user)

    text = commands(places, installation.password).replace("\n$ ", "\n")
    text = text.replace("/etc/pgbouncer", str(tmp_path))
    before, after = text.split("gmail-sync router install\n", 1)
    run(["bash"], before, tmp_path)
    configuration = (tmp_path / "pgbouncer.ini").read_text()
    configuration = configuration.replace(str(tmp_path), "/etc/pgbouncer")
    assert installation.password in (tmp_path / "userlist.txt").read_text()
    folder = Path(installation.router.base_dir) / "walkthrough"
    with PgBouncer(configuration, installation.password, folder) as pgbouncer:
        install = f"gmail-sync router install --pooler-port {pgbouncer.place.port}\n"
        exports = "".join(re.findall(r"^(?:set -e; )?export .*\n", before, re.M))
        rest = after.replace("gmail-sync router install\n", install)
        spread, moves = rest.split("gmail-sync router spread\n", 1)
        assert counts(run(["bash"], exports + install + spread, tmp_path)) == [64, 0, 0]
        spreading = "gmail-sync router spread\n gmail-sync router status\n"
        assert counts(run(["bash"], exports + spreading, tmp_path)) == [22, 21, 21]
        run(["bash"], exports + moves, tmp_path)
        assert counts(run(["bash"], exports + "gmail-sync router status\n", tmp_path))[2] == 0
        with closing(Session(places["router"], "test")) as functions:
            shown = functions.rows("list_accounts")
    assert {row["user_id"] for row in shown} == set(USERS)


def counts(printed: str) -> list[int]:
    """The slots of each node, as `router status` prints them last."""
    lines = printed[printed.rindex("answers") :].splitlines()
    return [int(line.split()[2]) for line in lines if re.match(r" *\d ", line)]
