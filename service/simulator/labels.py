"""The labels of a mailbox: system labels, whose id is their name, and user labels."""

from typing import Any, Literal

import msgspec

from service.simulator.errors import ApiError
from service.simulator.sample_labels import CATEGORIES

_SYSTEM = ("CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM", "STARRED", "UNREAD")


class Color(msgspec.Struct, omit_defaults=True, rename="camel"):
    text_color: str = ""
    background_color: str = ""


class Label(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A Label of the discovery document, without its counts."""

    id: str
    name: str
    type: Literal["system", "user"]
    message_list_visibility: Literal["show", "hide", ""] = ""
    label_list_visibility: Literal["labelShow", "labelShowIfUnread", "labelHide", ""] = ""
    color: Color | None = None


class _Change(msgspec.Struct, rename="camel"):
    """The fields a client may write. As at Gmail, others are ignored."""

    name: str | None = None
    message_list_visibility: Literal["show", "hide"] | None = None
    label_list_visibility: Literal["labelShow", "labelShowIfUnread", "labelHide"] | None = None
    color: Color | None = None


class Labels:
    """Not thread-safe by itself: the mailbox that owns it holds the lock."""

    def __init__(self) -> None:
        self._by_id = {name: Label(name, name, "system") for name in _SYSTEM}
        for name in CATEGORIES:
            self._by_id[name] = Label(name, name, "system", "hide", "labelHide")
        self._last_number = 0

    def all(self) -> list[Label]:
        return list(self._by_id.values())

    def known(self, label_id: str) -> bool:
        return label_id in self._by_id

    def get(self, label_id: str) -> Label:
        if label_id not in self._by_id:
            raise ApiError(404)
        return self._by_id[label_id]

    def id_of(self, name: str) -> str:
        """The id of the label with this name, which is created if missing."""
        found = self._named(name)
        return found.id if found else self.create({"name": name}).id

    def create(self, body: dict[str, Any]) -> Label:
        change = _read(body)
        if not change.name:
            raise ApiError(400, "Invalid label name")
        self._check_free(change.name)
        self._last_number += 1
        label = Label(f"Label_{self._last_number}", change.name, "user", "show", "labelShow")
        return self._store(label, change)

    def update(self, label_id: str, body: dict[str, Any]) -> Label:
        label = self._own(label_id, "update")
        change = _read(body)
        if change.name and change.name != label.name:
            self._check_free(change.name)
        return self._store(label, change)

    def delete(self, label_id: str) -> None:
        del self._by_id[self._own(label_id, "delete").id]

    def _own(self, label_id: str, verb: str) -> Label:
        label = self.get(label_id)
        if label.type == "system":
            raise ApiError(400, f"Invalid {verb} request: {label_id} is a system label")
        return label

    def _named(self, name: str) -> Label | None:
        return next((item for item in self._by_id.values() if item.name == name), None)

    def _check_free(self, name: str) -> None:
        if self._named(name):
            raise ApiError(409, "Label name exists or conflicts")

    def _store(self, label: Label, change: _Change) -> Label:
        given = {key: value for key, value in msgspec.structs.asdict(change).items() if value}
        self._by_id[label.id] = msgspec.structs.replace(label, **given)
        return self._by_id[label.id]


def _read(body: dict[str, Any]) -> _Change:
    try:
        return msgspec.convert(body, _Change)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"Invalid label: {error}") from error
