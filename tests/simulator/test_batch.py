"""POST /batch: the client's own batches, and the traps in them."""

from collections.abc import Callable
from typing import Any

import pytest
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest

from service.simulator import Fault, Mailbox, Simulator
from tests.simulator.conftest import TOKEN

Call = Callable[..., tuple[int, Any]]
Answers = dict[str, tuple[Any, HttpError | None]]


def run_batch(gmail: Any, simulator: Simulator, ids: list[str], path: str = "/batch") -> Answers:
    """Gets the messages in one batch; answers by id."""
    answers: Answers = {}

    def collect(request_id: str, response: Any, error: HttpError | None) -> None:
        answers[request_id] = (response, error)

    batch = BatchHttpRequest(callback=collect, batch_uri=simulator.url + path)
    for message_id in ids:
        batch.add(gmail.messages().get(userId="me", id=message_id), request_id=message_id)
    batch.execute()
    return answers


@pytest.mark.parametrize("path", ["/batch", "/batch/gmail/v1"])
def test_answers_each_part_under_its_own_id(
    gmail: Any, simulator: Simulator, mailbox: Mailbox, path: str
) -> None:
    ids = mailbox.message_ids()[:25]
    answers = run_batch(gmail, simulator, ids, path)
    assert [answer["id"] for answer, _ in answers.values()] == ids


def test_the_clients_own_batch_uri_works_too(connect: Any, mailbox: Mailbox) -> None:
    client = connect()
    found = []
    batch = client.new_batch_http_request(callback=lambda _id, answer, _e: found.append(answer))
    batch.add(client.users().messages().get(userId="me", id=mailbox.message_ids()[0]))
    batch.execute()
    assert found[0]["id"] == mailbox.message_ids()[0]


def test_one_part_failing_leaves_the_others_good(
    gmail: Any, simulator: Simulator, mailbox: Mailbox
) -> None:
    good, limited, *_ = mailbox.message_ids()
    simulator.faults.add(Fault("messages.get", "error", limited, status=429))
    answers = run_batch(gmail, simulator, [good, "gone", limited])
    statuses = {key: error.status_code if error else 200 for key, (_, error) in answers.items()}
    assert statuses == {good: 200, "gone": 404, limited: 429}


def test_parts_in_reverse_are_still_told_apart(
    gmail: Any, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("batch", "reorder"))
    ids = mailbox.message_ids()[:5]
    answers = run_batch(gmail, simulator, ids)
    assert {key: answer["id"] for key, (answer, _) in answers.items()} == {i: i for i in ids}


def test_a_part_left_out_trips_the_client(
    gmail: Any, simulator: Simulator, mailbox: Mailbox
) -> None:
    ids = mailbox.message_ids()[:3]
    simulator.faults.add(Fault("messages.get", "drop", ids[1]))
    with pytest.raises(KeyError):
        run_batch(gmail, simulator, ids)
    assert set(simulator.requests.fetched) == {ids[0], ids[2]}


def test_parts_can_be_those_of_an_earlier_batch(
    gmail: Any, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("batch", "stale_parts"))
    ids = mailbox.message_ids()
    run_batch(gmail, simulator, ids[:2])
    with pytest.raises(KeyError):
        run_batch(gmail, simulator, ids[2:4])
    assert set(simulator.requests.fetched) == set(ids[:2])


def test_more_than_100_parts_are_refused(
    gmail: Any, simulator: Simulator, mailbox: Mailbox
) -> None:
    with pytest.raises(HttpError) as refused:
        run_batch(gmail, simulator, [str(number) for number in range(101)])
    assert refused.value.status_code == 400
    assert "Received: 101, Limit: 100" in refused.value.reason
    assert len(run_batch(gmail, simulator, [str(number) for number in range(100)])) == 100


def test_a_body_that_is_no_batch_is_400(call: Call) -> None:
    assert call("POST", "/batch", b"nothing")[0] == 400


def test_the_outer_token_holds_for_parts_without_one(call: Call, mailbox: Mailbox) -> None:
    body = (
        b"--b\r\nContent-Type: application/http\r\nContent-ID: <one>\r\n\r\n"
        b"GET /gmail/v1/users/me/profile HTTP/1.1\r\n\r\n--b--\r\n"
    )
    kind = {"Content-Type": "multipart/mixed; boundary=b"}
    status, answer = call("POST", "/batch", body, kind | {"Authorization": f"Bearer {TOKEN}"})
    assert (status, answer.count(b"HTTP/1.1 200 OK")) == (200, 1)
    assert b"Content-ID: <response-one>" in answer
    assert call("POST", "/batch", body, kind)[1].count(b"HTTP/1.1 401 Unauthorized") == 1
    assert call("POST", "/batch", body, kind | {"Authorization": "Bearer wrong"})[0] == 401


def test_parts_can_change_the_mailbox(connect: Any, mailbox: Mailbox) -> None:
    client = connect()
    message_id = mailbox.message_ids()[0]
    batch = client.new_batch_http_request()
    messages = client.users().messages()
    batch.add(messages.modify(userId="me", id=message_id, body={"addLabelIds": ["STARRED"]}))
    batch.execute()
    assert "STARRED" in mailbox.get(message_id).label_ids
