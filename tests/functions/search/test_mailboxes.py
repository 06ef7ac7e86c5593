"""The mail that benchmarks and plan tests are filled with has the entries that real mail gets."""

from service.postgres.calls import Connection
from tests.functions.mailboxes import add_mailboxes, search_indexes_dropped


def test_mail_made_in_bulk_has_the_entries_of_indexed_mail(db: Connection) -> None:
    with search_indexes_dropped(db):
        add_mailboxes(db, ["ann", "bob"], 2000, 30)

    sample = db.execute(
        """
        select words::text as made, gmail_sync._message_vector(user_id, message_id)::text as indexed
        from gmail_sync.message_words
        where right(message_id, 1) = '7'
        """
    ).fetchall()
    assert len(sample) == 250
    for each in sample:
        assert sorted(each["made"].split()) == sorted(each["indexed"].split())


def test_bulk_mail_leaves_indexes_as_they_were(db: Connection) -> None:
    catalog = "select indexdef from pg_indexes where schemaname = 'gmail_sync' order by 1"
    before = db.execute(catalog).fetchall()

    with search_indexes_dropped(db):
        pass

    assert db.execute(catalog).fetchall() == before
