import pytest

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import connected


def test_accounts_to_reconnect_say_why_and_since_when(functions: Session, db: Connection) -> None:
    connected(functions, "well")
    functions.value(
        "mark_credentials_rejected",
        connected(functions),
        b"sealed",
        "reauth_required",
        "Token revoked.",
    )
    db.execute("update gmail_sync.audit_event set at = '2026-01-02T03:04Z' where user_id = 'ann'")
    connected(functions, "zoe")
    db.execute("update gmail_sync.account set status = 'suspended' where user_id = 'zoe'")
    ann, zoe = functions.rows("list_accounts_to_reconnect")
    assert (ann["user_id"], ann["status"]) == ("ann", "reauth_required")
    assert (ann["status_code"], zoe["status_code"]) == ("reauth_required", None)
    assert (ann["email"], ann["status_reason"]) == ("ann@mail.example", "Token revoked.")
    assert ann["refused_at"].isoformat() == "2026-01-02T03:04:00+00:00"
    assert (zoe["status"], zoe["refused_at"]) == ("suspended", None)


def test_pages_and_filters(functions: Session, db: Connection) -> None:
    for user, code in (("ann", "scope_missing"), ("bob", "client_gone"), ("cy", "scope_missing")):
        functions.value(
            "mark_credentials_rejected", connected(functions, user), b"sealed", code, "why"
        )

    def users(*arguments: object, **named: object) -> list[str]:
        rows = functions.rows("list_accounts_to_reconnect", *arguments, **named)
        return [row["user_id"] for row in rows]

    assert users(2) == ["ann", "bob"]
    assert users(2, "bob") == ["cy"]
    assert users(p_status_code="scope_missing") == ["ann", "cy"]
    assert users(p_user_id="bob") == ["bob"]


@pytest.mark.parametrize("limit", [0, -1, 1001, None])
def test_a_limit_out_of_range_is_refused(functions: Session, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        functions.rows("list_accounts_to_reconnect", limit)
