"""Threads over HTTP."""

import httpx
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from tests.api.conftest import Running, claim, client_of, problem, store, stored
from tests.functions.conftest import history, record

ANSWERS = pytest.mark.parametrize(
    "path",
    ["messages/a1", "messages", "labels", "threads", "threads/a", "messages?q=hello&limit=1"],
)


@pytest.fixture
def mail(ann: httpx.Client, functions: Session) -> str:
    """Thread a with a1, a2 and a3, and thread b with b1, which is older than a3. The run."""
    task_id: str = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task_id)
    dates = {"a1": 1000, "a2": 2000, "b1": 3000, "a3": 4000}
    store(
        functions,
        task_id,
        *(stored(name, thread_id=name[0], internal_date=date) for name, date in dates.items()),
    )
    return task_id


def test_threads_are_listed_newest_first_in_pages(ann: httpx.Client, mail: str) -> None:
    first = ann.get("/api/gmail/threads?limit=1").json()
    assert [(each["thread_id"], each["message_count"]) for each in first["threads"]] == [("a", 3)]
    assert first["next"] == "a3"
    last = ann.get("/api/gmail/threads?limit=1&before=a3").json()
    assert [each["thread_id"] for each in last["threads"]] == ["b"]
    assert last["next"] is None


def test_deleted_mail_and_spam_are_no_part_of_the_list(
    ann: httpx.Client, functions: Session, mail: str
) -> None:
    history(functions, mail, record(500, "messagesDeleted", "a3"))
    store(functions, mail, stored("s1", thread_id="s", label_ids=["SPAM"]))
    threads = ann.get("/api/gmail/threads").json()["threads"]
    assert [(each["thread_id"], each["message_id"]) for each in threads] == [
        ("b", "b1"), ("a", "a2"),
    ]  # fmt: skip
    messages = ann.get("/api/gmail/threads/a").json()["messages"]
    assert [each["message_id"] for each in messages] == ["a2", "a1"]


def test_ids_may_have_slashes(ann: httpx.Client, functions: Session, mail: str) -> None:
    store(functions, mail, stored("x/1", thread_id="x/y", internal_date=1))
    (message,) = ann.get("/api/gmail/threads/x%2Fy").json()["messages"]
    assert message["message_id"] == "x/1"
    assert ann.get("/api/gmail/messages/x%2F1").json()["thread_id"] == "x/y"


def test_a_page_that_stopped_early_says_where_to_go_on(
    ann: httpx.Client, functions: Session, mail: str
) -> None:
    noise = (
        stored(f"n{number:04}", thread_id="long", internal_date=10_000 + number)
        for number in range(2000)
    )
    store(functions, mail, *noise)
    page = ann.get("/api/gmail/threads").json()
    assert [each["thread_id"] for each in page["threads"]] == ["long"]
    rest = ann.get("/api/gmail/threads", params={"before": page["next"]}).json()
    assert [each["thread_id"] for each in rest["threads"]] == ["a", "b"]
    assert rest["next"] is None


def test_a_thread_has_its_messages_newest_first_in_pages(ann: httpx.Client, mail: str) -> None:
    whole = ann.get("/api/gmail/threads/a").json()
    assert [each["message_id"] for each in whole["messages"]] == ["a3", "a2", "a1"]
    assert whole["next"] is None
    page = ann.get("/api/gmail/threads/a?limit=2").json()
    assert [each["message_id"] for each in page["messages"]] == ["a3", "a2"]
    assert page["messages"][0]["body_text"] == "Hello"
    rest = ann.get("/api/gmail/threads/a", params={"limit": 2, "upto": page["next"]}).json()
    assert [each["message_id"] for each in rest["messages"]] == ["a1"]
    assert rest["next"] is None


@pytest.mark.usefixtures("mail")
def test_threads_of_others_are_not_there(ann: httpx.Client, running: Running) -> None:
    problem(ann.get("/api/gmail/threads/c"), 404, "no_such_thread")
    problem(ann.get("/api/gmail/threads/a?upto=b1"), 404, "no_such_thread")
    with client_of(running, "bob", "operator") as bob:
        problem(bob.get("/api/gmail/threads/a"), 404, "no_such_thread")
        assert bob.get("/api/gmail/threads").json() == {"threads": [], "next": None}


@ANSWERS
def test_an_answer_that_is_known_is_not_sent_again(
    ann: httpx.Client, functions: Session, mail: str, path: str
) -> None:
    address = f"/api/gmail/{path}"
    first = ann.get(address)
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    assert first.headers["cache-control"] == "no-store"
    for known in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
        answer = ann.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == etag
    for other in ('"x"', etag.strip('W/"'), etag.replace('W/"', '"x')):
        answer = ann.get(address, headers={"If-None-Match": other})
        assert answer.json() == first.json(), other


@ANSWERS
def test_an_answer_that_changed_is_sent(
    ann: httpx.Client, functions: Session, mail: str, path: str
) -> None:
    address = f"/api/gmail/{path}"
    etag = ann.get(address).headers["etag"]
    # A field that gives the message no new change number.
    for name in ("a1", "a3"):
        store(functions, mail, stored(name, thread_id="a", internal_date=5000, snippet="new"))
    labels = [{"id": "Label_1", "name": "Work", "type": "user"}]
    functions.rows("store_labels", mail, Jsonb(labels))
    answer = ann.get(address, headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag
