"""The audit trail: each act leaves its event, and pages of them can be read."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row, Session, connect
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.cluster import Cluster
from tests.functions.conftest import connected, email_of, only, raises_sqlstate
from tests.functions.shared.test_roles import as_role


def last(functions: Session, user: str | None = "ann") -> Row:
    return functions.rows("list_audit_events", user)[0]


def acts(functions: Session, user: str | None = None) -> list[str]:
    """From the first to the last."""
    return [row["act"] for row in reversed(functions.rows("list_audit_events", user))]


def test_connecting_is_noted_the_first_time_and_each_other_time(functions: Session) -> None:
    connected(functions)
    connected(functions)
    assert acts(functions) == ["connected", "reconnected"]
    event = last(functions)
    assert event["detail"] == {"email": email_of("ann")}
    assert (event["user_id"], event["actor"]) == ("ann", "ann")
    assert (event["role"], event["application"]) == ("service_login", "test")


def test_a_connection_that_is_refused_is_not_noted(functions: Session) -> None:
    connected(functions)
    with pytest.raises(Exception, match="another mailbox"):
        functions.value("connect_account", "ann", "bo@mail.example", b"other")
    assert acts(functions) == ["connected"]


@pytest.mark.parametrize(
    ("code", "act"), [("session_ended", "reauth_required"), ("client_gone", "suspended")]
)
def test_what_google_refuses_is_noted_with_the_reason(
    functions: Session, code: str, act: str
) -> None:
    connected(functions)
    functions.value("mark_credentials_rejected", "ann", b"sealed", code, "It was revoked.")
    assert acts(functions) == ["connected", act]
    assert last(functions)["detail"] == {"code": code, "reason": "It was revoked."}


def test_another_reason_to_refuse_is_noted_too(functions: Session) -> None:
    connected(functions)
    for code in ("client_gone", "client_gone", "api_disabled"):
        functions.value("mark_credentials_rejected", "ann", b"sealed", code, "why")
    assert acts(functions) == ["connected", "suspended", "suspended"]


def test_what_google_refuses_again_and_again_is_noted_once(functions: Session) -> None:
    connected(functions)
    for reason in ("Not now.", "Not now.", "Not yet."):
        functions.value("mark_credentials_rejected", "ann", b"sealed", "account_blocked", reason)
    assert acts(functions) == ["connected", "suspended"]
    (account,) = functions.rows("list_accounts", "ann")
    assert account["status_reason"] == "Not yet."
    functions.value("mark_credentials_rejected", "ann", b"sealed", "reauth_required", "Revoked.")
    connected(functions)
    functions.value("mark_credentials_rejected", "ann", b"sealed", "account_blocked", "Not now.")
    assert acts(functions)[2:] == ["reauth_required", "reconnected", "suspended"]


def test_a_verdict_on_credentials_that_are_gone_is_not_noted(functions: Session) -> None:
    connected(functions)
    functions.value("mark_credentials_rejected", "ann", b"others", "account_blocked", "why")
    assert acts(functions) == ["connected"]


def test_disconnecting_is_noted_with_what_became_of_the_mail(functions: Session) -> None:
    connected(functions)
    functions.value("disconnect_account", "ann")
    assert last(functions)["detail"] == {"mail": "kept"}
    functions.value("disconnect_account", "ann")
    functions.value("disconnect_account", "ann", True)
    assert last(functions)["detail"] == {"mail": "deleted"}
    assert acts(functions) == ["connected", "disconnected", "disconnected"]


def test_deleting_is_noted_without_the_user(functions: Session) -> None:
    connected(functions)
    functions.value("delete_account", "ann")
    assert acts(functions) == ["deleted"]
    assert acts(functions, "ann") == []


def test_a_deletion_is_found_by_whoever_knows_the_user(functions: Session, db: Connection) -> None:
    for user in ("ann", "bo", "ann"):
        connected(functions, user)
        functions.value("delete_account", user)
    as_role(db, "gmail_sync_dba")
    found = db.execute("select act, id from gmail_sync.list_deletions('ann')").fetchall()
    assert [(row["act"], row["id"]) for row in found] == [
        (row["act"], row["id"]) for row in functions.rows("list_audit_events")[::2]
    ]
    assert functions.rows("list_deletions", "cy") == []


def test_who_was_deleted_is_told_by_this_installation_s_salt_only(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    functions.value("delete_account", "ann")
    (event,) = functions.rows("list_audit_events")
    salt = only(db, "select audit_salt from gmail_sync.settings")
    assert len(salt) == 32
    assert event["detail"] == {"user_hash": sha256(salt + sha256(b"ann").digest()).hexdigest()}


def test_an_operator_s_read_and_a_rotation_are_noted_by_the_service(functions: Session) -> None:
    functions.value("record_audit_event", "operator_read", "olga", Jsonb({"view": "health"}))
    functions.value("record_audit_event", "keys_rotated", "olga")
    rotated, read = functions.rows("list_audit_events")
    assert (read["act"], read["actor"], read["detail"]) == (
        "operator_read", "olga", {"view": "health"},
    )  # fmt: skip
    assert (rotated["act"], rotated["user_id"], rotated["detail"]) == ("keys_rotated", None, {})


def test_a_read_of_one_user_s_mail_is_noted_with_the_user(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    arguments = ("operator_read", "olga", Jsonb({"view": "export"}))
    functions.value("record_audit_event", *arguments, "ann")
    assert (last(functions)["act"], last(functions)["actor"]) == ("operator_read", "olga")
    with pytest.raises(AccountNotConnected):
        functions.value("record_audit_event", *arguments, "bo")
    functions.value("delete_account", "ann")
    assert acts(functions) == ["deleted"]


def test_no_read_is_noted_of_a_user_who_is_being_deleted(
    functions: Session, database_url: str
) -> None:
    connected(functions)
    with connect(database_url, "deleting") as deleting:
        deleting.autocommit = False
        deleting.execute("select gmail_sync.delete_account('ann')")
        with pytest.raises(AccountNotConnected):
            functions.value("record_audit_event", "operator_read", "olga", Jsonb({}), "ann")
        deleting.commit()
    assert acts(functions) == ["deleted"]


@pytest.mark.parametrize(
    ("application", "actor"),
    [
        ("gmail-sync account by os:otto", "os:otto"),
        ("gmail-sync rotate-keys by os:otto", "os:otto"),
        ("gmail-sync api", "ann"),
        ("by os:otto", "ann"),
    ],
)
def test_who_sits_at_the_command_line_is_the_actor(
    functions: Session, service_url: str, application: str, actor: str
) -> None:
    with closing(Session(service_url, application)) as session:
        connected(session)
    assert (last(functions)["actor"], last(functions)["application"]) == (actor, application)


def test_google_s_word_is_google_s_whoever_asked(functions: Session, service_url: str) -> None:
    connected(functions)
    with closing(Session(service_url, "gmail-sync audit by os:otto")) as session:
        session.value("mark_credentials_rejected", "ann", b"sealed", "account_blocked", "why")
    assert last(functions)["actor"] == "google"


def test_an_operator_s_act_upon_a_user_is_in_that_user_s_trail(functions: Session) -> None:
    did = Jsonb({"function": "start_sync"})
    functions.value("record_audit_event", "operator_act", "olga", did, "ann")
    (event,) = functions.rows("list_audit_events", "ann")
    assert (event["act"], event["actor"]) == ("operator_act", "olga")
    assert event["detail"] == {"function": "start_sync"}


@pytest.mark.parametrize("act", ["connected", "deleted", "", None])
def test_the_service_notes_no_other_act(functions: Session, act: str | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.value("record_audit_event", act, "olga")
    assert acts(functions) == []


def test_the_role_noted_is_that_which_logged_in(functions: Session, db: Connection) -> None:
    connected(functions)
    as_role(db, "gmail_sync_app")
    db.execute("select gmail_sync.disconnect_account('ann')")
    event = last(functions)
    assert (event["actor"], event["role"], event["application"]) == ("ann", "postgres", "test")


def test_pages_go_back_in_time(functions: Session) -> None:
    for number in range(5):
        functions.value("record_audit_event", "operator_read", "olga", Jsonb({"number": number}))
    first = functions.rows("list_audit_events", None, 2)
    second = functions.rows("list_audit_events", None, 2, first[-1]["at"], first[-1]["id"])
    numbers = [row["detail"]["number"] for row in [*first, *second]]
    assert numbers == [4, 3, 2, 1]
    oldest = functions.rows("list_audit_events")[-1]
    assert functions.rows("list_audit_events", None, 2, oldest["at"], oldest["id"]) == []


def test_events_of_one_moment_are_parted_by_id(functions: Session, db: Connection) -> None:
    for number in range(3):
        functions.value("record_audit_event", "operator_read", "olga", Jsonb({"number": number}))
    moment = only(db, "update gmail_sync.audit_event set at = now() returning at")
    events = functions.rows("list_audit_events")
    assert [event["detail"]["number"] for event in events] == [2, 1, 0]
    assert functions.rows("list_audit_events", None, 9, moment, events[0]["id"]) == events[1:]
    assert functions.rows("list_audit_events", None, 9, moment) == []


def test_a_page_reads_its_own_events_only(functions: Session, db: Connection) -> None:
    functions.value("record_audit_event", "keys_rotated", "olga")
    db.execute(
        "insert into gmail_sync.audit_event (act, user_id, actor, role, application, at)"
        " select 'connected', 'user-' || n % 1000, 'x', 'x', 'x', now() - n * interval '1 s'"
        " from generate_series(1, 20000) n"
    )
    db.execute("analyze gmail_sync.audit_event")
    for call in (
        "list_audit_events(null, 5)",
        "list_audit_events('user-7', 5)",
        "list_deletions('ann')",
    ):
        assert pages_read(db, call) < 100, call


def pages_read(db: Connection, call: str) -> int:
    """Those that a call reads once the session has what it needs."""
    explain = f"explain (analyze, buffers, format json) select * from gmail_sync.{call}"
    for _ in range(2):
        (row,) = db.execute(explain.encode()).fetchall()
    return int(row["QUERY PLAN"][0]["Plan"]["Shared Hit Blocks"])


def test_a_page_is_of_one_user_or_of_all(functions: Session) -> None:
    for user in ("ann", "bo"):
        connected(functions, user)
    assert [row["user_id"] for row in functions.rows("list_audit_events")] == ["bo", "ann"]
    assert [row["user_id"] for row in functions.rows("list_audit_events", "bo")] == ["bo"]


@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_page_has_a_size(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_audit_events", None, limit)


def test_dbas_read_the_trail_and_add_to_it_and_nobody_changes_it(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    as_role(db, "gmail_sync_dba")
    assert only(db, "select act from gmail_sync.list_audit_events()") == "connected"
    with raises_sqlstate("42501"):
        db.execute("delete from gmail_sync.audit_event")
    db.execute("select gmail_sync.record_audit_event('keys_rotated', 'olga')")
    db.execute("reset role")
    as_role(db, "gmail_sync_app")
    with raises_sqlstate("42501"):
        db.execute("select gmail_sync.record_audit_event('keys_rotated', 'olga')")
    with raises_sqlstate("42501"):
        db.execute("select * from gmail_sync.list_audit_events()")


def test_an_act_and_its_event_are_one_transaction(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("alter table gmail_sync.audit_event add check (act <> 'disconnected')")
    with pytest.raises(Exception, match="check constraint"):
        functions.value("disconnect_account", "ann")
    assert functions.rows("list_accounts", "ann")[0]["status"] == "connected"


@pytest.fixture
def router(db: Connection, cluster: Cluster, database: str) -> Iterator[Connection]:
    """The login of the router, as its installation makes it."""
    db.execute("create role gmail_sync_router login password 'r' in role gmail_sync_service")
    db.execute("grant execute on function gmail_sync._forget_actor(text) to gmail_sync_router")
    with connect(cluster.url(database, "gmail_sync_router", "r"), "pooler") as connection:
        yield connection
    db.execute("drop owned by gmail_sync_router; drop role gmail_sync_router")


BEGIN_FOR = """
    select gmail_sync.record_connect_attempt(
      case when num_nonnulls(
        set_config('gmail_sync.caller_role', %s, true),
        set_config('gmail_sync.caller_application', %s, true)
      ) = 2 then 'ann' end,
      'connect_begun'
    )
