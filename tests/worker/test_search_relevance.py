"""Searches drawn from real mail find what a plain reading of that mail finds.

The reading here shares nothing with the SQL: it parts words by Python's own tables of Unicode, and
looks through each message. A difference must have a cause that `why_different` names.
"""

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from service.postgres.calls import Row, Session
from service.simulator import Mailbox, load
from service.worker.worker import Worker
from tests.worker.conftest import USER, Account

MAIL = Path(__file__).parents[3] / "shared" / "mail"
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "BOPOMOFO")
LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t",
                         "ŋ": "n", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ς": "σ",
                         "ʼ": "'", "ʻ": "'", "ـ": None})  # fmt: skip
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
HEADS = ("subject", "sender", "recipients", "cc", "bcc", "reply_to")
TEXTS = ("body_text", "html_text")
# What search_messages reads of a message, see _searched_fields.
FIELD_CHARACTERS, TEXT_CHARACTERS, MOST_WORDS, LONGEST_WORD = 5000, 100_000, 16_383, 64
# Postgres keeps so many places of a word in a tsvector.
MOST_PLACES = 256

pytestmark = pytest.mark.skipif(not MAIL.is_dir(), reason="the optional folder ../shared/mail")


def folded(text: str) -> str:
    """Without case, accents, widths and characters that are not seen."""
    kept = (
        character
        for character in unicodedata.normalize("NFKD", text).lower()
        if unicodedata.category(character) != "Cf" and not is_accent(character)
    )
    return unicodedata.normalize("NFC", "".join(kept)).translate(LETTERS)


def is_accent(character: str) -> bool:
    """Marks of kana and of Indic and Thai vowels are letters to a reader."""
    name = unicodedata.name(character, "")
    return unicodedata.category(character) == "Mn" and (
        name.startswith(("HEBREW", "ARABIC"))
        or (name.startswith("COMBINING") and "KATAKANA" not in name)
    )


def is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(UNSPACED) or (
        # Emoji.
        unicodedata.category(character) == "So"
        and (
            "\u2600" <= character <= "\u27bf"
            or character >= "\U0001f000"
            or re.match("[⌚⌛⏩-⏺▶◀⬅-⬇⬛⬜⭐⭕]", character) is not None
        )
    )


def pieces(text: str) -> list[str]:
    """The words of a text; a run of characters without blanks is one piece."""
    if text.isascii():
        return re.findall("[a-z0-9]+", text.lower())
    found: list[str] = []
    kind = ""
    for character in folded(text):
        category = unicodedata.category(character)[0]
        own = (
            "unspaced" if is_unspaced(character)
            else "word" if category in "LN" or (category == "M" and kind)
            else ""
        )  # fmt: skip
        if own and own == kind:
            found[-1] += character
        elif own:
            found.append(character)
        kind = own
    return found


def has(words: list[str], phrase: list[str]) -> bool:
    """Whether the phrase is in the words; runs without blanks match in part."""
    if len(phrase) == 1 and is_unspaced(phrase[0][0]):
        return any(phrase[0] in word for word in words if is_unspaced(word[0]))
    if len(phrase) == 1:
        return phrase[0] in words
    first, last = phrase[0], phrase[-1]
    for at in range(len(words) - len(phrase) + 1):
        run = words[at : at + len(phrase)]
        starts = run[0].endswith(first) if is_unspaced(first[0]) else run[0] == first
        ends = run[-1].startswith(last) if is_unspaced(last[0]) else run[-1] == last
        if starts and ends and run[1:-1] == phrase[1:-1]:
            return True
    return False


class Read:
    """A message as a person reads it."""

    def __init__(self, row: Row, filenames: list[str]) -> None:
        self._row = row
        self.message_id: str = row["message_id"]
        self.subject = row["subject"]
        self.is_hidden = bool({"TRASH", "SPAM"} & set(row["label_ids"]))
        self.heads = [row[name] or "" for name in HEADS]
        self.filenames = filenames
        self.texts = [row[name] or "" for name in TEXTS]

    @cached_property
    def fields(self) -> list[list[str]]:
        return [pieces(text) for text in [*self.heads, *self.filenames, *self.texts]]

    @cached_property
    def words(self) -> set[str]:
        return {word for words in self.fields for word in words}

    def cut(self) -> "Read":
        """The same, each text as far as search_messages reads it."""
        lengths = dict.fromkeys(HEADS, FIELD_CHARACTERS) | dict.fromkeys(TEXTS, TEXT_CHARACTERS)
        read = {name: (self._row[name] or "")[:length] for name, length in lengths.items()}
        return Read({**self._row, **read}, self.filenames)

    def has(self, phrase: list[str]) -> bool:
        whole = {word for word in phrase if not is_unspaced(word[0])}
        if not whole <= self.words:
            return False
        return any(has(words, phrase) for words in self.fields)

    def sources(self) -> Iterator[str]:
        yield from (text for text in [*self.heads, *self.filenames, *self.texts] if text.strip())


class Asked(NamedTuple):
    """Phrases that a message must have, and must not have."""

    kind: str
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        return " ".join(
            [*(typed(text) for text in self.wanted), *(f"-{typed(text)}" for text in self.unwanted)]
        )

    def takes(self, read: Read) -> bool:
        return (
            not read.is_hidden
            and all(read.has(pieces(text)) for text in self.wanted)
            and not any(read.has(pieces(text)) for text in self.unwanted)
        )


