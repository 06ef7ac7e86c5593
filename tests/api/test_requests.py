"""The answers to bad requests, and whether answers are what /schema promises."""

from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from tests.api.conftest import Running, claim, list_page, problem, store, stored
from tests.waiting import wait_until

LONG = "a" * 10_000
MESSAGE = "/api/gmail/messages/{message_id}"
ATTACHMENT = f"{MESSAGE}/attachments/{{part_id}}"
BAD_TEXTS = ["%00", "a%00b", "%20", "%09", LONG, "%FF", "%C3%28", "%ED%A0%80"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/gmail/sync/{}",
        "/api/gmail/sync/history?before={}",
        "/api/gmail/sync/failed-messages?after={}",
        "/api/gmail/messages/{}",
        "/api/gmail/messages/{}/raw",
        "/api/gmail/messages/{}/attachments/1",
        "/api/gmail/messages/m1/attachments/{}",
        "/api/gmail/messages?q={}",
        "/api/gmail/messages?label={}",
        "/api/gmail/messages?before={}",
        "/api/gmail/threads?before={}",
        "/api/gmail/threads/{}",
        "/api/gmail/threads/a?upto={}",
    ],
)
def test_bad_text_is_refused_in_words(ann: httpx.Client, path: str) -> None:
    for text in BAD_TEXTS:
        body = problem(ann.get(path.format(text)), 400, "invalid_request")
        assert body["errors"][0]["key"] in body["detail"]
        assert "regex" not in body["detail"]


def test_bad_task_ids_cannot_be_cancelled(ann: httpx.Client) -> None:
    for text in BAD_TEXTS:
        problem(ann.post(f"/api/gmail/sync/{text}/cancel"), 400, "invalid_request")


def test_bad_queries_are_refused(ann: httpx.Client) -> None:
    for path in (
        "/api/gmail/sync/history?limit=0",
        "/api/gmail/sync/history?limit=101",
        "/api/gmail/sync/history?limit=",
        "/api/gmail/sync/history?limit=1e3",
        f"/api/gmail/sync/history?limit={'9' * 5000}",
        "/api/gmail/sync/history?before=",
        "/api/gmail/sync/failed-messages?limit=0",
        "/api/gmail/sync/failed-messages?limit=201",
        "/api/gmail/sync/failed-messages?after=",
        "/api/gmail/messages?limit=0",
        "/api/gmail/messages?limit=201",
        "/api/gmail/messages?limit=-1",
        "/api/gmail/messages?q=",
    ):
        problem(ann.get(path), 400, "invalid_request")


def test_a_bad_force_full_is_refused(ann: httpx.Client) -> None:
    for value in ("", "maybe", "%00"):
        problem(ann.post(f"/api/gmail/sync/smart?force_full={value}"), 400, "invalid_request")


@pytest.mark.parametrize("route", ["smart", "retry-failed", "sync_ann_00000000_1/cancel"])
def test_a_body_with_anything_in_it_is_refused(ann: httpx.Client, route: str) -> None:
    for body in (b"{", b'{"force_full": true}', b"[]", b"\xff", b"a=b", b"\0"):
        answer = ann.post(f"/api/gmail/sync/{route}", content=body)
        problem(answer, 400, "invalid_request")


def test_an_empty_object_is_no_mistake(ann: httpx.Client) -> None:
    assert ann.post("/api/gmail/sync/smart", json={}).status_code == 202


def test_a_body_of_many_megabytes_is_refused(ann: httpx.Client) -> None:
    answer = ann.post("/api/gmail/sync/smart", content=b" " * 11_000_000)
    problem(answer, 413, "request_too_large")


def test_unknown_query_parameters_are_passed_over(ann: httpx.Client) -> None:
    assert ann.get("/api/gmail/sync/status?who=%00&limit=x").status_code == 200


