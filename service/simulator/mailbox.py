"""One mailbox: messages, threads, labels and the history of their changes. Thread-safe."""

import threading
import time
import zlib
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from service.simulator.errors import ApiError
from service.simulator.history import Change, History, Message
from service.simulator.labels import Label, Labels
from service.simulator.mail import Mail

HIDDEN = {"SPAM", "TRASH"}
_FIRST_ID = 0x18C0_0000_0000_0000


class Mailbox:
    """A mailbox of one address.

    Label and message ids are Gmail's. Methods raise ApiError for what Gmail would refuse: 404 for
    unknown messages and labels, 400 for unknown labels on a message.
    """

    def __init__(
        self,
        email: str,
        clock: Callable[[], float] = time.time,
        publish: Callable[[str, int], None] = lambda email, history_id: None,
    ) -> None:
        """`publish` is called with each change while the mailbox is watched. It must not wait."""
        self.email = email
        self._clock = clock
        self._publish = publish
        self._lock = threading.RLock()
        self._labels = Labels()
        self._messages: dict[str, Message] = {}
        self._order: list[tuple[int, str]] = []  # (-internal_date, id): newest first
        self._threads: defaultdict[str, set[str]] = defaultdict(set)  # thread to its messages
        self._thread_of: dict[str, str] = {}  # Message-ID header to thread
        self._with_header: defaultdict[str, set[str]] = defaultdict(set)  # Message-ID header to ids
        self._history = History(email)
        self._last_number = 0
        self._watched_topic = ""

    # Filling and changing.

    def load(self, mails: Iterable[Mail]) -> None:
        """Add mail that is listed but has no history records."""
        with self._lock:
            for mail in mails:
                ids = [self._label_id(label) for label in mail.labels]
                message = self._new(mail, ids, None)
                self._order.append((-message.internal_date, message.id))
            self._order.sort()
            self._history.begin_here()

    def insert(
        self,
        raw: bytes,
        label_ids: Sequence[str] = ("INBOX", "UNREAD"),
        thread_id: str | None = None,
        internal_date: int | None = None,
        message_id: str = "",
    ) -> str:
        """Add a message now, or at internal_date (epoch ms); returns its id, made up if empty."""
        now = int(self._clock() * 1000)
        mail = Mail.of(raw, (), now)
        mail.internal_date = now if internal_date is None else internal_date
        with self._lock:
            self._check_labels(label_ids)
            if thread_id and thread_id not in self._threads:
                raise ApiError(404)
            message = self._new(mail, label_ids, thread_id, message_id)
            insort(self._order, (-message.internal_date, message.id))
            self._record(Change(message.history_id, "messageAdded", message))
            return message.id

    def modify(self, message_id: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Change labels. One history record, or none when nothing changes."""
        with self._lock:
            message = self.get(message_id)
            self._check_labels([*add, *remove])
            removed = tuple(label for label in message.label_ids if label in remove)
            kept = tuple(label for label in message.label_ids if label not in remove)
            added = tuple(label for label in dict.fromkeys(add) if label not in message.label_ids)
            if not added and not removed:
                return
            changed = msgspec.structs.replace(
                message, label_ids=kept + added, history_id=self._history.next_id()
            )
            self._messages[message_id] = changed
            self._record(Change(changed.history_id, "labels", changed, added, removed))

    def trash(self, message_id: str) -> None:
        self.modify(message_id, add=["TRASH"], remove=["INBOX"])

    def untrash(self, message_id: str) -> None:
        self.modify(message_id, remove=["TRASH"])

    def delete(self, message_id: str) -> None:
        """Delete permanently."""
        with self._lock:
            message = self.get(message_id)
            del self._messages[message_id]
            del self._order[bisect_left(self._order, (-message.internal_date, message_id))]
            self._with_header[message.mail.message_id].discard(message_id)
            self._threads[message.thread_id].remove(message_id)
            if not self._threads[message.thread_id]:
                del self._threads[message.thread_id]
            self._record(Change(self._history.next_id(), "messageDeleted", message))

    def create_label(self, name: str) -> str:
        return self.create_label_from({"name": name}).id

    def create_label_from(self, body: dict[str, Any]) -> Label:
        """Make a label from a Label body of the API."""
        with self._lock:
            return self._labels.create(body)

    def update_label(self, label_id: str, body: dict[str, Any]) -> Label:
        """Apply a Label body of the API. Messages get no history records from it."""
        with self._lock:
            return self._labels.update(label_id, body)

    def delete_label(self, label_id: str) -> None:
        """Delete a label, from its messages too; they get no history records from it."""
        with self._lock:
            self._labels.delete(label_id)
            for message in [m for m in self._messages.values() if label_id in m.label_ids]:
                kept = tuple(label for label in message.label_ids if label != label_id)
                self._messages[message.id] = msgspec.structs.replace(message, label_ids=kept)

    def expire_history(self) -> None:
        """From now on every history id returned so far is answered with 404."""
        with self._lock:
            self._history.next_id()
            self._history.begin_here()

    def skip_history(self, history_id: int) -> None:
        """Later changes have ids larger than this one."""
        with self._lock:
            self._history.skip_to(history_id)

    def watch(self, topic: str) -> None:
        with self._lock:
            if self._watched_topic not in ("", topic):
                raise ApiError(
                    400,
                    "Only one user push notification client allowed per developer "
                    "(call /stop then try again)",
                )
            self._watched_topic = topic
            # Gmail publishes once as soon as the watch begins.
            self._publish(self.email, self._history.current)

    def stop_watch(self) -> None:
        with self._lock:
            self._watched_topic = ""

    # Reading.

    @property
    def history_id(self) -> int:
        return self._history.current

    def message_ids(self) -> list[str]:
        """All ids, spam and trash included, newest first."""
        with self._lock:
            return [message_id for _, message_id in self._order]

    def get(self, message_id: str) -> Message:
        with self._lock:
            if message_id not in self._messages:
                raise ApiError(404)
            return self._messages[message_id]

    def thread(self, thread_id: str) -> list[Message]:
        """The messages of a thread, oldest first."""
        with self._lock:
            if thread_id not in self._threads:
                raise ApiError(404)
            found = [self._messages[each] for each in self._threads[thread_id]]
        return sorted(found, key=lambda message: (message.internal_date, message.id))

    def with_header(self, rfc822_message_id: str) -> list[Message]:
        """The messages whose Message-ID header is this one."""
        with self._lock:
            return [self._messages[each] for each in self._with_header.get(rfc822_message_id, ())]

    def raw(self, message_id: str) -> bytes:
        """The exact bytes that the API serves."""
        return self.get(message_id).mail.raw()

    def totals(self) -> tuple[int, int]:
        """Messages and threads, spam and trash included."""
        with self._lock:
            return len(self._messages), len(self._threads)

    def labels(self) -> list[Label]:
        with self._lock:
            return self._labels.all()

    def label(self, label_id: str) -> Label:
        with self._lock:
            return self._labels.get(label_id)

    def messages_with(self, label_id: str) -> list[Message]:
        with self._lock:
            return [m for m in self._messages.values() if label_id in m.label_ids]

    def page(
        self, after: tuple[int, str] | None, limit: int, labels: Sequence[str], hidden: bool
    ) -> tuple[list[Message], tuple[int, str] | None]:
        """Messages newest first, and the position after which to continue, if there are more.

        A position stays valid when the mailbox changes. `labels`: all of them must be on a message;
        `hidden`: with spam and trash.
        """
        found: list[Message] = []
        with self._lock:
            start = bisect_right(self._order, after) if after else 0
            for index in range(start, len(self._order)):
                message = self._messages[self._order[index][1]]
                if not hidden and HIDDEN.intersection(message.label_ids):
                    continue
                if all(label in message.label_ids for label in labels):
                    if len(found) == limit:
                        return found, (-found[-1].internal_date, found[-1].id)
                    found.append(message)
        return found, None

    def changes(
        self, start: int, after: int, limit: int, last: int | None = None
    ) -> tuple[list[Change], bool, int]:
        """Records after a history id and up to `last` (else the current one), whether there are
        more, and the current history id.

        ApiError 404 when `start`, the id the client began from, is expired or in the future.
        """
        with self._lock:
            current = self._history.current
            return *self._history.page(start, after, limit, last or current), current

    # Helpers, called with the lock held.

    def _record(self, change: Change) -> None:
        self._history.record(change)
        if self._watched_topic:
            self._publish(self.email, change.id)

    def _new_id(self) -> str:
        self._last_number += 1
        noise = zlib.crc32(f"{self.email} {self._last_number}".encode()) & 0xFF_FFFF
        return f"{_FIRST_ID + (self._last_number << 24) + noise:016x}"

    def _new(
        self, mail: Mail, label_ids: Sequence[str], thread_id: str | None, message_id: str = ""
    ) -> Message:
        message_id = message_id or self._new_id()
        thread = thread_id or self._thread(mail) or message_id
        for reference in (mail.message_id, *mail.references):
            # A reply can arrive before the message it answers, so referenced ids count too.
            if reference:
                self._thread_of.setdefault(reference, thread)
        message = Message(
            message_id,
            thread,
            mail.internal_date,
            self._history.next_id(),
            tuple(dict.fromkeys(label_ids)),
            mail,
        )
        self._messages[message_id] = message
        self._threads[thread].add(message_id)
        self._with_header[mail.message_id].add(message_id)
        return message

    def _thread(self, mail: Mail) -> str | None:
        known = (self._thread_of.get(ref) for ref in (mail.message_id, *reversed(mail.references)))
        return next(filter(None, known), None)

    def _label_id(self, label: str) -> str:
        return label if self._labels.known(label) else self._labels.id_of(label)

    def _check_labels(self, label_ids: Sequence[str]) -> None:
        for label_id in label_ids:
            if not self._labels.known(label_id):
                raise ApiError(400, f"Invalid label: {label_id}")