"""


def test_the_router_passes_on_who_calls(functions: Session, router: Connection) -> None:
    router.execute(BEGIN_FOR, ["shop", "gmail-sync account by os:ann"])
    event = last(functions)
    assert (event["role"], event["actor"]) == ("shop", "os:ann")
    assert event["application"] == "gmail-sync account by os:ann"
    router.execute(BEGIN_FOR, ["shop", ""])
    assert (last(functions)["actor"], last(functions)["application"]) == ("ann", "")


def test_a_call_of_the_router_that_names_nobody_is_its_own(
    functions: Session, router: Connection
) -> None:
    router.execute(BEGIN_FOR, ["shop", "web"])
    router.execute("select gmail_sync.record_connect_attempt('ann', 'connect_begun')")
    assert last(functions)["role"] == "gmail_sync_router"


def test_nobody_else_can_name_another_caller(functions: Session, service_url: str) -> None:
    with connect(service_url, "forger") as forger:
        forger.execute("set gmail_sync.caller_role = 'shop'")
        forger.execute("set gmail_sync.caller_application = 'gmail-sync account by os:ann'")
        forger.execute("select gmail_sync.record_connect_attempt('ann', 'connect_begun')")
    event = last(functions)
    assert (event["role"], event["application"]) == ("service_login", "forger")
    assert event["actor"] == "ann"


def test_the_router_has_a_node_forget_what_a_user_did_as_an_operator(
    functions: Session, db: Connection, router: Connection
) -> None:
    for actor in ("eve", "bo"):
        functions.value("record_audit_event", "operator_act", actor, Jsonb({}), "ann")
    db.execute("insert into gmail_sync.slot_elsewhere select gmail_sync._user_slot('eve')")
    assert only(router, "select gmail_sync._forget_actor('eve')") is True
    assert only(router, "select gmail_sync._forget_actor('eve')") is False
    assert [row["actor"] for row in functions.rows("list_audit_events")] == ["bo"]
    with raises_sqlstate("42501"):
        functions.value("_forget_actor", "bo")


def test_deleting_who_only_was_an_operator_leaves_a_trace(functions: Session) -> None:
    functions.value("record_audit_event", "operator_act", "eve", Jsonb({}), "ann")
    assert functions.value("delete_account", "eve") is True
    assert acts(functions) == ["deleted"]
