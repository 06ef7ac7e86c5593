"""The names of labels in exports, in any language, and the label ids that they mean."""

import pytest

from service.takeout.labels import label_ids, split_names
from service.takeout.languages import all_names

OWN = {"Work/Projects": "Label_1", "Wichtig, später": "Label_2", "Personal": "Label_3"}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        ("Inbox,Unread", ("Inbox", "Unread")),
        ("Inbox, Important", ("Inbox", "Important")),
        ('Inbox,"Work/Projects"', ("Inbox", "Work/Projects")),
        ('"a, b","say ""hi""",c', ("a, b", 'say "hi"', "c")),
        ('Archiviert,Kategorie: ""Werbung""', ("Archiviert", 'Kategorie: "Werbung"')),
        ('"not closed,Inbox', ('"not closed', "Inbox")),
        ('"a"b,c', ('"a"b', "c")),
        ('a,""', ("a", "")),
    ],
)
def test_names_are_split_as_takeout_joins_them(value: str, names: tuple[str, ...]) -> None:
    assert split_names(value) == names


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["Inbox", "Opened", "Category updates"], ("INBOX", "CATEGORY_UPDATES")),
        (["Archiviert", 'Kategorie: "Neuigkeiten"', "Ungelesen"], ("CATEGORY_UPDATES", "UNREAD")),
        (["Catégorie\N{NO-BREAK SPACE}: E-mails personnels", "Non lus"],
         ("CATEGORY_PERSONAL", "UNREAD")),
        (["받은편지함", "중요편지함", "열림", "개인정보 카테고리"],
         ("INBOX", "IMPORTANT", "CATEGORY_PERSONAL")),
        (["Doručené", "Důležité"], ("INBOX", "IMPORTANT")),
        (["Work/Projects", "Wichtig, später", "work/projects"], ("Label_1", "Label_2")),
        (["Personal", "Inbox", "Inbox"], ("Label_3", "INBOX")),
        (["IMAP_$Forwarded", ""], ()),
    ],
)  # fmt: skip
def test_names_mean_label_ids(names: list[str], ids: tuple[str, ...]) -> None:
    assert label_ids(names, OWN) == ids


def test_no_name_means_two_labels() -> None:
    meanings: dict[str, str] = {}
    for name, label_id in all_names():
        assert label_ids([name], {}) == (label_id,)
        assert meanings.setdefault(name.casefold(), label_id) == label_id
