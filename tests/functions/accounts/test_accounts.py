"""connect_account, list_accounts, replace_credentials, mark_credentials_rejected, and labels."""

import pytest

from service import migrate
from service.postgres.calls import Connection, Row, Session, connect
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.cluster import Cluster
from tests.functions.conftest import (
    claimed,
    connected,
    email_of,
    listed,
    only,
    queue_of,
    raises_sqlstate,
)

# Of the mailbox johndoe@gmail.com.
SPELLINGS = (
    "john.doe@gmail.com",
    "j.o.h.n.d.o.e@googlemail.com",
    "JohnDoe@Gmail.com",
    "johndoe@GOOGLEMAIL.COM",
    "johndoe+work@gmail.com",
)


def connected_as(functions: Session, email: str) -> None:
    functions.rows("connect_account", "ann", email, b"sealed")


def account(functions: Session, user: str = "ann") -> Row:
    (row,) = functions.rows("list_accounts", user)
    return row


def test_an_account_is_connected_with_the_safe_profile(functions: Session) -> None:
    functions.rows("connect_account", "ann", "ann@mail.example", b"sealed")
    row = account(functions)
    assert (row["status"], row["quota_profile"], row["content_mode"], row["history_id"]) == (
        "connected", "google-standard", "full", None,
    )  # fmt: skip
    assert "credentials" not in row
    assert functions.rows("sync_status", "ann") == []


def test_connecting_again_keeps_cursor_queue_and_settings(
    functions: Session, db: Connection
) -> None:
    functions.rows("connect_account", "ann", "ann@mail.example", b"old", "google-legacy", "raw")
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    functions.rows("mark_credentials_rejected", "ann", b"sealed", "reauth_required", "Come back.")
    db.execute("update gmail_sync.account set history_id = 7, quota_profile = 'google-legacy'")
    functions.rows("connect_account", "ann", "ANN@mail.example", b"new")
    row = account(functions)
    assert (row["status"], row["status_reason"], row["history_id"]) == ("connected", None, 7)
    assert (row["quota_profile"], row["content_mode"]) == ("google-legacy", "raw")
    assert row["email"] == "ann@mail.example"
    assert set(queue_of(db)) == {"a"}


def test_another_mailbox_is_refused_and_nothing_changes(functions: Session, db: Connection) -> None:
    connected(functions)
    before = db.execute("select * from gmail_sync.account").fetchall()
    with pytest.raises(AccountNotConnected):
        functions.rows("connect_account", "ann", "bo@mail.example", b"other")
    assert db.execute("select * from gmail_sync.account").fetchall() == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_mailbox_is_connected_again_under_any_spelling(functions: Session, spelling: str) -> None:
    connected_as(functions, "johndoe@gmail.com")
    connected_as(functions, spelling)
    assert account(functions)["email"] == "johndoe@gmail.com"
    assert functions.value("is_own_mailbox", "ann", spelling) is True


@pytest.mark.parametrize(
    ("connected_first", "other"),
    [
        ("johndoe@gmail.com", "janedoe@gmail.com"),
        ("johndoe@gmail.com", "johndoe@gmail.example"),
        ("johndoe@gmail.com", "johndoe@gmail.com.example"),
        ("johndoe@gmail.com", "johndoe@notgmail.com"),
        ("john.doe@mail.example", "johndoe@mail.example"),
        ("johndoe@mail.example", "johndoe+work@mail.example"),
    ],
)
def test_other_addresses_are_other_mailboxes(
    functions: Session, connected_first: str, other: str
) -> None:
    connected_as(functions, connected_first)
    with pytest.raises(AccountNotConnected):
        connected_as(functions, other)
    assert functions.value("is_own_mailbox", "ann", other) is False


def test_a_user_without_an_account_owns_no_mailbox(functions: Session) -> None:
    assert functions.value("is_own_mailbox", "ann", email_of("ann")) is False


def test_an_address_is_the_same_in_a_database_of_turkish_order(cluster: Cluster) -> None:
    """There, the lower case of I is a letter of its own."""
    name = "turkish"
    cluster.create_database(name, "template0", "locale_provider icu icu_locale 'tr-TR'")
    url = cluster.url(name)
    migrate.upgrade(url)
    with connect(url, "test") as db:
        assert only(db, "select lower('INFO') = 'info'") is False
        db.execute("select gmail_sync.connect_account('ann', 'INFO@MAIL.EXAMPLE', 'sealed')")
        db.execute("select gmail_sync.connect_account('ann', 'info@mail.example', 'sealed')")
        db.execute("select gmail_sync.receive_push('Info@Mail.Example', 7)")
        assert only(db, "select source from gmail_sync.user_sync_status") == "push"
    cluster.drop_database(name)


