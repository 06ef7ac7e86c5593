"""Threads over HTTP."""

import httpx
import pytest

from service.postgres.calls import Session
from tests.api.conftest import Running, claim, client_of, problem, store, stored


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


@pytest.mark.parametrize(
    "path",
    ["messages/a1", "messages", "labels", "threads", "threads/a", "messages?q=hello&limit=1"],
)
def test_an_answer_that_is_known_is_not_sent_again(
    ann: httpx.Client, functions: Session, mail: str, path: str
) -> None:
    address = f"/api/gmail/{path}"
    first = ann.get(address)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-store"
    for known in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
        answer = ann.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == etag
    assert ann.get(address, headers={"If-None-Match": '"x"'}).json() == first.json()


def test_an_answer_that_changed_is_sent(ann: httpx.Client, functions: Session, mail: str) -> None:
    etag = ann.get("/api/gmail/messages/a1").headers["etag"]
    # A field that gives the message no new change number.
    store(functions, mail, stored("a1", thread_id="a", internal_date=1000, snippet="new"))
    answer = ann.get("/api/gmail/messages/a1", headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag
