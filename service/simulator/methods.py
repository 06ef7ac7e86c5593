"""The Gmail methods, except the paged lists.

Each is called with the mailbox, the request, and the first and second id of the path.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from service.simulator import mail, resources, uploads
from service.simulator.errors import ApiError, invalid_value
from service.simulator.http_types import UPLOAD, Request, Response, json_response
from service.simulator.mailbox import Mailbox

_WATCH_LIFETIME = 7 * 24 * 3600  # seconds
_MAX_IDS = 1000  # of one batchModify or batchDelete


def get_profile(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    return json_response(resources.profile(mailbox))


def watch(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    topic = request.json().get("topicName")
    if not isinstance(topic, str) or not topic.startswith("projects/"):
        raise ApiError(400, "Invalid topicName does not match projects/{project}/topics/*")
    mailbox.watch(topic)
    expiration = int((time.time() + _WATCH_LIFETIME) * 1000)
    return json_response({"historyId": str(mailbox.history_id), "expiration": str(expiration)})


def stop(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    mailbox.stop_watch()
    return Response(204)


def get_thread(mailbox: Mailbox, request: Request, thread_id: str, _2: str) -> Response:
    """A whole thread, its messages oldest first. It has no format raw."""
    form = _format(request, resources.THREAD_FORMATS)
    found = mailbox.thread(thread_id)
    response = json_response(resources.thread(found, form, request.many("metadataHeaders")))
    response.fetched = tuple(message.id for message in found)
    return response


def get_message(mailbox: Mailbox, request: Request, message_id: str, _2: str) -> Response:
    form = _format(request, resources.FORMATS)
    found = mailbox.get(message_id)
    response = json_response(resources.message(found, form, request.many("metadataHeaders")))
    response.fetched = (message_id,)
    return response


def _format(request: Request, allowed: Sequence[str]) -> str:
    form = request.one("format", "full").lower()
    if form not in allowed:
        raise invalid_value("format", "MessageFormat", form)
    return form


def get_attachment(mailbox: Mailbox, request: Request, message_id: str, second: str) -> Response:
    return json_response(resources.attachment(mailbox.get(message_id), second))


def insert_message(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    return _add_message(mailbox, request, "receivedTime")


def import_message(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    return _add_message(mailbox, request, "dateHeader")


def _add_message(mailbox: Mailbox, request: Request, default_source: str) -> Response:
    upload = uploads.read(request, request.path.startswith(UPLOAD))
    dated = request.one("internalDateSource", default_source) == "dateHeader"
    date = mail.date_header(upload.content) if dated else None
    message_id = mailbox.insert(upload.content, upload.label_ids, upload.thread_id, date)
    return json_response(resources.outline(mailbox.get(message_id)))


def modify_message(mailbox: Mailbox, request: Request, message_id: str, _2: str) -> Response:
    body = request.json()
    mailbox.modify(message_id, _strings(body, "addLabelIds"), _strings(body, "removeLabelIds"))
    return _outline(mailbox, message_id)


def trash_message(mailbox: Mailbox, request: Request, message_id: str, _2: str) -> Response:
    mailbox.trash(message_id)
    return _outline(mailbox, message_id)


def untrash_message(mailbox: Mailbox, request: Request, message_id: str, _2: str) -> Response:
    mailbox.untrash(message_id)
    return _outline(mailbox, message_id)


def delete_message(mailbox: Mailbox, request: Request, message_id: str, _2: str) -> Response:
    mailbox.delete(message_id)
    return Response(204)


def batch_modify(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    body = request.json()
    add, remove = _strings(body, "addLabelIds"), _strings(body, "removeLabelIds")
    return _for_each(mailbox, body, lambda one: mailbox.modify(one, add, remove))


def batch_delete(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    return _for_each(mailbox, request.json(), mailbox.delete)


def _for_each(mailbox: Mailbox, body: dict[str, Any], act: Callable[[str], None]) -> Response:
    """Ids that do not exist are skipped; Google does not specify them."""
    ids = _strings(body, "ids")
    if not ids or len(ids) > _MAX_IDS:
        raise ApiError(400, f"Invalid ids value: 1 to {_MAX_IDS} ids, got {len(ids)}")
    for message_id in ids:
        try:
            act(message_id)
        except ApiError as error:
            if error.status != 404:
                raise
    return Response(204)


def _outline(mailbox: Mailbox, message_id: str) -> Response:
    return json_response(resources.outline(mailbox.get(message_id)))


def _strings(body: dict[str, Any], key: str) -> Sequence[str]:
    try:
        return msgspec.convert(body.get(key, []), list[str])
    except msgspec.ValidationError as error:
        raise invalid_value(key, "TYPE_STRING", str(body[key])) from error


def list_labels(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    return json_response({"labels": mailbox.labels()})


def get_label(mailbox: Mailbox, request: Request, label_id: str, _2: str) -> Response:
    label = mailbox.label(label_id)
    return json_response(msgspec.to_builtins(label) | resources.label_counts(mailbox, label))


def create_label(mailbox: Mailbox, request: Request, _1: str, _2: str) -> Response:
    return json_response(mailbox.create_label_from(request.json()))


def update_label(mailbox: Mailbox, request: Request, label_id: str, _2: str) -> Response:
    return json_response(mailbox.update_label(label_id, request.json()))


def delete_label(mailbox: Mailbox, request: Request, label_id: str, _2: str) -> Response:
    mailbox.delete_label(label_id)
    return Response(204)
