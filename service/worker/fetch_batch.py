"""Fetches and parses one batch of messages. Runs in a thread, without access to Postgres."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import msgspec

from service.accounts.rows import ContentMode
from service.gmail.answers import Fetched
from service.gmail.api import Format
from service.gmail.client import GmailClient
from service.gmail.errors import ACCOUNT_WIDE_ERRORS, BadRequest, GmailError, Gone, TooLarge
from service.mime.message import RefreshedMessage, StoredMessage
from service.mime.parse import is_whole, parse_bare, parse_full, parse_raw, parse_state
from service.mime.text import storable


class TakenMessage(msgspec.Struct, frozen=True):
    """A row of take_messages. `known` messages are stored already; only labels can differ. Those
    with a `thread_id` cost less by one call for their thread."""

    message_id: str
    known: bool
    content_mode: ContentMode
    thread_id: str | None

    @property
    def call(self) -> tuple[str, Format, str]:
        """The method, format and id of the call that brings it."""
        if self.thread_id is not None:
            return "threads.get", "full", self.thread_id
        return "messages.get", "minimal" if self.known else self.content_mode, self.message_id


class FailedFetch(msgspec.Struct, frozen=True):
    """A message that could not be fetched or parsed. `permanent` ones are not retried."""

    message_id: str
    error_code: str
    error_message: str
    gone: bool = False
    permanent: bool = False

    @classmethod
    def by_gmail(cls, message_id: str, error: GmailError) -> Self:
        return cls(
            message_id,
            error.code,
            str(error),
            gone=isinstance(error, Gone),
            permanent=isinstance(error, BadRequest),
        )


@dataclass
class Batch:
    """The results of one batch. Each message is in one of the first six lists.

    `unfinished` messages must be fetched again in raw form, and `split` ones singly, because
    their thread did not bring them. `untried` ones got no answer from Gmail, because of
    `stopped_by`.
    """

    fetched: list[StoredMessage] = field(default_factory=list)
    refreshed: list[RefreshedMessage] = field(default_factory=list)
    failures: list[FailedFetch] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    stopped_by: GmailError | None = None

    def average_bytes(self) -> int:
        """The average size of the messages fetched whole; 0 for none."""
        sizes = [
            len(each.raw or b"") + len(each.body_text or "") + len(each.body_html or "")
            for each in self.fetched
        ]
        return sum(sizes) // max(1, len(sizes))


def fetch_batch(
    client: GmailClient, content_mode: ContentMode, taken: Sequence[TakenMessage]
) -> Batch:
    """Fetch the taken messages: known ones in minimal form, others whole."""
    batch = Batch()
    known = [each.message_id for each in taken if each.known]
    single = [each.message_id for each in taken if not each.known and each.thread_id is None]
    threads: dict[str, list[str]] = {}
    for each in taken:
        if each.thread_id is not None:
            threads.setdefault(each.thread_id, []).append(each.message_id)
    _fetch_known(client, batch, known)
    if content_mode == "raw":
        _fetch_raw(client, batch, single)
    else:
        _fetch_full(client, batch, single, threads)
    return batch


def fetch_unfinished(
    client: GmailClient, message_id: str, *, keep_raw: bool, refused: bool
) -> Batch:
    """Fetch in raw form a message that format full did not suffice for.

    If it cannot be parsed, or Postgres `refused` it, only the raw bytes and Gmail's own fields are
    kept.
    """
    batch = Batch()
    _fetch_raw(client, batch, [message_id], keep_raw=keep_raw, refused=refused)
    return batch


def _fetch_known(client: GmailClient, batch: Batch, message_ids: Sequence[str]) -> None:
    for message in _fetch(client, batch, message_ids, "minimal"):
        with _recording_failure(batch, message["id"]):
            batch.refreshed.append(parse_state(message))


def _fetch_full(
    client: GmailClient,
    batch: Batch,
    message_ids: Sequence[str],
    threads: Mapping[str, Sequence[str]],
) -> None:
    for message in _fetch(client, batch, message_ids, "full", threads):
        try:
            # Gmail sends large texts separately; one raw fetch costs no more than one of them.
            parsed = parse_full(message) if is_whole(message) else None
        except Exception:
            parsed = None
        if parsed is None:
            batch.unfinished.append(message["id"])
        else:
            batch.fetched.append(parsed)


def _fetch_raw(
    client: GmailClient,
    batch: Batch,
    message_ids: Sequence[str],
    *,
    keep_raw: bool = True,
    refused: bool = False,
) -> None:
    for message in _fetch(client, batch, message_ids, "raw"):
        with _recording_failure(batch, message["id"]):
            parsed = parse_bare(message, "refused by Postgres") if refused else _parse_raw(message)
            if not (keep_raw or parsed.is_bare()):
                parsed = msgspec.structs.replace(parsed, raw=None)
            batch.fetched.append(parsed)


def _parse_raw(message: dict[str, Any]) -> StoredMessage:
    try:
        return parse_raw(message)
    except Exception as error:
        return parse_bare(message, f"{type(error).__name__}: {error}")


@contextmanager
def _recording_failure(batch: Batch, message_id: str) -> Iterator[None]:
    """An unexpected error fails its own message, not the others of the batch."""
    try:
        yield
    except Exception as error:
        reason = storable(f"{type(error).__name__}: {error}")
        batch.failures.append(FailedFetch(message_id, "unreadable", reason))


def _fetch(
    client: GmailClient,
    batch: Batch,
    message_ids: Sequence[str],
    format: Format,  # noqa: A002
    threads: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterator[dict[str, Any]]:
    """The fetched messages, each freed before the next; the others are sorted into the batch.

    `threads` has the messages that are wanted of each thread.
    """
    if not (message_ids or threads):
        return
    of_threads = [message_id for wanted in threads.values() for message_id in wanted]
    if batch.stopped_by is not None:
        batch.untried += [*message_ids, *of_threads]
        return
    try:
        answers = client.fetch(message_ids, format, list(threads))
    except GmailError as error:
        batch.stopped_by = error
        batch.untried += message_ids
        (batch.split if isinstance(error, TooLarge) else batch.untried).extend(of_threads)
        return
    answers.reverse()
    for message_id in message_ids:
        answer = answers.pop()
        if answer.error is not None:
            _sort(batch, message_id, answer.error)
        elif answer.content is not None:
            yield answer.content
    for wanted in threads.values():
        yield from _of_thread(batch, wanted, answers.pop())


def _of_thread(batch: Batch, wanted: Sequence[str], answer: Fetched) -> Iterator[dict[str, Any]]:
    """The wanted messages of a thread. Those it did not bring may still exist."""
    if isinstance(answer.error, ACCOUNT_WIDE_ERRORS):
        batch.stopped_by = answer.error
        if not isinstance(answer.error, TooLarge):
            batch.untried += wanted
            return
    brought = _messages_by_id(answer.content)
    for message_id in wanted:
        message = brought.pop(message_id, None)
        if message is None:
            batch.split.append(message_id)
        else:
            yield {**message, "id": message_id}


def _messages_by_id(thread: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    messages = (thread or {}).get("messages")
    if not isinstance(messages, list):
        return {}
    return {str(each.get("id")): each for each in messages if isinstance(each, dict)}


def _sort(batch: Batch, message_id: str, error: GmailError) -> None:
    if isinstance(error, ACCOUNT_WIDE_ERRORS):
        batch.stopped_by = error
        batch.untried.append(message_id)
    else:
        batch.failures.append(FailedFetch.by_gmail(message_id, error))
