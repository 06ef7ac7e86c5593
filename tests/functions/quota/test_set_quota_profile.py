import pytest

from service.postgres.calls import Session
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.functions.conftest import connected


def test_a_quota_profile_is_changed(functions: Session) -> None:
    connected(functions)
    functions.rows("set_quota_profile", "ann", "google-legacy")
    (account,) = functions.rows("list_accounts", "ann")
    assert account["quota_profile"] == "google-legacy"


def test_an_alias_sets_the_profile_that_it_names(functions: Session) -> None:
    connected(functions, profile="google-2026")
    connected(functions, "bo", "google-legacy")
    functions.rows("set_quota_profile", "bo", "google-2026")
    accounts = functions.rows("list_accounts")
    assert {account["quota_profile"] for account in accounts} == {"google-standard"}


@pytest.mark.parametrize("profile", ["generous", None])
def test_an_unknown_profile_is_refused(functions: Session, profile: str | None) -> None:
    connected(functions)
    with pytest.raises(InvalidArgument):
        functions.rows("set_quota_profile", "ann", profile)


def test_a_user_without_an_account_is_refused(functions: Session) -> None:
    with pytest.raises(AccountNotConnected):
        functions.rows("set_quota_profile", "nobody", "unlimited")
