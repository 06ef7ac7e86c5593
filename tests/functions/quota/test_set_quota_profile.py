import pytest

from service.postgres.calls import Session
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.functions.conftest import connected


def test_a_quota_profile_is_changed(functions: Session) -> None:
    connected(functions)
    functions.rows("set_quota_profile", "ann", "google-legacy")
    (account,) = functions.rows("list_accounts", "ann")
    assert account["quota_profile"] == "google-legacy"


@pytest.mark.parametrize("profile", ["generous", None])
def test_an_unknown_profile_is_refused(functions: Session, profile: str | None) -> None:
    connected(functions)
    with pytest.raises(InvalidArgument):
        functions.rows("set_quota_profile", "ann", profile)


def test_a_user_without_an_account_is_refused(functions: Session) -> None:
    with pytest.raises(AccountNotConnected):
        functions.rows("set_quota_profile", "nobody", "unlimited")
