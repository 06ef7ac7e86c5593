"""The Gmail API as the sync engine needs it, on google-api-python-client.

googleapiclient builds every request and reads every answer that is not plain JSON. It does not
send them: its retries sleep without showing progress, and its token refresh has no timeout.
Nothing here sleeps or retries, because each request is charged to the quota first. Every failure
is a GmailError.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import IncompleteRead
from typing import Any, TypeVar

import msgspec
from googleapiclient.http import HttpRequest

from service import telemetry
from service.gmail import multipart
from service.gmail.answers import Fetched, HistoryPage, MessagePage, Profile
from service.gmail.api import Format, GmailApi
from service.gmail.classify import classify
from service.gmail.errors import (
    ACCOUNT_WIDE_ERRORS,
    GmailError,
    MalformedResponse,
    TokenExpired,
    TooLarge,
)
from service.gmail.multipart import Get
from service.gmail.transport import LARGEST_ANSWER, Credentials, LargeAnswer, Response, Transport
from service.mime.text import exact_base64, storable, storable_json

# Google advises at most 50, and 100 trips its limit on concurrent requests.
BATCH_SIZE = 25
# Bytes read of one batch's answer, as sent over the wire. The rest is requested again.
BATCH_BYTES = 8 << 20
EPOCH = datetime.fromtimestamp(0, UTC)
THREADS_GET = "gmail.users.threads.get"
# A uint64, and some servers send more.
_DIGITS = re.compile(r"[0-9]{1,30}")
# The answers of servers without a batch endpoint.
NO_BATCH = (404, 405, 501)

T = TypeVar("T")


class GmailClient:
    """One account, for one thread. `timeout` is seconds for each socket operation."""

    def __init__(
        self,
        api: GmailApi,
        credentials: Credentials,
        *,
        timeout: float = 30.0,
        user_agent: str = "gmail-sync",
    ) -> None:
        self._api = api
        self._transport = Transport(credentials, timeout, user_agent)

    def __enter__(self) -> "GmailClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def interrupt(self) -> None:
        """End the call in progress, from any thread. It raises Transient, or a fetch returns
        what has arrived. Every later call raises Transient."""
        self._transport.interrupt()

    def profile(self) -> Profile:
        def read(answer: dict[str, Any]) -> Profile:
            total = int(answer.get("messagesTotal", 0))
            return Profile(_address(answer["emailAddress"]), _history_id(answer), total)

        return self._call(self._api.users.getProfile(userId="me"), read)

    def list_messages(
        self,
        page_token: str | None = None,
        max_results: int = 500,
        label_id: str | None = None,
        query: str | None = None,
    ) -> MessagePage:
        """A page of ids, of all messages, of those with a label, or of those that a search finds,
        with their threads.

        Spam and trash are included, as history includes them.
        """

        def read(answer: dict[str, Any]) -> MessagePage:
            messages = _items(answer, "messages")
            ids = [storable(str(message["id"])) for message in messages]
            threads = [_thread_id(message) for message in messages]
            return MessagePage(ids, _next_page_token(answer), threads)

        request = self._api.messages.list(
            userId="me",
            includeSpamTrash=True,
            maxResults=max_results,
            pageToken=page_token,
            labelIds=label_id,
            q=query,
        )
        return self._call(request, read)

    def history(self, start_history_id: str, page_token: str | None = None) -> HistoryPage:
        """A page of changes after start_history_id. Raises HistoryExpired."""

        def read(answer: dict[str, Any]) -> HistoryPage:
            records = [_record(each) for each in _items(answer, "history")]
            return HistoryPage(records, _history_id(answer), _next_page_token(answer))

        request = self._api.history.list(
            userId="me", startHistoryId=start_history_id, maxResults=500, pageToken=page_token
        )
        return self._call(request, read)

    def labels(self) -> list[dict[str, Any]]:
        return self._call(
            self._api.labels.list(userId="me"),
            lambda answer: [
                storable_json(each) for each in _items(answer, "labels") if isinstance(each, dict)
            ],
        )

    def watch(self, topic: str) -> datetime:
        """Have Gmail publish changes to a Pub/Sub topic, and one at once; returns the end.

        A second call with the same topic renews the watch. With another topic it raises
        WatchedElsewhere until stop().
        """

        def read(answer: dict[str, Any]) -> datetime:
            return EPOCH + timedelta(milliseconds=int(answer["expiration"]))

        return self._call(self._api.users.watch(userId="me", body={"topicName": topic}), read)

    def stop(self) -> None:
        """Have Gmail stop publishing changes, to any topic."""
        request = self._api.users.stop(userId="me")
        response, content = self._send(request)
        if response.status >= 300:  # otherwise the answer is empty
            self._read(request, response, content)

    def attachment(self, message_id: str, attachment_id: str) -> bytes:
        """The content. Attachment ids expire, so take them from a message just fetched."""

        def read(answer: dict[str, Any]) -> bytes:
            # An empty file has no data.
            is_empty = answer.get("size") == 0
            return exact_base64(str(answer.get("data", "") if is_empty else answer["data"]))

        request = self._api.attachments.get(userId="me", messageId=message_id, id=attachment_id)
        return self._call(request, read)

    def message(self, message_id: str, format: Format) -> dict[str, Any]:  # noqa: A002
        """One message."""
        return self._call(
            self._api.messages.get(userId="me", id=message_id, format=format), lambda answer: answer
        )

    def fetch(
        self,
        ids: Sequence[str],
        format: Format,  # noqa: A002
        thread_ids: Sequence[str] = (),
    ) -> list[Fetched]:
        """The messages in the order of `ids`, then the threads, each with its own error if it
        failed. Threads have no format raw.

        Raises only if nothing was fetched. An error after that is the error of all that is left.
        """
        gets = [self._api.get("message", message_id, format) for message_id in ids]
        gets += [self._api.get("thread", thread_id, format) for thread_id in thread_ids]
        fetched: list[Fetched] = []
        while len(fetched) < len(gets):
            size = BATCH_SIZE if self._api.has_batch else 1
            group = gets[len(fetched) : len(fetched) + size]
            try:
                fetched += self._fetch_group(group)
            except GmailError as error:
                if not fetched:
                    raise
                fetched += [Fetched(each.id, None, error) for each in gets[len(fetched) :]]
        return fetched

    def _fetch_group(self, gets: Sequence[Get]) -> list[Fetched]:
        if len(gets) == 1:
            return [self._fetch_one(gets[0])]
        parts, missing = self._batch(gets)
        if not self._api.has_batch:
            return [self._fetch_one(gets[0])]
        return [
            self._fetched(each, parts[index]) if index in parts else Fetched(each.id, None, missing)
            for index, each in enumerate(gets)
        ]

    def _fetch_one(self, get: Get) -> Fetched:
        """The message or thread, or its own error. Raises errors that concern every message."""
        method = get.request.methodId
        is_thread = method == THREADS_GET
        try:
            response, content = self._request(
                method,
                get.uri,
                headers=get.request.headers,
                most=BATCH_BYTES if is_thread else LARGEST_ANSWER,
            )
        except Exception as error:
            if is_thread and isinstance(error, LargeAnswer):
                raise TooLarge from error
            raise classify(error, method) from error
        fetched = self._fetched(get, multipart.Part(response, content))
        if isinstance(fetched.error, ACCOUNT_WIDE_ERRORS):
            raise fetched.error
        return fetched

    def _fetched(self, get: Get, part: multipart.Part) -> Fetched:
        try:
            content = self._read(get.request, *part)
            if str(content.get("id")) != get.id:
                raise MalformedResponse("the answer is about another message")
            content["id"] = get.id
        except GmailError as error:
            return Fetched(get.id, None, error)
        return Fetched(get.id, content, None)

    def _batch(self, gets: Sequence[Get]) -> tuple[dict[int, multipart.Part], GmailError]:
        """The answered parts by index, and the error of those that are missing."""
        url, (body, headers) = self._api.batch_url, multipart.encode(gets)
        missing: GmailError = MalformedResponse("missing in the batch's answer")
        cut = None
        try:
            response, content = self._request(
                "gmail.batch", url, "POST", body, headers, BATCH_BYTES
            )
            boundary = multipart.boundary_of(response)
        except IncompleteRead as error:
            cut = error
            response, content, boundary = Response(200), error.partial, None
            if isinstance(error, LargeAnswer):
                missing = TooLarge()
        except Exception as error:
            raise classify(error) from error
        if response.status in NO_BATCH:
            self._api.has_batch = False
            return {}, missing
        if response.status != 200:
            self._read(gets[0].request, response, content)
        parts = multipart.decode(content, boundary, cut=cut is not None)
        if not parts and not isinstance(cut, LargeAnswer):
            raise MalformedResponse("a batch answered without parts")
        return parts, missing

    def _call(self, request: HttpRequest, read: Callable[[dict[str, Any]], T]) -> T:
        answer = self._read(request, *self._send(request))
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise classify(error, request.methodId) from error

    def _send(self, request: HttpRequest) -> tuple[Response, bytes]:
        try:
            return self._request(
                request.methodId, request.uri, request.method, request.body, request.headers
            )
        except Exception as error:
            raise classify(error, request.methodId) from error

    def _request(self, operation: str, *arguments: Any, **named: Any) -> tuple[Response, bytes]:
        with telemetry.span(operation):
            response, content = self._transport.request(*arguments, **named)
            telemetry.describe({"http.response.status_code": response.status})
        return response, content

    def _read(self, request: HttpRequest, response: Response, content: bytes) -> dict[str, Any]:
        try:
            answer = _answer(request, response, content)
        except Exception as error:
            raise self._renewed(classify(error, request.methodId)) from error
        if not isinstance(answer, dict):
            # googleapiclient returns what is not JSON as text.
            raise MalformedResponse("not JSON", status=response.status)
        self._transport.accepted()
        return answer

    def _renewed(self, error: GmailError) -> GmailError:
        """TokenExpired if the access token could be renewed, else `error`."""
        if error.status != 401:
            return error
        try:
            return TokenExpired() if self._transport.renew() else error
        except Exception as refused:
            return classify(refused)


def _address(value: Any) -> str:
    """Raises ValueError for anything else: another mailbox would end the sync of the account."""
    if not isinstance(value, str) or "@" not in value:
        raise ValueError(f"{value!r} is not an address")
    return storable(value)


def _history_id(answer: dict[str, Any]) -> str:
    text = str(answer["historyId"])
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a history id")
    return text


def _thread_id(message: dict[str, Any]) -> str | None:
    thread_id = message.get("threadId")
    return storable(thread_id) if isinstance(thread_id, str) else None


def _items(answer: dict[str, Any], name: str) -> list[Any]:
    """Those of a list, which is left out where it is empty. Raises TypeError for anything else."""
    items = answer.get(name)
    if not isinstance(items, list | None):
        raise TypeError(f"{name} is not a list")
    return items or []


def _record(record: Any) -> Any:
    """A history record that Postgres can store. Raises ValueError for one without a number."""
    if isinstance(record, dict) and "id" in record and not _DIGITS.fullmatch(str(record["id"])):
        raise ValueError("the id of a history record is not a number")
    return storable_json(record)


def _next_page_token(answer: dict[str, Any]) -> str | None:
    token = answer.get("nextPageToken")
    if not isinstance(token, str | int | None):
        raise TypeError("nextPageToken is not text")
    return storable(str(token)) if token else None


def _answer(request: HttpRequest, response: Response, content: bytes) -> Any:
    """The answer as googleapiclient reads it; plain JSON is read faster."""
    if response.status == 200:
        with suppress(ValueError):  # such as half a surrogate pair, which googleapiclient accepts
            return msgspec.json.decode(content)
    return request.postproc(response, content)
