"""A webhook for all users is at every node, and one webhook to those who call the router."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from service.demo.routed import superuser
from service.postgres.calls import Row, Session
from tests.functions.conftest import claimed, message, store
from tests.functions.webhooks.test_webhooks import accept, claim
from tests.router.conftest import NODES, Installation, clear, user_at
from tests.router.test_faults import DOWN, kill
from tests.waiting import wait_until

pytestmark = pytest.mark.gate

URL = "https://app.example/hooks"
AT_A_NODE = (
    "select id, url, events::text[], with_content, secrets from gmail_sync.webhook order by id"
)


@pytest.fixture
def functions(at_all_nodes: Installation) -> Iterator[Session]:
    clear(at_all_nodes)
    with at_all_nodes.superusers() as nodes:
        for node in nodes:
            node.execute("truncate gmail_sync.webhook cascade")
    with closing(Session(at_all_nodes.router_url, "test")) as session:
        yield session


def added(functions: Session) -> Row:
    row = functions.row("add_webhook", None, URL, ["message.created"], True)
    assert row is not None
    return row


def at_nodes(installation: Installation) -> list[list[tuple[object, ...]]]:
    with installation.superusers() as nodes:
        return [node.execute(AT_A_NODE).fetchall() for node in nodes]


def test_one_call_adds_it_everywhere_and_each_act_reaches_all(
    at_all_nodes: Installation, functions: Session
) -> None:
    webhook = added(functions)
    expected = (webhook["id"], URL, ["message.created"], True, [webhook["secret"]])
    assert at_nodes(at_all_nodes) == [[expected]] * NODES
    users = [user_at(at_all_nodes, node) for node in range(NODES)]
    for user in users:
        store(functions, claimed(functions, user), message("a"))

    heard = {row["user_id"] for _ in range(20) for row in accepted(functions)}

    assert heard == set(users)
    assert functions.value("test_webhook", None, webhook["id"])
    assert len([row for _ in range(20) for row in accepted(functions)]) == 1
    assert functions.value("replay_webhook", None, webhook["id"], 0)
    assert len([row for _ in range(20) for row in accepted(functions)]) == NODES
    secret = functions.value("rotate_webhook_secret", None, webhook["id"])
    assert [rows[0][-1] for rows in at_nodes(at_all_nodes)] == [[secret, webhook["secret"]]] * NODES
    (listed,) = functions.rows("list_webhooks", None)
    assert (listed["id"], listed["waiting"]) == (webhook["id"], 0)
    assert len(functions.rows("list_webhook_deliveries", None, webhook["id"])) == 2 * NODES + 1
    assert functions.value("remove_webhook", None, webhook["id"]) is True
    assert at_nodes(at_all_nodes) == [[]] * NODES
    for act in ("remove_webhook", "replay_webhook", "rotate_webhook_secret", "test_webhook"):
        assert not functions.value(act, None, webhook["id"])


def accepted(functions: Session) -> list[Row]:
    rows = claim(functions)
    for row in rows:
        assert accept(functions, row)
    return rows


def test_a_user_of_any_node_has_own_webhooks(
    at_all_nodes: Installation, functions: Session
) -> None:
    for node in range(NODES):
        user = user_at(at_all_nodes, node)
        webhook = functions.row("add_webhook", user, URL)
        assert webhook is not None
        assert [row["id"] for row in functions.rows("list_webhooks", user)] == [webhook["id"]]
        assert functions.value("test_webhook", user, webhook["id"])
        assert functions.value("rotate_webhook_secret", user, webhook["id"])
    assert [len(rows) for rows in at_nodes(at_all_nodes)] == [1] * NODES
    assert functions.rows("list_webhooks", None) == []


def test_a_node_that_is_down_is_an_error_and_the_call_can_be_repeated(
    at_all_nodes: Installation, functions: Session
) -> None:
    old = added(functions)
    node = at_all_nodes.nodes[DOWN]
    kill(node)
    try:
        for call in (
            lambda: added(functions),
            lambda: functions.value("rotate_webhook_secret", None, old["id"]),
        ):
            with pytest.raises(psycopg.Error, match=f"node {DOWN} is down, so nothing was changed"):
                call()
        with pytest.raises(psycopg.Error, match="a node cannot be asked"):
            functions.value("remove_webhook", None, old["id"])
    finally:
        node.start()
    wait_until(lambda: answers(functions))
    # Elsewhere it may be removed already.
    assert functions.value("remove_webhook", None, old["id"]) is True
    webhook = added(functions)
    assert [[row[0] for row in rows] for rows in at_nodes(at_all_nodes)] == [
        [webhook["id"]]
    ] * NODES


def answers(functions: Session) -> bool:
    try:
        functions.rows("list_webhooks", None)
    except psycopg.Error:
        return False
    return True


def test_what_one_node_refuses_is_left_at_none(
    at_all_nodes: Installation, functions: Session
) -> None:
    login = "function gmail_sync._add_webhook(text, text, text[], boolean, text, text)"
    with superuser(at_all_nodes.node_urls[DOWN]) as node:
        node.execute(f"revoke execute on {login} from gmail_sync_router".encode())
        try:
            with pytest.raises(psycopg.Error, match="permission denied"):
                added(functions)
        finally:
            node.execute(f"grant execute on {login} to gmail_sync_router".encode())
    assert at_nodes(at_all_nodes) == [[]] * NODES


def test_an_installation_adds_it_at_a_node_that_lacks_it(
    at_all_nodes: Installation, functions: Session
) -> None:
    added(functions)
    (before, *_) = at_nodes(at_all_nodes)
    with superuser(at_all_nodes.node_urls[DOWN]) as node:
        node.execute("delete from gmail_sync.webhook")

    at_all_nodes.install()

    assert at_nodes(at_all_nodes) == [before] * NODES
