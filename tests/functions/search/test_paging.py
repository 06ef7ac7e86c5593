"""All pages of a search together are what a plain reading of the mailbox finds.

Searches are drawn as trees, written as a person types them, and evaluated in Python for each
message. The copies of search_messages split periods at few candidates, so that a small mailbox
goes through years, months, days and single messages.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session, connect
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD, fresh_database
from tests.functions.conftest import claimed, history, message, only, record, store

WORDS = ["anchor", "boat", "café", "harvest", "sail", "合同", "合同条款", "v2"]
PEOPLE = ["ann", "bob", "zoë"]
LABELS = ["INBOX", "SENT", "UNREAD", "STARRED", "TRASH", "SPAM", "Label_1", "Label_2"]
ATTACHED = {
    "part_id": "2", "filename": "x.pdf", "mime_type": "application/pdf", "size": 5,
    "content_id": None, "inline": False,
}  # fmt: skip
MESSAGES = 80
MAX_PAGES = 2 * MESSAGES


@dataclass(frozen=True)
class Mail:
    """What a search can ask of a message."""

    message_id: str
    date: datetime
    labels: frozenset[str]
    subject: tuple[str, ...]
    body: tuple[str, ...]
    sender: str
    size: int
    is_attached: bool

    def stored(self) -> dict[str, object]:
        return message(
            self.message_id,
            *sorted(self.labels),
            internal_date=str(int(self.date.timestamp() * 1000)),
            subject=" ".join(self.subject),
            body_text="\n".join(self.body),
            sender=f"{self.sender} <{self.sender.replace('ë', 'e')}@mail.example>",
            size_estimate=self.size,
            attachments=[ATTACHED] if self.is_attached else [],
            headers=[],
        )


def drawn_date(draw: random.Random) -> datetime:
    """Often at the border of a period, often the same as another's."""
    date = datetime(draw.choice([2021, 2023, 2024]), draw.choice([1, 2, 12]), 1, tzinfo=UTC)
    date += timedelta(days=draw.choice([0, 0, 1, 27]))
    return date + draw.choice(
        [timedelta(), timedelta(), timedelta(milliseconds=-1), timedelta(hours=draw.randint(0, 23))]
    )


def drawn_mail(draw: random.Random, message_id: str) -> Mail:
    return Mail(
        message_id=message_id,
        date=drawn_date(draw),
        labels=frozenset(draw.sample(LABELS, draw.choice([0, 1, 1, 2, 3]))),
        subject=tuple(draw.choices(WORDS, k=draw.randint(0, 2))),
        body=tuple(draw.choices(WORDS, k=draw.randint(0, 4))),
        sender=draw.choice(PEOPLE),
        size=draw.choice([0, 1, 500, 1023, 1024, 1025, 5000, 3 << 20]),
        is_attached=draw.random() < 0.3,
    )


Condition = Callable[[Mail], bool]


@dataclass(frozen=True)
class Asked:
    """A search as it is typed, what it takes, and whether it asks for trash or spam."""

    typed: str
    takes: Condition = field(repr=False)
    shows_hidden: bool = False


def has_run(words: tuple[str, ...], run: tuple[str, ...]) -> bool:
    """Whether the words follow each other. 合同条款 begins with 合同."""
    return any(
        words[at : at + len(run)] == run or (run == ("合同",) and words[at].startswith("合同"))
        for at in range(len(words) - len(run) + 1)
    )


def of_words(run: tuple[str, ...]) -> Asked:
    typed = run[0] if len(run) == 1 else f'"{" ".join(run)}"'
    return Asked(
        typed,
        lambda mail: has_run(mail.subject, run) or has_run(mail.body, run) or (mail.sender,) == run,
    )


def of_label(typed: str, label: str) -> Asked:
    return Asked(typed, lambda mail: label in mail.labels, label in ("TRASH", "SPAM"))


def of_size(typed: str, takes: Callable[[int], bool]) -> Asked:
    return Asked(typed, lambda mail: takes(mail.size))


