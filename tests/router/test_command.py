"""gmail-sync router, as a person types it."""

import json

import pytest
from click.testing import CliRunner, Result

from db.router.install import LOGIN
from service.cli import main
from tests.router.conftest import NODES, Installation, superuser

pytestmark = pytest.mark.gate


def run(installation: Installation, *arguments: str, **variables: str) -> Result:
    environment = {
        "GMAIL_SYNC_NODE_URLS": " ".join(installation.node_urls),
        "GMAIL_SYNC_ROUTER_URL": installation.router_url,
        "GMAIL_SYNC_ROUTER_PASSWORD": installation.password,
        **variables,
    }
    return CliRunner().invoke(main, ["router", *arguments], env=environment)


def install(installation: Installation, **variables: str) -> Result:
    return run(installation, "install", "--pooler-port", str(installation.pooler.port), **variables)


def test_the_status_has_a_line_for_each_node(installation: Installation) -> None:
    result = run(installation, "status")
    assert result.exit_code == 0, result.output
    head, *lines = result.output.splitlines()
    assert head.split() == ["node", "address", "slots", "users", "schema", "answers"]
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]
    assert [line.split()[2] for line in lines] == ["64", "0", "0"]
    rows = json.loads(run(installation, "status", "--json").output)
    assert [row["node"] for row in rows] == list(range(NODES))
    # No password of the URLs is shown.
    assert not any(node.password in result.output for node in installation.nodes)


def test_the_status_says_which_node_does_not_answer(installation: Installation) -> None:
    urls = [*installation.node_urls[:2], "postgresql://postgres@127.0.0.1:9/gmail_sync"]
    result = run(installation, "status", GMAIL_SYNC_NODE_URLS=" ".join(urls))
    assert result.exit_code == 1
    assert "no: connection" in result.output.splitlines()[3]


def test_installing_again_changes_nothing(installation: Installation) -> None:
    before = run(installation, "status").output
    result = install(installation)
    assert result.exit_code == 0, result.output
    assert result.output == "The router leads to 3 nodes.\n"
    assert run(installation, "status").output == before


def test_nodes_of_different_versions_are_refused(installation: Installation) -> None:
    with superuser(installation.node_urls[1]) as node:
        node.execute("update gmail_sync.alembic_version set version_num = '0000'")
        try:
            result = install(installation)
        finally:
            node.execute("update gmail_sync.alembic_version set version_num = '0001'")
    assert result.exit_code == 1
    assert "node 1 has schema 0000, node 0 has 0001: run gmail-sync migrate" in result.output


def test_a_server_that_cannot_be_reached_is_named(installation: Installation) -> None:
    away = "postgresql://postgres@127.0.0.1:9/app"
    assert (
        "the router cannot be reached" in install(installation, GMAIL_SYNC_ROUTER_URL=away).output
    )
    assert "node 0 cannot be reached" in install(installation, GMAIL_SYNC_NODE_URLS=away).output


@pytest.mark.parametrize("variable", ["GMAIL_SYNC_NODE_URLS", "GMAIL_SYNC_ROUTER_URL"])
def test_what_is_missing_is_named(installation: Installation, variable: str) -> None:
    result = run(installation, "status", **{variable: ""})
    assert result.exit_code == 2
    assert variable in result.output


def test_the_pooler_file_has_each_node_and_no_password(installation: Installation) -> None:
    output = run(installation, "pooler").output
    for number in range(NODES):
        assert f"\nnode{number} = host=127.0.0.1" in output
    assert f'"{LOGIN}"' in output
    assert not any(node.password in output for node in installation.nodes)
    assert installation.password not in output