def typed(text: str) -> str:
    return f'"{text}"' if " " in text else text


def is_typed_plainly(word: str) -> bool:
    """Whether a person types the word as it is; others have signs that mean something."""
    return bool(
        pieces(word)
        and not re.search(r'["(){}:]', word)
        and not word.startswith(("-", "+"))
        and word not in ("OR", "AND")
        and len(word) < 100
    )


def drawn(draw: random.Random, mails: list[Read], kind: str) -> Asked | None:
    """A search of this kind out of a drawn message; None where the message has nothing for it."""
    sources = list(draw.choice(mails).sources())
    text = draw.choice(sources) if sources else ""
    words = [word for word in text.split() if is_typed_plainly(word)]
    if kind == "address":
        found = ADDRESS.findall(" ".join(sources))
        return Asked(kind, (draw.choice(found),)) if found else None
    if kind == "file name":
        names = [name for each in mails for name in each.filenames if is_typed_plainly(name)]
        return Asked(kind, (draw.choice(names),)) if names else None
    if kind == "run":
        runs = [run for run in pieces(text) if is_unspaced(run[0]) and len(run) > 1]
        if not runs:
            return None
        run = draw.choice(runs)
        at = draw.randrange(len(run) - 1)
        return Asked(kind, (run[at : at + draw.randint(1, 5)],))
    if kind == "phrase":
        every = text.split()
        at = draw.randrange(max(len(every) - 3, 1))
        taken = every[at : at + draw.randint(2, 4)]
        plain = len(taken) > 1 and all(map(is_typed_plainly, taken))
        return Asked(kind, (" ".join(taken),)) if plain else None
    others = [word for word in draw.choice(mails).texts[0].split() if is_typed_plainly(word)]
    if len(words) < 2 or not others:
        return None
    first, second = draw.sample(words, 2)
    return {
        "word": Asked(kind, (first,)),
        "two words": Asked(kind, (first, second)),
        "negation": Asked(kind, (first,), (draw.choice(others),)),
        "only a negation": Asked(kind, (), (first,)),
    }[kind]


def searches(mails: list[Read], kinds: dict[str, int]) -> Iterator[Asked]:
    draw = random.Random(2002)
    for kind, number in kinds.items():
        for _ in range(number):
            yield next(
                asked for _ in range(1000) if (asked := drawn(draw, mails, kind)) is not None
            )


def why_different(read: Read, asked: Asked) -> str:
    """What search_messages leaves out of such a message; empty where nothing explains it."""
    phrases = [pieces(text) for text in (*asked.wanted, *asked.unwanted)]
    if asked.takes(read.cut()) != asked.takes(read):
        return "beyond what is read of it"
    if sum(map(len, read.fields)) > MOST_WORDS:
        return "more words than a tsvector has places"
    counts = Counter(word for words in read.fields for word in words)
    if any(counts[word] > MOST_PLACES for phrase in phrases if phrase[1:] for word in phrase):
        return "a phrase of a word with more places than a tsvector keeps"
    if any(len(word) > LONGEST_WORD for phrase in phrases for word in phrase):
        return "a word that is cut"
    return ""


def found(functions: Session, query: str) -> set[str]:
    ids: set[str] = set()
    before = None
    while rows := functions.rows("search_messages", USER, query, p_limit=500, p_before=before):
        ids |= {row["message_id"] for row in rows if row["is_found"]}
        # The last one, or the one at which the search stopped.
        before = rows[-1]["message_id"]
    return ids


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        pytest.param(
            "ham-2002",
            {"word": 50, "two words": 30, "phrase": 30, "address": 20, "file name": 5,
             "negation": 10, "only a negation": 5},
            marks=pytest.mark.gate,
        ),
        ("non-english",
         {"word": 10, "two words": 5, "phrase": 5, "address": 5, "file name": 2, "run": 20,
          "negation": 2, "only a negation": 1}),
    ],
)  # fmt: skip
def test_searches_find_what_a_reader_finds(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    functions: Session,
    db: psycopg.Connection[Row],
    name: str,
    kinds: dict[str, int],
) -> None:
    mailbox.load(load(MAIL / f"{name}.mbox.xz"))
    account.connect()
    assert account.sync(seconds=300)["outcome"] == "succeeded"
    while functions.value("index_messages", 1000):
        pass
    names: dict[str, list[str]] = {}
    for row in db.execute("select message_id, filename from gmail_sync.attachment"):
        names.setdefault(row["message_id"], []).append(row["filename"] or "")
    mails = [
        Read(row, names.get(row["message_id"], []))
        for row in db.execute("select * from gmail_sync.message order by message_id")
    ]
    hits, causes, unexplained = Counter[str](), Counter[str](), []

    for asked in searches(mails, kinds):
        answer = found(functions, asked.query)
        hits[asked.kind] += len(answer)
        for read in mails:
            if (read.message_id in answer) != asked.takes(read):
                cause = why_different(read, asked)
                causes[cause] += 1
                if not cause:
                    unexplained.append((asked.query, asked.takes(read), read.subject))

    print(f"{name}: {sum(kinds.values())} searches of {len(mails)}, hits {dict(hits)}, "
          f"differences {dict(causes)}")  # fmt: skip
    assert not unexplained, unexplained[:20]
    assert all(hits[kind] for kind in kinds)
