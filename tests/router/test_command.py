"""gmail-sync router, as a person types it."""

import json

import pytest
from click.testing import CliRunner, Result

from db.router.install import LOGIN
from service.cli import main
from service.demo.routed import superuser
from tests.router.conftest import NODES, Installation, spread

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
    status = json.loads(run(installation, "status", "--json").output)
    assert [row["node"] for row in status["nodes"]] == list(range(NODES))
    assert status["problems"] == []
    # No password of the URLs is shown.
    assert not any(node.password in result.output for node in installation.nodes)


def test_the_status_says_which_node_does_not_answer(installation: Installation) -> None:
    urls = [*installation.node_urls[:2], "postgresql://postgres@127.0.0.1:9/gmail_sync"]
    result = run(installation, "status", GMAIL_SYNC_NODE_URLS=" ".join(urls))
    assert result.exit_code == 1
    assert "no: connection" in result.output.splitlines()[3]


def test_the_nodes_share_the_projects_quota_by_their_slots(installation: Installation) -> None:
    with spread(installation):
        assert shares(installation) == [22 / 64, 21 / 64, 21 / 64]
    assert shares(installation) == [1, 0, 0]


def shares(installation: Installation) -> list[float]:
    with installation.superusers() as nodes:
        rows = [node.execute("select project_share from gmail_sync.settings") for node in nodes]
        return [float(share) for each in rows for (share,) in each.fetchall()]


def test_the_status_says_which_slot_is_open_twice_or_nowhere(installation: Installation) -> None:
    """As after a node is restored from before a move."""
    with superuser(installation.node_urls[0]) as own, superuser(installation.node_urls[2]) as other:
        other.execute("delete from gmail_sync.slot_elsewhere where slot in (5, 7)")
        own.execute("insert into gmail_sync.slot_elsewhere (slot) values (9)")
        result = run(installation, "status", "--json")
        # What is open at a node to which nothing leads is closed there.
        install(installation)
        again = run(installation, "status")
        own.execute("delete from gmail_sync.slot_elsewhere")
    assert (result.exit_code, again.exit_code) == (1, 1)
    nowhere = "slot 9: closed at node 0, to which the router leads"
    assert json.loads(result.output)["problems"] == [
        "slot 5, 7: led to node 0 and open at 2",
        nowhere,
    ]
    assert again.output.splitlines()[4:] == [nowhere]


def test_installing_again_changes_nothing(installation: Installation) -> None:
    before = run(installation, "status").output
    result = install(installation)
    assert result.exit_code == 0, result.output
    assert result.stdout == "The router leads to 3 nodes.\n"
    assert result.stderr.startswith("preparing node 0 of 3\n")
    assert run(installation, "status").output == before


def test_nodes_of_different_versions_are_refused(installation: Installation) -> None:
    """The router that is there goes on, and health says what is wrong."""
    with superuser(installation.node_urls[1]) as node, superuser(installation.router_url) as router:
        node.execute("update gmail_sync.alembic_version set version_num = '0000'")
        try:
            result = install(installation)
            (health,) = router.execute("select gmail_sync.sync_health()").fetchone() or ({},)
        finally:
            node.execute("update gmail_sync.alembic_version set version_num = '0001'")
    assert result.exit_code == 1
    assert "node 1 has schema 0000, node 0 has 0001: run gmail-sync migrate" in result.output
    assert any(each.startswith("node 1 has schema 0000") for each in health["reasons"])


def test_a_database_with_mail_does_not_become_a_router(installation: Installation) -> None:
    """Its schema would be dropped."""
    result = install(installation, GMAIL_SYNC_ROUTER_URL=installation.node_urls[1])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the router's database has mail" in result.output


def test_a_node_without_gmail_sync_is_named(installation: Installation) -> None:
    urls = [installation.node_urls[0], installation.nodes[1].url("postgres")]
    result = install(installation, GMAIL_SYNC_NODE_URLS=" ".join(urls))
    assert result.exit_code == 1
    assert "node 1 has no gmail-sync: run gmail-sync migrate there" in result.output


def test_a_database_without_a_router_has_no_status(installation: Installation) -> None:
    empty = installation.router.url("postgres")
    result = run(installation, "status", GMAIL_SYNC_ROUTER_URL=empty)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the router is not installed: run gmail-sync router install" in result.output


def test_a_node_with_users_cannot_be_left_out(installation: Installation) -> None:
    with superuser(installation.router_url) as router:
        router.execute("update gmail_sync_route.slot set node = 2 where slot = 63")
        urls = " ".join(installation.node_urls[:2])
        result = install(installation, GMAIL_SYNC_NODE_URLS=urls)
        router.execute("update gmail_sync_route.slot set node = 0 where slot = 63")
    assert result.exit_code == 1
    assert "first run gmail-sync router spread --empty 2" in result.output


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
