"""The part of Gmail's search that finds messages by Message-ID, time of arrival, and SENT."""

import re
from collections.abc import Callable, Iterable

from service.simulator.errors import ApiError
from service.simulator.history import Message

_TERM = re.compile(r"\(rfc822msgid:(\S+) after:(\d+) before:(\d+)( -?in:sent)?\)")


def search(query: str, with_header: Callable[[str], Iterable[Message]]) -> list[Message]:
    """The messages that one of the terms finds. `with_header` gives those with a Message-ID."""
    found: dict[str, Message] = {}
    for term in query.split(" OR "):
        parsed = _TERM.fullmatch(term)
        if parsed is None:
            raise ApiError(400, f"The simulator does not search for {term}")
        after, before = int(parsed[2]), int(parsed[3])
        for message in with_header(f"<{parsed[1]}>"):
            place = " in:sent" if "SENT" in message.label_ids else " -in:sent"
            if after < message.internal_date // 1000 < before and parsed[4] in (None, place):
                found[message.id] = message
    return sorted(found.values(), key=lambda each: (-each.internal_date, each.id))
