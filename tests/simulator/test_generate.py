"""Generated mailboxes: any size, the same each time, and as varied as real ones."""

import itertools
import tracemalloc

from service.simulator import Mailbox, generate
from service.simulator.mime import parse


def generated(count: int, seed: int = 0) -> Mailbox:
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(generate(count, seed))
    return mailbox


def test_the_same_seed_gives_the_same_mail_and_another_seed_other_mail() -> None:
    first, again, other = ([mail.raw() for mail in generate(50, seed)] for seed in (1, 1, 2))
    assert first == again
    assert not set(first) & set(other)


def test_a_message_does_not_depend_on_how_many_there_are() -> None:
    few, many = (list(itertools.islice(generate(count, 3), 10)) for count in (10, 1000))
    assert [mail.raw() for mail in few] == [mail.raw() for mail in many]


def test_it_is_varied() -> None:
    mailbox = generated(600)
    roots = [mailbox.get(message_id).mail.parse() for message_id in mailbox.message_ids()]
    parts = [part for root in roots for part in root.walk()]
    types = {part.mime_type for part in parts}
    assert {"text/plain", "text/html", "multipart/mixed", "application/pdf"} <= types
    assert {"gb18030", "iso-2022-jp", "koi8-r", "windows-1256"} <= {part.charset for part in parts}
    text = b"".join(part.content() for part in parts if not part.attached).decode()
    for sample in ("请在星期五", "ご確認ください", "القطار", "Посмотри", "Äpfel", "🍅"):
        assert sample in text
    labels = {mailbox.get(message_id).label_ids for message_id in mailbox.message_ids()}
    assert {(), ("SPAM",), ("TRASH",), ("SENT",)} <= labels
    messages, threads = mailbox.totals()
    assert threads < messages


def test_threads_are_those_its_headers_tell() -> None:
    mailbox = generated(80)
    by_headers = Mailbox("someone@mail.example")
    for message_id in reversed(mailbox.message_ids()):
        by_headers.insert(mailbox.raw(message_id))
    assert by_headers.totals() == mailbox.totals()


def test_every_message_has_at_least_the_size_asked_for() -> None:
    sizes = [len(mail.raw()) for mail in generate(40, minimum_size=30_000)]
    assert min(sizes) >= 30_000


def test_text_decodes_to_what_was_written() -> None:
    for mail in generate(200, seed=5):
        for part in parse(mail.raw()).walk():
            if not part.attached and not part.children:
                assert "\ufffd" not in part.content().decode()


def test_a_large_mailbox_takes_little_memory() -> None:
    tracemalloc.start()
    try:
        mailbox = generated(5_000)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mailbox.totals()[0] == 5_000
    assert used / 5_000 < 3_000  # bytes a message