def of_date(operator: str, date: datetime) -> Asked:
    is_after = operator in ("after", "newer")
    return Asked(f"{operator}:{date:%Y/%m/%d}", lambda mail: (mail.date >= date) == is_after)


SIMPLE = st.one_of(
    st.sampled_from(WORDS + PEOPLE).map(lambda word: of_words((word,))),
    st.tuples(*[st.sampled_from([word for word in WORDS if word.isascii()])] * 2).map(of_words),
    st.sampled_from(PEOPLE).map(lambda who: Asked(f"from:{who}", lambda mail: mail.sender == who)),
    st.sampled_from(WORDS).map(
        lambda word: Asked(f"subject:{word}", lambda mail: has_run(mail.subject, (word,)))
    ),
    st.sampled_from(
        [
            of_label("in:inbox", "INBOX"),
            of_label("is:unread", "UNREAD"),
            of_label("is:starred", "STARRED"),
            of_label("in:trash", "TRASH"),
            of_label("in:spam", "SPAM"),
            of_label("label:work", "Label_1"),
            of_label("label:work/clients", "Label_2"),
            Asked("is:read", lambda mail: "UNREAD" not in mail.labels),
            Asked("in:anywhere", lambda mail: True, True),
            Asked("has:attachment", lambda mail: mail.is_attached),
            Asked("has:userlabels", lambda mail: bool(mail.labels & {"Label_1", "Label_2"})),
            Asked("has:nouserlabels", lambda mail: not mail.labels & {"Label_1", "Label_2"}),
        ]
    ),
    st.sampled_from([0, 1, 500, 1023, 1024, 1025, 4096]).flatmap(
        lambda size: st.sampled_from(
            [
                of_size(f"larger:{size}", lambda own: own > size),
                of_size(f"smaller:{size}", lambda own: own < size),
            ]
        )
    ),
    st.builds(
        of_date,
        st.sampled_from(["after", "before", "newer", "older"]),
        st.sampled_from([datetime(y, m, d, tzinfo=UTC)
                         for y in (2020, 2021, 2023, 2024) for m in (1, 2) for d in (1, 2, 28)]),
    ),
)  # fmt: skip


def negated(asked: Asked) -> Asked:
    return Asked(f"-{asked.typed}", lambda mail: not asked.takes(mail))


def all_of(parts: list[Asked]) -> Asked:
    return Asked(
        f"({' '.join(part.typed for part in parts)})",
        lambda mail: all(part.takes(mail) for part in parts),
        any(part.shows_hidden for part in parts),
    )


def any_of(parts: list[Asked], is_braced: bool) -> Asked:
    typed = [part.typed for part in parts]
    return Asked(
        f"{{{' '.join(typed)}}}" if is_braced else f"({' OR '.join(typed)})",
        lambda mail: any(part.takes(mail) for part in parts),
        any(part.shows_hidden for part in parts),
    )


SEARCHES = st.recursive(
    SIMPLE,
    lambda parts: st.one_of(
        # Gmail has no sign before a sign.
        parts.filter(lambda part: not part.typed.startswith("-")).map(negated),
        st.lists(parts, min_size=1, max_size=4).map(all_of),
        st.builds(any_of, st.lists(parts, min_size=1, max_size=4), st.booleans()),
    ),
    max_leaves=8,
)


class Box:
    def __init__(self, db: Connection, mails: list[Mail]) -> None:
        self.db = db
        self.mails = mails

    def expected(self, asked: Asked) -> list[str]:
        found = [
            mail
            for mail in self.mails
            if asked.takes(mail) and (asked.shows_hidden or not mail.labels & {"TRASH", "SPAM"})
        ]
        found.sort(key=lambda mail: (mail.date, mail.message_id), reverse=True)
        return [mail.message_id for mail in found]

    def pages(self, few: int, query: str | None, label: str | None, limit: int) -> list[str]:
        """What all pages return, one after the other."""
        seen: list[str] = []
        before = None
        for _ in range(MAX_PAGES):
            rows = self.db.execute(
                "select message_id, is_found"
                f" from public.split_at_{few}('ann', %s, %s, %s::integer, %s)".encode(),
                [query, label, limit, before],
            ).fetchall()
            seen += [row["message_id"] for row in rows if row["is_found"]]
            if not rows:
                return seen
            before = rows[-1]["message_id"]
        raise AssertionError(f"{query} does not end: {seen}")


