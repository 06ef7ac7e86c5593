"""An account whose address is spelled in another way than Gmail spells it."""

from datetime import timedelta

import pytest

from service import logs
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.mailbox.access import MailboxAccess
from service.mailbox.verify import MailboxComparison
from service.postgres.calls import Session
from service.postgres.errors import AccountNotConnected
from service.simulator import Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.worker.conftest import ACCESS_TOKEN, USER, Account

MESSAGES = 3


@pytest.fixture
def mailbox(simulator: Simulator) -> Mailbox:
    mailbox = simulator.add_mailbox("johndoe@gmail.com", ACCESS_TOKEN)
    mailbox.load(generate(MESSAGES))
    return mailbox


@pytest.fixture
def account(functions: Session, keys: str) -> Account:
    return Account(functions, CredentialCipher([keys]))


@pytest.mark.parametrize(
    "email", ["john.doe@googlemail.com", "John.Doe@gmail.com", "johndoe@googlemail.com"]
)
def test_mail_is_synced_and_compared_under_any_spelling_of_gmails_own_addresses(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    google: Google,
    email: str,
) -> None:
    account.connect(email=email)

    run = account.sync()

    assert (run["outcome"], run["current_stats"]["new"]) == ("succeeded", MESSAGES)
    # Connected again, the account has to be checked again, here outside of a run.
    account.connect(email="johndoe@gmail.com")
    with MailboxAccess(functions, google, USER, logs.configure("warning")) as access:
        assert MailboxComparison(functions, access, USER).run().local == MESSAGES


def test_another_mailbox_is_reported_with_both_addresses(
    mailbox: Mailbox, account: Account, worker: Worker, functions: Session, google: Google
) -> None:
    account.connect(email="janedoe@gmail.com")
    both = "the mailbox is johndoe@gmail.com, the account of user user-42 is janedoe@gmail.com"

    with (
        MailboxAccess(functions, google, USER, logs.configure("warning")) as access,
        pytest.raises(AccountNotConnected, match=both),
    ):
        access.own_profile(timedelta(0))

    run = account.sync()
    assert run["outcome"] == "failed"
    assert both in run["error_message"]
