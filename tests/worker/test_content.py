"""The bytes of mail over HTTP: attachments, raw messages and the mbox, stored or from Gmail."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from service.google.configuration import Google
from service.postgres.calls import Row, Session
from service.simulator import Fault, Limits, Mailbox, Simulator, load
from service.simulator.load import split_mbox
from service.worker.worker import Worker
from tests.api.conftest import client_of, problem, serving
from tests.functions.conftest import calls
from tests.worker.conftest import USER, Account

MAIL = Path(__file__).parents[3] / "shared" / "mail"
needs_mail = pytest.mark.skipif(not MAIL.is_dir(), reason="the optional folder ../shared/mail")

PDF = b"%PDF-1.4 \x00\xff\r\nFrom here\n"
WITH_PDF = (
    b"From: a@example.com\r\nSubject: Plan\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nFrom here on\r\n>From there\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="../../pl\xc3\xa4n\x01.pdf"\r\n\r\n'
    b"JVBERi0xLjQgAP8NCkZyb20gaGVyZQo=\r\n--b--"
)
ONLY_PDF = (
    b"Subject: Scan\r\nContent-Type: application/pdf; name=scan.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQgAP8NCkZyb20gaGVyZQo=\r\n"
)


@pytest.fixture
def user(service_url: str, google: Google, account: Account) -> Iterator[httpx.Client]:
    """USER at the API, which reaches Gmail."""
    with serving(service_url, google=google) as running, client_of(running, USER) as client:
        yield client


def raw_of(client: httpx.Client, message_id: str) -> httpx.Response:
    return client.get(f"/api/gmail/messages/{message_id}/raw")


def pdf_of(client: httpx.Client, message_id: str, part_id: str = "1") -> httpx.Response:
    return client.get(f"/api/gmail/messages/{message_id}/attachments/{part_id}")


def synced_pdf(mailbox: Mailbox, account: Account, content_mode: str = "full") -> str:
    """The id of WITH_PDF, synced."""
    message_id = mailbox.insert(WITH_PDF)
    account.connect(content_mode)
    assert account.sync()["outcome"] == "succeeded"
    return message_id


def synced_pdf_with_caps(
    mailbox: Mailbox, account: Account, functions: Session, charges: int = 0
) -> str:
    """The id of WITH_PDF, synced before its account got quota caps and so many charges."""
    message_id = synced_pdf(mailbox, account)
    functions.rows("set_quota_profile", USER, "google-standard")
    if charges:
        functions.rows("reserve_account_quota", USER, calls("attachments.get", charges))
    return message_id


def charged(db: psycopg.Connection[Row]) -> int:
    row = db.execute("select coalesce(sum(units), 0)::int as u from gmail_sync.quota_charge")
    return int((row.fetchone() or {})["u"])


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_an_attachment_is_downloaded_safely(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker, content_mode: str
) -> None:
    answer = pdf_of(user, synced_pdf(mailbox, account, content_mode))

    assert (answer.status_code, answer.content) == (200, PDF)
    headers = answer.headers
    assert headers["content-type"] == "application/pdf"
    assert headers["content-disposition"] == (
        "attachment; filename=\"pl_n_.pdf\"; filename*=UTF-8''pl%C3%A4n_.pdf"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert (
        headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    )
    assert headers["cache-control"] == "private"


def test_a_mail_that_is_nothing_but_an_attachment_has_an_empty_part_id(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    message_id = mailbox.insert(ONLY_PDF)
    account.sync()
    for address in ("attachments", "attachments/"):
        answer = user.get(f"/api/gmail/messages/{message_id}/{address}")
        assert (answer.status_code, answer.content) == (200, PDF)


def test_a_fresh_attachment_id_is_fetched_each_time_and_charged(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    message_id = synced_pdf_with_caps(mailbox, account, functions)
    simulator.requests.reset()
    for times in (1, 2):
        assert pdf_of(user, message_id).content == PDF
        assert simulator.requests.methods == {
            "messages.get": times,
            "messages.attachments.get": times,
        }
        assert charged(db) == 40 * times
    assert raw_of(user, message_id).content == mailbox.raw(message_id)
    assert charged(db) == 100


def test_a_raw_copy_costs_no_quota(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    message_id = synced_pdf(mailbox, account, "raw")
    simulator.requests.reset()
    assert pdf_of(user, message_id).content == PDF
    answer = raw_of(user, message_id)
    assert answer.content == mailbox.raw(message_id)
    assert answer.headers["content-type"] == "message/rfc822"
    assert f'filename="{message_id}.eml"' in answer.headers["content-disposition"]
    assert simulator.requests.methods == {}


def test_used_up_quota_is_told_with_the_time_and_nothing_is_sent(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    message_id = synced_pdf_with_caps(mailbox, account, functions, charges=300)
    simulator.requests.reset()
    answer = pdf_of(user, message_id)
    problem(answer, 503, "gmail_quota")
    assert 50 < int(answer.headers["retry-after"]) <= 62
    assert simulator.requests.methods == {}
    assert charged(db) == 6000


def test_a_short_wait_for_the_quota_is_waited_for(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    db.execute("update gmail_sync.quota_profile set window_length = '2 s'")
    message_id = synced_pdf_with_caps(mailbox, account, functions, charges=300)
    assert raw_of(user, message_id).status_code == 200
    row = db.execute(
        "select max(charged_at) <= clock_timestamp() as sent_in_time from gmail_sync.quota_charge"
    ).fetchone()
    assert row == {"sent_in_time": True}


def test_an_expired_token_is_renewed_kept_and_charged_once_more(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    google: Google,
    simulator: Simulator,
    functions: Session,
    db: psycopg.Connection[Row],
) -> None:
    message_id = synced_pdf(mailbox, account)
    stored = {"token": "access", "refresh_token": "refresh"}
    stored |= {"client_id": "c", "client_secret": "s"}
    sealed = google.cipher.encrypt(stored)
    functions.rows("connect_account", USER, mailbox.email, sealed, "google-standard")
    simulator.tokens.expire("access")
    assert raw_of(user, message_id).content == mailbox.raw(message_id)
    # Connected again, it is asked whose mailbox it is, in vain at first.
    assert charged(db) == 22
    kept = functions.rows("get_account_credentials", USER)[0]["credentials"]
    assert google.cipher.decrypt(kept)["token"] not in (None, "access")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("messages.get", "error", status=503), 503, "gmail_unavailable"),
        (Fault("messages.get", "html", status=502), 503, "gmail_unavailable"),
        (Fault("messages.get", "error", status=400), 502, "gmail_unavailable"),
        (
            Fault("messages.get", "error", status=403, reason="userRateLimitExceeded"),
            503,
            "gmail_quota",
        ),
        (
            Fault("messages.get", "error", status=403, reason="dailyLimitExceeded"),
            503,
            "gmail_quota",
        ),
    ],
)
def test_gmail_s_troubles_are_told(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    fault: Fault,
    status: int,
    code: str,
) -> None:
    message_id = synced_pdf(mailbox, account)
    simulator.faults.add(fault)
    for answer in (pdf_of(user, message_id), raw_of(user, message_id)):
        problem(answer, status, code)
        assert ("retry-after" in answer.headers) == (status == 503)


def test_revoked_access_becomes_the_account_s_state(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator,
    functions: Session,
) -> None:  # fmt: skip
    message_id = synced_pdf(mailbox, account)
    simulator.tokens.revoke(mailbox.email)
    problem(raw_of(user, message_id), 409, "account_not_connected")
    (row,) = functions.rows("list_accounts", USER)
    assert (row["status"], "connect" in row["status_reason"]) == ("reauth_required", True)
    simulator.requests.reset()
    problem(raw_of(user, message_id), 409, "account_not_connected")
    assert simulator.requests.methods == {}


def test_what_gmail_has_no_more_is_told(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    message_id = synced_pdf(mailbox, account)
    mailbox.delete(message_id)
    problem(raw_of(user, message_id), 404, "gone_from_gmail")
    problem(pdf_of(user, message_id), 404, "gone_from_gmail")
    account.sync()
    problem(raw_of(user, message_id), 404, "no_such_message")
    problem(pdf_of(user, message_id), 404, "no_such_attachment")


def test_the_mail_of_others_is_not_there(
    service_url: str, google: Google, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    message_id = synced_pdf(mailbox, account, "raw")
    with serving(service_url, google=google) as running:
        with client_of(running, "bob", "operator") as bob:
            problem(raw_of(bob, message_id), 404, "no_such_message")
            problem(pdf_of(bob, message_id), 404, "no_such_attachment")
            assert bob.get("/api/gmail/export.mbox").content == b""
        with client_of(running, USER) as owner:
            problem(pdf_of(owner, message_id, "0"), 404, "no_such_attachment")


def test_without_keys_what_is_stored_is_served(
    service_url: str, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    account.connect("raw")
    message_id = synced_pdf(mailbox, account, "raw")
    account.connect("full")
    other = synced_pdf(mailbox, account)
    with serving(service_url) as running, client_of(running, USER) as client:
        assert pdf_of(client, message_id).content == PDF
        problem(pdf_of(client, other), 503, "gmail_not_configured")
        problem(raw_of(client, other), 503, "gmail_not_configured")


def test_an_mbox_leaves_out_what_has_no_raw_copy_and_says_so(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    stored = datetime(2026, 11, 21, 19, 35, 18, tzinfo=UTC)
    milliseconds = int(stored.timestamp() * 1000)
    message_id = mailbox.insert(WITH_PDF, internal_date=milliseconds)
    account.connect("full")
    account.sync()
    problem(user.get("/api/gmail/export.mbox"), 409, "no_raw_copies")
    account.connect("raw")
    account.sync()
    account.connect("full")
    synced_pdf(mailbox, account)

    answer = user.get("/api/gmail/export.mbox?exact=true")

    assert answer.headers["x-messages-without-raw"] == "1"
    assert answer.headers["content-type"] == "application/mbox"
    assert answer.headers["content-disposition"].startswith("attachment;")
    first, _, rest = answer.content.partition(b"\r\n")
    assert first == f"From {int(message_id, 16)}@xxx Sat Nov 21 19:35:18 +0000 2026".encode()
    assert b"\r\n>From here on\r\n>>From there\r\n" in rest
    assert list(split_mbox(answer.content)) == [WITH_PDF + b"\r\n"]


def test_an_mbox_says_labels_and_read_state_as_of_the_last_sync(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker
) -> None:
    work = mailbox.create_label("Work/Projects")
    mailbox.insert(WITH_PDF, ["INBOX", "UNREAD", work])
    read = mailbox.insert(b"X-Gmail-Labels: Forged\r\nSubject: read\r\n\r\n", ["INBOX", "UNREAD"])
    account.connect("raw")
    account.sync()
    mailbox.modify(read, add=["STARRED"], remove=["UNREAD"])
    account.sync()

    messages = list(split_mbox(user.get("/api/gmail/export.mbox").content))

    labels = sorted(each.splitlines()[1] for each in messages)
    assert labels == [
        b"X-Gmail-Labels: Inbox,Opened,Starred",
        b'X-Gmail-Labels: Inbox,Unread,"Work/Projects"',
    ]
    assert b"Forged" not in b"".join(messages)


@needs_mail
@pytest.mark.parametrize(
    "name", ["non-english", "mime-cases", pytest.param("ham-2002", marks=pytest.mark.gate)]
)
def test_real_mail_comes_back_byte_for_byte(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker, name: str
) -> None:
    mailbox.load(load(MAIL / f"{name}.mbox.xz"))
    account.connect("raw")
    account.sync()
    ids = mailbox.message_ids()

    mbox = user.get("/api/gmail/export.mbox?exact=true", timeout=120).content

    expected = {each: mailbox.raw(each) for each in ids}
    named = re.findall(rb"^From (\d+)@xxx ", mbox, re.MULTILINE)
    found = dict(zip([f"{int(each):x}" for each in named], split_mbox(mbox), strict=True))
    assert found == {
        each: raw if raw.endswith(b"\n") else raw + b"\r\n" for each, raw in expected.items()
    }
    for each in ids[:: max(1, len(ids) // 300)]:
        assert raw_of(user, each).content == expected[each]


@needs_mail
@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_every_attachment_of_the_mime_cases_has_the_bytes_of_its_source(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    content_mode: str,
) -> None:
    mailbox.load(load(MAIL / "mime-cases.mbox.xz"))
    account.connect(content_mode)
    assert account.sync()["outcome"] == "succeeded"
    rows = db.execute("select message_id, part_id from gmail_sync.attachment").fetchall()
    assert len(rows) > 100
    for row in rows:
        parts = mailbox.get(row["message_id"]).mail.parse().walk()
        source = next(part for part in parts if part.part_id == row["part_id"])
        answer = pdf_of(user, row["message_id"], row["part_id"])
        assert answer.status_code == 200, answer.text
        assert answer.content == source.content(), row


def test_the_limits_of_the_simulator_are_kept_too(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    message_id = synced_pdf(mailbox, account)
    simulator.set_limits(Limits(profile="google-standard", user_units=20))
    assert raw_of(user, message_id).status_code == 200
    answer = raw_of(user, message_id)
    problem(answer, 503, "gmail_quota")
    assert int(answer.headers["retry-after"]) >= 9


def mangled(method: str, answer: object, count: int | None = 1) -> Fault:
    return Fault(method, "mangle", count=count, body=json.dumps(answer))


def full_with(body: object) -> dict[str, object]:
    """An answer in format full whose part 1 has this body."""
    return {"id": "m", "payload": {"mimeType": "multipart/mixed", "parts": [{}, {"body": body}]}}


def data(content: bytes) -> str:
    return urlsafe_b64encode(content).decode()


# Answers that do not bring the PDF whole.
INCOMPLETE = {
    "neither an id nor data": mangled("messages.get", full_with({"size": len(PDF)})),
    "a smaller size": mangled("messages.get", full_with({"size": 3, "data": data(PDF[:3])})),
    "no size": mangled("messages.get", full_with({})),
    "a body of another type": mangled("messages.get", full_with(7)),
    "no data": mangled("messages.attachments.get", {"size": len(PDF), "data": ""}),
    "an empty file": mangled("messages.attachments.get", {"size": 0}),
    "half of the data": mangled("messages.attachments.get", {"size": 9, "data": data(PDF[:9])}),
    "more data": mangled("messages.attachments.get", {"size": 30, "data": data(PDF + b"more")}),
}


@pytest.mark.parametrize("fault", INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_attachment_that_comes_incomplete_is_read_from_the_raw_message(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    fault: Fault,
) -> None:
    message_id = synced_pdf(mailbox, account)
    simulator.faults.add(fault)

    answer = pdf_of(user, message_id)

    assert (answer.status_code, answer.content) == (200, PDF)


@pytest.mark.parametrize("raw", [WITH_PDF[:-30], b"Subject: Plan\r\n\r\nNo parts."])
def test_part_of_an_attachment_is_never_handed_out(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    raw: bytes,
) -> None:
    message_id = synced_pdf(mailbox, account)
    whole = full_with({"size": len(PDF), "data": ""})
    simulator.faults.add(mangled("messages.get", {**whole, "raw": data(raw)}, count=None))

    problem(pdf_of(user, message_id), 503, "gmail_unavailable")


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_an_empty_file_is_an_empty_file(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    content_mode: str,
) -> None:
    message_id = mailbox.insert(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n"
        b"--b\r\nContent-Type: text/csv; name=rows.csv\r\n\r\n\r\n--b--"
    )
    account.connect(content_mode)
    account.sync()
    simulator.faults.add(mangled("messages.attachments.get", {"size": 0}))

    answer = pdf_of(user, message_id)

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_each_message_of_a_digest_is_an_attachment(
    user: httpx.Client,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    content_mode: str,
) -> None:
    forwarded = [b"Subject: One\r\n\r\nFirst", b"Subject: Two\r\n\r\nSecond"]
    message_id = mailbox.insert(
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
        + b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n".join(forwarded)
        + b"\r\n--b--"
    )
    account.connect(content_mode)
    account.sync()
    shown = user.get(f"/api/gmail/messages/{message_id}").json()

    assert [each["mime_type"] for each in shown["attachments"]] == ["message/rfc822"] * 2
    assert [pdf_of(user, message_id, part).content for part in "01"] == forwarded
    # Gmail can give a forwarded message as parts without its bytes.
    divided = {"body": {"size": 0}, "mimeType": "message/rfc822", "parts": [{}]}
    payload = {"mimeType": "multipart/digest", "parts": [divided, divided]}
    simulator.faults.add(mangled("messages.get", {"payload": payload}))
    assert pdf_of(user, message_id).content == forwarded[1]


def test_a_text_that_comes_without_its_data_is_read_from_the_raw_message(
    user: httpx.Client, mailbox: Mailbox, account: Account, worker: Worker, simulator: Simulator
) -> None:
    message_id = mailbox.insert(b"Subject: Plan\r\n\r\nThe text.")
    answer = {"id": message_id, "threadId": message_id, "historyId": "1", "internalDate": "1"}
    payload = {"mimeType": "text/plain", "body": {"size": 9}}
    simulator.faults.add(mangled("messages.get", {**answer, "payload": payload}))
    account.sync()

    shown = user.get(f"/api/gmail/messages/{message_id}").json()

    assert (shown["body_text"], shown["defects"]) == ("The text.", [])