def copy_that_splits_at(db: Connection, few: int, budget: int) -> None:
    """A copy of search_messages, split_at_<few>, that splits periods of more candidates."""
    source = only(
        db,
        "select pg_get_functiondef(p.oid) from pg_proc p"
        " where p.oid::regproc::text = 'gmail_sync.search_messages'",
    )
    for old, new in [
        (r"gmail_sync\.search_messages\(", f"public.split_at_{few}("),
        (r"(?<=v_few constant integer := )\d+", str(few)),
        (r"(?<=v_few_unread constant integer := )\d+", str((few + 1) // 2)),
        (r"(?<=v_budget integer := )\d+", str(budget)),
    ]:
        source, changed = re.subn(old, new, source)
        assert changed == 1, old
    db.execute(source.encode())


FEW = (2, 7, 40)


@pytest.fixture(scope="module", params=[1, 2])
def box(request: pytest.FixtureRequest, cluster: Cluster, template: str) -> Iterator[Box]:
    """A mailbox of ann, a part of it not indexed yet; and one of bo."""
    draw = random.Random(request.param)
    ids = draw.sample([f"{number:x}" for number in range(16, 4000)], MESSAGES + 10)
    mails = [drawn_mail(draw, message_id) for message_id in ids]
    with (
        fresh_database(cluster, template) as name,
        connect(cluster.url(name), "test") as db,
    ):
        functions = Session(cluster.url(name, SERVICE_LOGIN, SERVICE_PASSWORD), "test")
        fill(functions, mails, draw)
        functions.close()
        for few in FEW:
            # As many as a search of 20,000 candidates that splits at 3,000.
            copy_that_splits_at(db, few, 7 * few + 5)
        yield Box(db, mails[:MESSAGES])


def fill(functions: Session, mails: list[Mail], draw: random.Random) -> None:
    """Store ann's mail, of which the last are then deleted, and some of bo's."""
    task_id = claimed(functions)
    labels = [("Label_1", "Work"), ("Label_2", "Work/Clients")]
    functions.rows(
        "store_labels", task_id,
        Jsonb([{"id": own, "name": name, "type": "user"} for own, name in labels]),
    )  # fmt: skip
    draw.shuffle(shuffled := list(mails))
    store(functions, task_id, *(mail.stored() for mail in shuffled[:-30]))
    store(functions, claimed(functions, "bo"), *(mail.stored() for mail in shuffled[:50]))
    functions.value("index_messages", 1000)
    store(functions, task_id, *(mail.stored() for mail in shuffled[-30:]))
    deleted = [record(500, "messagesDeleted", mail.message_id) for mail in mails[MESSAGES:]]
    history(functions, task_id, *deleted)


def check(box: Box, asked: Asked, few: int, limit: int) -> None:
    assert box.pages(few, asked.typed, None, limit) == box.expected(asked), asked.typed


@given(asked=SEARCHES, few=st.sampled_from(FEW), limit=st.sampled_from([1, 2, 3, 20, 500]))
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_pages_lose_nothing_and_repeat_nothing(
    box: Box, asked: Asked, few: int, limit: int
) -> None:
    check(box, asked, few, limit)


@pytest.mark.gate
@given(asked=SEARCHES, few=st.sampled_from(FEW), limit=st.sampled_from([1, 2, 3, 20, 500]))
@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_pages_of_many_more_searches(box: Box, asked: Asked, few: int, limit: int) -> None:
    check(box, asked, few, limit)
