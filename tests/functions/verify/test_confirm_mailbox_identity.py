import uuid

import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import AccountNotConnected
from tests.functions.conftest import claimed, connected, queued


def account(db: Connection) -> dict[str, object]:
    row = db.execute("select * from gmail_sync.account where user_id = 'ann'").fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("email", ["bo@mail.example", ""])
def test_another_mailbox_is_refused(functions: Session, db: Connection, email: str) -> None:
    task_id = claimed(functions)
    with pytest.raises(AccountNotConnected):
        functions.rows("confirm_mailbox_identity", task_id, email)
    assert account(db)["verified"] is False


def test_the_accounts_own_mailbox_is_verified_until_it_is_connected_again(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    functions.rows("confirm_mailbox_identity", task_id, "Ann@Mail.Example")
    assert account(db)["verified"] is True
    connected(functions)
    assert account(db)["verified"] is False


def test_gmails_spelling_of_the_address_is_accepted(functions: Session, db: Connection) -> None:
    functions.value("connect_account", "ann", "John.Doe@googlemail.com", b"sealed")
    task_id = queued(functions)
    assert functions.value("claim_sync", uuid.uuid4()) == task_id
    functions.rows("confirm_mailbox_identity", task_id, "johndoe@gmail.com")
    assert account(db)["verified"] is True


def test_a_suspended_account_that_answers_is_connected_again(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    functions.rows("mark_credentials_rejected", "ann", b"sealed", "account_blocked", "why")
    functions.rows("confirm_mailbox_identity", task_id, "ann@mail.example")
    assert (account(db)["status"], account(db)["status_code"]) == ("connected", None)
    assert account(db)["status_reason"] is None