def test_unknown_addresses_are_problems_too(nobody: httpx.Client) -> None:
    for path in ("/nope", "/api/gmail/", "/schema/nope", "/schema/x.json", "/%00"):
        problem(nobody.get(path), 404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(ann: httpx.Client) -> None:
    answer = ann.delete("/api/gmail/sync/status")
    problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_what_nobody_expected_is_logged_and_not_told(
    ann: httpx.Client, running: Running, db: Any
) -> None:
    db.execute("alter table gmail_sync.label rename to label_away")
    body = problem(ann.get("/api/gmail/labels"), 500, "internal_error")
    assert "label" not in str(body)
    line = wait_until(
        lambda: next((line for line in running.log if line["level"] == "error"), None),
    )
    assert "gmail_sync.label" in str(line["exc_info"])
    assert line["request_id"]


def conforms(document: dict[str, Any], answer: httpx.Response, template: str) -> None:
    """Fails unless the answer is what the document promises for this operation."""
    operation = document["paths"][template][answer.request.method.lower()]
    content = operation["responses"][str(answer.status_code)]["content"]
    schema = content[answer.headers["content-type"].partition(";")[0]]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": document["components"]})


def test_answers_are_what_the_schema_promises(
    ann: httpx.Client, nobody: httpx.Client, functions: Session
) -> None:
    document = nobody.get("/schema/openapi.json").json()
    task_id = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2", "m3")
    store(functions, task_id, stored("m1"))
    functions.rows("take_messages", task_id)
    failure = {
        "message_id": "m3",
        "error_code": "bad_request",
        "error_message": "no",
        "permanent": True,
    }
    functions.rows("fail_messages", task_id, Jsonb([failure]))
    run = "/api/gmail/sync/{task_id}"
    for method, template, path in [
        ("POST", "/api/gmail/sync/smart", ""),
        ("GET", "/api/gmail/sync/status", ""),
        ("GET", "/api/gmail/sync/history", ""),
        ("GET", run, f"/api/gmail/sync/{task_id}"),
        ("GET", run, "/api/gmail/sync/unknown"),
        ("GET", run, "/api/gmail/sync/%00"),
        ("POST", f"{run}/cancel", f"/api/gmail/sync/{task_id}/cancel"),
        ("POST", "/api/gmail/sync/retry-failed", ""),
        ("GET", "/api/gmail/sync/failed-messages", ""),
        ("GET", "/api/gmail/messages", ""),
        ("GET", "/api/gmail/messages", "/api/gmail/messages?limit=0"),
        ("GET", "/api/gmail/messages/{message_id}", "/api/gmail/messages/m1"),
        ("GET", "/api/gmail/messages/{message_id}", "/api/gmail/messages/m2"),
        ("GET", ATTACHMENT, "/api/gmail/messages/m1/attachments/1"),
        ("GET", f"{MESSAGE}/raw", "/api/gmail/messages/m1/raw"),
        ("GET", f"{MESSAGE}/raw", "/api/gmail/messages/m2/raw"),
        ("GET", "/api/gmail/export.mbox", ""),
        ("GET", "/api/gmail/labels", ""),
        ("GET", "/api/gmail/threads", ""),
        ("GET", "/api/gmail/threads/{thread_id}", "/api/gmail/threads/thread-m1"),
        ("GET", "/api/gmail/threads/{thread_id}", "/api/gmail/threads/unknown"),
        ("GET", "/api/gmail/changes", ""),
        ("GET", "/api/gmail/changes", "/api/gmail/changes?after=x"),
        ("GET", "/api/gmail/connection", ""),
        ("DELETE", "/api/gmail/connection", ""),
        ("DELETE", "/api/gmail/account", ""),
        ("GET", "/api/gmail/sync/health", ""),
        ("GET", "/api/scheduler/status", ""),
        ("GET", "/livez", ""),
        ("GET", "/readyz", ""),
    ]:
        conforms(document, ann.request(method, path or template), template)
    conforms(document, nobody.get("/api/gmail/sync/status"), "/api/gmail/sync/status")


def test_the_schema_names_open_and_closed_routes(nobody: httpx.Client) -> None:
    document = nobody.get("/schema/openapi.json").json()
    assert document["security"] == [{"BearerToken": []}, {"CookieToken": []}]
    closed = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if operation.get("security") != [{}]
    }
    assert len(closed) == 39
    assert {"/api/gmail/sync/health", "/api/gmail/callback"} & closed == set()
