import pytest

from service.postgres.calls import Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import connected


def test_credentials_are_listed_in_pages_by_user(functions: Session) -> None:
    for user in ("cy", "ann", "bo"):
        connected(functions, user)
    first = functions.rows("list_credentials", None, 2)
    assert first == [
        {"user_id": "ann", "credentials": b"sealed"},
        {"user_id": "bo", "credentials": b"sealed"},
    ]
    rest = functions.rows("list_credentials", "bo", 2)
    assert [row["user_id"] for row in rest] == ["cy"]


def test_an_account_without_credentials_is_left_out(functions: Session) -> None:
    connected(functions)
    functions.value("disconnect_account", "ann")
    assert functions.rows("list_credentials") == []


@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_limit_out_of_range_is_refused(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_credentials", None, limit)
