"""The labels of a message: varied, plausible and the same at every start."""

CATEGORIES = (
    "CATEGORY_PERSONAL",
    "CATEGORY_SOCIAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
)
USER_LABELS = ("Receipts", "Travel", "Family", "Projects/Garden", "旅行")


def labels_for(key: int, everywhere: bool = False) -> tuple[str, ...]:
    """Labels chosen by `key`. With `everywhere`, some mail is archived, in SPAM or in TRASH."""
    if everywhere and key % 64 < 4:
        return ((), ("SPAM",), ("TRASH",), ())[key % 64]
    if key % 16 == 15:
        return ("SENT",)
    labels = ["INBOX", *(name for name, every in _SHARES if (key >> 4) % every == 0)]
    if (key >> 8) % 3 == 0:
        labels.append(USER_LABELS[(key >> 12) % len(USER_LABELS)])
    if (key >> 16) % 2 == 0:
        labels.append(CATEGORIES[(key >> 20) % len(CATEGORIES)])
    return tuple(labels)


_SHARES = (("UNREAD", 4), ("IMPORTANT", 7), ("STARRED", 19))
