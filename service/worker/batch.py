"""Fetches one batch of messages and parses it. Runs in a thread; knows nothing of Postgres."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from service.database import Row
from service.gmail.client import GmailClient
from service.gmail.errors import CONCERNS_ALL, BadRequest, GmailError, Gone
from service.gmail.message import Message
from service.gmail.parse import parse_full, parse_raw
from service.gmail.text import storable

ContentMode = Literal["full", "raw"]


@dataclass
class Batch:
    """What became of the messages of one batch; each is in one of the first four lists.

    refreshed and failures are what refresh_messages and fail_messages take. untried are those
    Gmail gave no answer about, because of `stopped_by`.
    """

    fetched: list[Message] = field(default_factory=list)
    refreshed: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    stopped_by: GmailError | None = None


def fetch_batch(client: GmailClient, content_mode: ContentMode, taken: Sequence[Row]) -> Batch:
    """Fetch what take_messages handed out: known messages in minimal form, others whole."""
    batch = Batch()
    known = [row["message_id"] for row in taken if row["known"]]
    unknown = [row["message_id"] for row in taken if not row["known"]]
    _fetch_known(client, batch, known)
    _fetch_unknown(client, batch, unknown, content_mode)
    return batch


def failure(message_id: str, error: str, error_is: GmailError | None = None) -> dict[str, Any]:
    """A message that could not be had, as fail_messages takes it."""
    return {
        "message_id": message_id,
        "error": error,
        "gone": isinstance(error_is, Gone),
        "permanent": isinstance(error_is, BadRequest),
    }


def _fetch_known(client: GmailClient, batch: Batch, message_ids: list[str]) -> None:
    for message in _fetch(client, batch, message_ids, "minimal"):
        with _booking_failure(batch, message["id"]):
            batch.refreshed.append(
                {
                    "message_id": message["id"],
                    "history_id": int(message["historyId"]),
                    "label_ids": list(message.get("labelIds", [])),
                }
            )


def _fetch_unknown(
    client: GmailClient, batch: Batch, message_ids: list[str], content_mode: ContentMode
) -> None:
    for message in _fetch(client, batch, message_ids, content_mode):
        with _booking_failure(batch, message["id"]):
            if content_mode == "raw":
                batch.fetched.append(parse_raw(message))
            else:
                batch.fetched.append(parse_full(client.complete(message)))


@contextmanager
def _booking_failure(batch: Batch, message_id: str) -> Iterator[None]:
    """Whatever one message does to us costs that message, never the others of its batch."""
    try:
        yield
    except GmailError as error:
        _sort(batch, message_id, error)
    except Exception as error:
        batch.failures.append(
            failure(message_id, f"unreadable: {storable(f'{type(error).__name__}: {error}')}")
        )


def _fetch(
    client: GmailClient,
    batch: Batch,
    message_ids: list[str],
    content: Literal["full", "raw", "minimal"],
) -> list[dict[str, Any]]:
    """The messages that came; the others are sorted into the batch."""
    if not message_ids:
        return []
    if batch.stopped_by is not None:
        batch.untried += message_ids
        return []
    try:
        answers = client.fetch(message_ids, content)
    except GmailError as error:
        batch.stopped_by = error
        batch.untried += message_ids
        return []
    for answer in answers:
        if answer.error is not None:
            _sort(batch, answer.message_id, answer.error)
    return [answer.message for answer in answers if answer.message is not None]


def _sort(batch: Batch, message_id: str, error: GmailError) -> None:
    if isinstance(error, CONCERNS_ALL):
        batch.stopped_by = error
        batch.untried.append(message_id)
    else:
        batch.failures.append(failure(message_id, f"{error.code}: {error}", error))
