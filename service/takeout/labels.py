"""The labels of a message as Takeout names them, in the language of the account.

X-Gmail-Labels has the names that people see, with commas between them:
`Inbox,Unread,"Work/Projects"`. A quote in a name is doubled, as in CSV. Google also writes doubled
quotes in a name without quotes around it: `Kategorie: ""Werbung""`.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from service.takeout.languages import all_names

# One or more of these say where a message is. Without any it is archived.
PLACES = {
    "INBOX": "Inbox",
    "SENT": "Sent",
    "DRAFT": "Drafts",
    "CHAT": "Chat",
    "SPAM": "Spam",
    "TRASH": "Trash",
}
ARCHIVED, OPENED = "Archived", "Opened"
MARKS = {
    "IMPORTANT": "Important",
    "UNREAD": "Unread",
    "STARRED": "Starred",
    "CATEGORY_PERSONAL": "Category Personal",
    "CATEGORY_SOCIAL": "Category Social",
    "CATEGORY_PROMOTIONS": "Category Promotions",
    "CATEGORY_UPDATES": "Category Updates",
    "CATEGORY_FORUMS": "Category Forums",
}

_NEEDS_QUOTES = re.compile(r'[",/\\\x00-\x1f]|^\s|\s$|^$')
_FIELD = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?:,|\Z)|([^,]*)(?:,|\Z)')
_QUOTATION_MARKS = re.compile(r'["“”„«»「」『』]')


def label_names(label_ids: Collection[str], names: Mapping[str, str]) -> list[str]:
    """The names as Takeout writes them, the read state among them."""
    places = [name for label_id, name in PLACES.items() if label_id in label_ids]
    marks = [
        name if label_id in label_ids else OPENED
        for label_id, name in MARKS.items()
        if label_id in label_ids or label_id == "UNREAD"
    ]
    others = set(label_ids) - PLACES.keys() - MARKS.keys()
    return [*(places or [ARCHIVED]), *marks, *sorted(names.get(each, each) for each in others)]


def label_ids(names: Iterable[str], own: Mapping[str, str]) -> tuple[str, ...]:
    """The label ids that these names mean. `own` has the ids of the user's labels by name.

    Names that say nothing to the API, such as Archived and Opened, are left out, and so are names
    that nobody knows.
    """
    found = (own.get(name) or _SYSTEM_IDS.get(_comparable(name)) for name in names)
    return tuple(dict.fromkeys(filter(None, found)))


def join_names(names: Iterable[str]) -> str:
    """The value of X-Gmail-Labels, before it is encoded."""
    return ",".join(map(_quoted, names))


def split_names(value: str) -> tuple[str, ...]:
    """The names in a decoded value of X-Gmail-Labels."""
    if not value:
        return ()
    if '"' not in value:
        return tuple(name.strip() for name in value.split(","))
    names, position = [], 0
    while position <= len(value):
        field = _FIELD.match(value, position)
        assert field
        names.append((field[2].strip() if field[1] is None else field[1]).replace('""', '"'))
        if not field[0].endswith(","):
            break
        position = field.end()
    return tuple(names)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if _NEEDS_QUOTES.search(name) else name


def _comparable(name: str) -> str:
    """Without the differences between exports: case, quotation marks, kinds of spaces."""
    return " ".join(_QUOTATION_MARKS.sub(" ", name).casefold().split()).replace(" :", ":")


_SYSTEM_IDS = {_comparable(name): label_id for name, label_id in all_names()}