def test_invalid_arguments_are_refused(functions: Session) -> None:
    every: list[tuple[object, ...]] = [
        ("", "ann@mail.example", b"sealed"),
        (None, "ann@mail.example", b"sealed"),
        ("ann", "no address", b"sealed"),
        ("ann", None, b"sealed"),
        ("ann", "ann@mail.example", None),
        ("ann", "ann@mail.example", b"sealed", "generous"),
        ("ann", "ann@mail.example", b"sealed", None, "some"),
    ]
    for arguments in every:
        with pytest.raises(InvalidArgument):
            functions.rows("connect_account", *arguments)
    assert functions.rows("list_accounts") == []


def test_accounts_of_all_users_are_listed_in_order(functions: Session) -> None:
    for user in ("cy", "ann", "bo"):
        connected(functions, user)
    assert [row["user_id"] for row in functions.rows("list_accounts")] == ["ann", "bo", "cy"]
    assert functions.rows("list_accounts", "nobody") == []
    assert [row["user_id"] for row in functions.rows("list_accounts", None, 2)] == ["ann", "bo"]
    assert [row["user_id"] for row in functions.rows("list_accounts", None, 2, "bo")] == ["cy"]
    with pytest.raises(InvalidArgument):
        functions.rows("list_accounts", None, 1001)


@pytest.mark.parametrize(
    ("code", "status"), [("scope_missing", "reauth_required"), ("admin_refused", "suspended")]
)
def test_google_s_refusal_is_a_state_of_the_account(
    functions: Session, code: str, status: str
) -> None:
    task_id = claimed(functions)
    functions.rows("mark_credentials_rejected", "ann", b"sealed", code, "why")
    row = account(functions)
    assert (row["status"], row["status_code"], row["status_reason"]) == (status, code, "why")
    functions.value("release_sync", task_id, "why")
    assert functions.rows("enqueue_due_syncs") == []


@pytest.mark.parametrize("code", ["connected", "suspended", "", None])
def test_an_unknown_refusal_is_none(functions: Session, code: str | None) -> None:
    connected(functions)
    with pytest.raises(InvalidArgument):
        functions.rows("mark_credentials_rejected", "ann", b"sealed", code, "why")


def test_a_refusal_that_ends_leaves_no_code(functions: Session) -> None:
    for end in (connected, lambda functions: functions.value("begin_disconnect", "ann")):
        connected(functions)
        functions.rows("mark_credentials_rejected", "ann", b"sealed", "client_gone", "why")
        end(functions)
        row = account(functions)
        assert (row["status_code"], row["status_reason"]) == (None, None)


def test_a_code_belongs_to_its_status(functions: Session, db: Connection) -> None:
    connected(functions)
    functions.rows("mark_credentials_rejected", "ann", b"sealed", "client_gone", "why")
    with raises_sqlstate("23503"):
        db.execute("update gmail_sync.account set status = 'reauth_required'")


def test_renewed_credentials_are_kept(functions: Session, db: Connection) -> None:
    connected(functions)
    opened = functions.rows("get_account_credentials", "ann")[0]["credentials"]
    assert functions.value("replace_credentials", "ann", opened, b"renewed") is True
    # Renewed once more by somebody else, from what is there no more.
    assert functions.value("replace_credentials", "ann", opened, b"late") is False
    rows = db.execute("select credentials from gmail_sync.account").fetchall()
    assert rows == [{"credentials": b"renewed"}]


def test_refused_credentials_leave_the_account_in_words(functions: Session) -> None:
    connected(functions)
    opened = functions.rows("get_account_credentials", "ann")[0]["credentials"]
    verdict = ["reauth_required", "revoked"]
    assert functions.value("mark_credentials_rejected", "ann", b"others", *verdict) is False
    assert account(functions)["status"] == "connected"
    assert functions.value("mark_credentials_rejected", "ann", opened, *verdict) is True
    assert [account(functions)[name] for name in ("status", "status_reason")] == verdict


def test_a_verdict_spares_credentials_that_came_meanwhile(functions: Session) -> None:
    connected(functions)
    functions.value("connect_account", "ann", email_of("ann"), b"consent")
    before = account(functions)
    verdict = ["reauth_required", "old"]
    assert functions.value("mark_credentials_rejected", "ann", b"sealed", *verdict) is False
    assert functions.value("replace_credentials", "ann", b"consent", b"rotated") is True
    assert functions.value("mark_credentials_rejected", "ann", b"consent", *verdict) is False
    assert account(functions) == before


def test_a_verdict_on_an_account_that_is_being_taken_away_is_none(functions: Session) -> None:
    connected(functions)
    functions.value("begin_disconnect", "ann")
    before = account(functions)
    verdict = ["reauth_required", "revoked"]
    assert functions.value("mark_credentials_rejected", "ann", b"sealed", *verdict) is False
    assert account(functions) == before
