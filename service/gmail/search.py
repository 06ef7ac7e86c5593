"""Gmail's search for messages that are known by their Message-ID and time of arrival.

Operators: https://support.google.com/mail/answer/7190
Times in seconds: https://developers.google.com/workspace/gmail/api/guides/filtering
"""

import re
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote_plus

# Google's client sends a longer URL in another way, so a server may refuse it.
LONGEST_QUERY = 1_900
# Quotes, parentheses and braces have a meaning in a search.
_SEARCHABLE = re.compile(r'<([^\s"(){}<>]{1,250})>', re.ASCII)


def message_term(rfc822_message_id: str, arrived_at: datetime, is_sent: bool | None) -> str | None:
    """What finds one message; None where its Message-ID cannot be written in a search.

    A mailing list returns a mail to its sender with the same Message-ID, in the same second. Only
    one of the two has the label SENT, which nobody can add or remove. `is_sent` is None if it is
    not known. Their sizes would not help: Gmail's are estimates.
    """
    found = _SEARCHABLE.fullmatch(rfc822_message_id)
    if found is None or not found[1].isascii():
        return None
    second = int(arrived_at.timestamp())
    place = {True: " in:sent", False: " -in:sent", None: ""}[is_sent]
    return f"(rfc822msgid:{found[1]} after:{second - 1} before:{second + 1}{place})"


def any_of(terms: Iterable[str]) -> tuple[str, int]:
    """A search for the first terms, as many as it has room for, and their number."""
    query, number = "", 0
    for term in terms:
        longer = f"{query} OR {term}" if query else term
        if len(quote_plus(longer)) > LONGEST_QUERY and query:
            break
        query, number = longer, number + 1
    return query, number
