"""The Gmail methods: from a verb and a path to the method's name and what it does."""

from collections.abc import Callable

import msgspec

from service.simulator import lists, methods
from service.simulator.errors import ApiError
from service.simulator.http_types import UPLOAD, Request, Response
from service.simulator.mailbox import Mailbox

PREFIX = "/gmail/v1/users/"

Handler = Callable[[Mailbox, Request, str, str], Response]
"""Called with the mailbox, the request, and the first and second id of the path."""


class Route(msgspec.Struct, frozen=True):
    """The method of a request. `user` is an address or "me", as in the path."""

    method: str
    handler: Handler
    user: str
    first_id: str = ""
    second_id: str = ""


def find(request: Request) -> Route:
    """The route of a Gmail path; ApiError 404 if there is no such method."""
    path = request.path.removeprefix(UPLOAD)
    user, _, tail = path.removeprefix(PREFIX).partition("/")
    pieces = tail.split("/")
    templates = [tail]
    if len(pieces) > 1:
        templates.append("/".join([pieces[0], "{}", *pieces[2:]]))
    if len(pieces) > 3:
        templates.append("/".join([pieces[0], "{}", pieces[2], "{}", *pieces[4:]]))
    for template in templates if path.startswith(PREFIX) else ():
        if found := _METHODS.get((request.verb, template)):
            ids = pieces[1::2] if "{}" in template else []
            return Route(*found, user, *(ids[: template.count("{}")]))
    raise ApiError(404)


_METHODS: dict[tuple[str, str], tuple[str, Handler]] = {
    ("GET", "profile"): ("getProfile", methods.get_profile),
    ("POST", "watch"): ("watch", methods.watch),
    ("POST", "stop"): ("stop", methods.stop),
    ("GET", "history"): ("history.list", lists.list_history),
    ("GET", "messages"): ("messages.list", lists.list_messages),
    ("POST", "messages"): ("messages.insert", methods.insert_message),
    ("POST", "messages/import"): ("messages.import", methods.import_message),
    ("POST", "messages/batchModify"): ("messages.batchModify", methods.batch_modify),
    ("POST", "messages/batchDelete"): ("messages.batchDelete", methods.batch_delete),
    ("GET", "messages/{}"): ("messages.get", methods.get_message),
    ("DELETE", "messages/{}"): ("messages.delete", methods.delete_message),
    ("POST", "messages/{}/modify"): ("messages.modify", methods.modify_message),
    ("POST", "messages/{}/trash"): ("messages.trash", methods.trash_message),
    ("POST", "messages/{}/untrash"): ("messages.untrash", methods.untrash_message),
    ("GET", "messages/{}/attachments/{}"): ("messages.attachments.get", methods.get_attachment),
    ("GET", "threads/{}"): ("threads.get", methods.get_thread),
    ("GET", "labels"): ("labels.list", methods.list_labels),
    ("POST", "labels"): ("labels.create", methods.create_label),
    ("GET", "labels/{}"): ("labels.get", methods.get_label),
    ("PUT", "labels/{}"): ("labels.update", methods.update_label),
    ("PATCH", "labels/{}"): ("labels.patch", methods.update_label),
    ("DELETE", "labels/{}"): ("labels.delete", methods.delete_label),
}
