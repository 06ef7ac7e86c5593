"""Terms of Gmail's search that a click or a suggestion adds to a query."""

import re

# The terms that the page explains, with an example of the value where a term takes one.
TERMS = {
    "from:": "me",
    "to:": "me",
    "cc:": "me",
    "bcc:": "me",
    "subject:": "invoice",
    "label:": "inbox",
    "has:attachment": "",
    "filename:": "pdf",
    "is:unread": "",
    "is:read": "",
    "is:starred": "",
    "is:important": "",
    "after:": "2026/01/31",
    "before:": "2026/01/31",
    "newer_than:": "7d",
    "older_than:": "1y",
    "larger:": "5M",
    "smaller:": "100K",
    "in:anywhere": "",
    "in:inbox": "",
    "in:sent": "",
    "in:drafts": "",
    "in:trash": "",
    "in:spam": "",
    "has:userlabels": "",
    "has:nouserlabels": "",
    "category:primary": "",
    "category:social": "",
    "category:promotions": "",
    "category:updates": "",
    "category:forums": "",
    "list:": "news.example.org",
}
# The links of a page have longer queries only where they cannot do without: there may be hundreds.
MOST_LINKED_BYTES = 300
# What a search that has many hits is often narrowed by.
REFINEMENTS = ("has:attachment", "is:unread", "newer_than:7d")
_LABEL_TERMS = {
    "INBOX": "in:inbox",
    "UNREAD": "is:unread",
    "STARRED": "is:starred",
    "IMPORTANT": "is:important",
    "SENT": "in:sent",
    "DRAFT": "in:drafts",
    "SPAM": "in:spam",
    "TRASH": "in:trash",
    "CATEGORY_PERSONAL": "category:primary",
    "CATEGORY_SOCIAL": "category:social",
    "CATEGORY_PROMOTIONS": "category:promotions",
    "CATEGORY_UPDATES": "category:updates",
    "CATEGORY_FORUMS": "category:forums",
}
_PLAIN = re.compile(r"(?!(?:OR|AND)\Z)\w[\w.@+/-]*")
_ADDRESS = re.compile(r"(?:.*<)?([^\s<>]+@[^\s<>]+?)>?\s*", re.DOTALL)
# What the database says of a search that is too large.
_REFUSAL = re.compile(r".*\b(brackets|words|characters)\b.* at position (\d+)", re.DOTALL)
_ASKS_FOR_HIDDEN = re.compile(r'\b(?:in|label):\s*"?(?:anywhere|trash|spam)\b', re.I)


def label_term(label_id: str, own_labels: dict[str, str]) -> str:
    return _LABEL_TERMS.get(label_id) or f"label:{_quoted(own_labels[label_id])}"


def sender_term(sender: str) -> str | None:
    """By the address, else by the name; None where there is nothing to search for."""
    address = _ADDRESS.fullmatch(sender)
    value = _quoted(address[1] if address else sender)
    return f"from:{value}" if re.search(r"\w", value) else None


def with_term(query: str, term: str) -> str:
    """The query with a term more, unless it has that term already."""
    if f" {term} " in f" {query} ":
        return query
    # What is open at the end of the query would take in the term.
    is_open = (
        query.count('"') % 2
        or query.count("(") != query.count(")")
        or query.count("{") != query.count("}")
        or query.endswith(" OR")
    )
    return f"{term} {query}" if is_open else f"{query} {term}".lstrip()


def refusal(message: str) -> tuple[str, int] | None:
    """What a search has too many of, and where; None if the message is of something else."""
    found = _REFUSAL.fullmatch(message)
    return (found[1], int(found[2])) if found else None


def narrowed(query: str) -> str:
    """What the links that add a term to a query keep of it: all, or nothing of a long one."""
    return query if len(query.encode()) <= MOST_LINKED_BYTES else ""


def hides_trash(query: str, label: str) -> bool:
    """Whether mail in trash and spam is left out, as Gmail does."""
    return label not in ("TRASH", "SPAM") and not _ASKS_FOR_HIDDEN.search(query)


def _quoted(value: str) -> str:
    """As the value of an operator. The search has no quotes within quotes, nor a need for them."""
    return value if _PLAIN.fullmatch(value) else '"{}"'.format(value.replace('"', "'"))
