"""Mail that a worker synced is found over HTTP as people who know Gmail search for it."""

from base64 import b64encode
from collections.abc import Iterator
from itertools import count

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.api.conftest import client_of, serving
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD
from tests.functions.search.test_search_fuzz import QUERIES
from tests.worker.conftest import USER
from tests.worker.stack import Stack, running_stack

SENT_AT = 1_772_445_600_000  # 2026-03-02 10:00 UTC
LONG_LINE = "-" * 64


def mail(subject: str, body: str = "", **headers: str) -> bytes:
    lines = {
        "From": "Ann Sample <ann@sender.example>",
        "To": "someone@example.com",
        "Message-ID": f"<{subject.replace(' ', '-')}@cases.example>",
        "Subject": subject,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + (
        f"\r\n{body}\r\n".encode()
    )


def with_file(subject: str, disposition: str, file_type: str = "application/pdf") -> bytes:
    body = (
        "--b\r\n\r\nsee the file\r\n"
        f"--b\r\nContent-Type: {file_type}\r\nContent-Disposition: {disposition}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--b--"
    )
    return mail(subject, body, Content_Type="multipart/mixed; boundary=b")


def encoded(text: str) -> str:
    return f"=?utf-8?B?{b64encode(text.encode()).decode()}?="


def page(subject: str, html: str) -> bytes:
    """A mail of HTML only."""
    return mail(subject, html, From="web@pages.example", Content_Type="text/html; charset=utf-8")


def page_beside(subject: str, text: str, html: str) -> bytes:
    """A mail that says the same, or less, in a plain text."""
    body = (
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--"
    )
    return mail(
        subject, body, From="web@pages.example", Content_Type="multipart/alternative; boundary=b"
    )


MAILS = [
    mail("order", "It has shipped.", From="orders@bigshop.example",
         To="john.doe+news@gmail.example"),
    mail("links", "Write to support.team@help-desk.example or see"
         " https://www.example-shop.com/orders/12345?ref=mail for details."),
    mail("fields", "hello", Cc="Carla Carbon <carbon@cc.example>", Bcc="hidden@bcc.example",
         Reply_To="replies@rt.example", List_ID="Sailors <sailors.lists.example>",
         Delivered_To="box+tag@example.com"),
    mail("numbers", "Please pay INV-2024-001 by 2024-03-15. Order 4711-22/B, version v2.10.3,"
         " IBAN DE89 3704 0044 0532 0130 00, call +49 (30) 901820 or 555-0199. a/left b/right"
         " node.js C++"),
    mail("forms", "Das Café hat neue Speisen, u\u0308ber Łódź nach ﬁn①ale Ｆｕｌｌ."
         " Ваш счёт готов. Η Αθήνα και ο Οδυσσέας. شُكْرًا كـــثيرا. שָׁלוֹם לכם."
         " Straße İstanbul ISPARTA ığdır æther soft\u00adhyphenated"),
    mail("zh1", "请查收附件中的发票，谢谢！我们下周在北京开会讨论合同条款。"),
    mail(encoded("关于合同签署的通知"), "合同已经签署。", Message_ID="<zh2@cases.example>"),
    mail("ja1", "お世話になっております。請求書を添付いたします。会議は東京タワーで行います。ｶﾞｽ"),
    mail("ko1", "안녕하세요. 회의는 내일 서울에서 진행됩니다. 첨부파일을 확인해 주세요."),
    mail("th1", "สวัสดีครับ กรุณาตรวจสอบใบแจ้งหนี้ที่แนบมาด้วย"),
    with_file("report", 'attachment; filename="Quartalsbericht_2025.pdf"'),
    with_file("contract", "attachment; filename*=UTF-8''%E5%90%88%E5%90%8C-v2.docx",
              "application/msword"),
    page("entities", "<style>.cssword{color:red;margin:0}</style><p>Sch&ouml;ne Gr&uuml;&szlig;e,"
         " die &Uuml;berweisung. r&#233;sum&#xe9; &#20013;&#25991; R&#252;ckruf ba<b>nan</b>a"
         " sp&shy;lit<wbr>word &amp;nbsp; a&nbsp;gap</p><script>scriptword</script>"
         "<!-- commentword --><p style='display:none'>hiddenword</p>"
         "<p>one<br>two</p><td>cell</td><td>next</td>"),
    page("rules", f"<style>{'.a{color:red;padding:1px}' * 5000}</style><p>The narwhal.</p>"),
    page("image", f"<img src='data:image/png;base64,{'iVBORw0KGgo' * 10_000}'><p>The walrus.</p>"),
    page_beside("stub", "Your client cannot show HTML.", "<p>The otter swims.</p>"),
    page_beside("blank", "  \u00a0 ", "<p>The beaver builds.</p>"),
]  # fmt: skip
# The subject that names each of MAILS in the tests below.
NAMES = ["order", "links", "fields", "numbers", "forms", "zh1", "zh2", "ja1", "ko1", "th1",
         "report", "contract", "entities", "rules", "image", "stub", "blank"]  # fmt: skip


@pytest.fixture(scope="module")
def stack(cluster: Cluster, template: str) -> Iterator[Stack]:
    """A mailbox with MAILS, each a second newer than the one before."""
    with running_stack(cluster, template, "full") as stack:
        for number, (name, raw) in enumerate(zip(NAMES, MAILS, strict=True)):
            stack.mailbox.insert(
                raw, internal_date=SENT_AT + number * 1000, message_id=name.ljust(8, "0")
            )
        stack.sync()
        yield stack


@pytest.fixture(scope="module")
def client(cluster: Cluster, stack: Stack) -> Iterator[httpx.Client]:
    url = cluster.url(stack.db.info.dbname, SERVICE_LOGIN, SERVICE_PASSWORD)
    with serving(url) as running, client_of(running, USER) as client:
        yield client


def found(client: httpx.Client, query: str | None = None, label: str | None = None) -> set[str]:
    """The names of the messages of all pages."""
    names: list[str] = []
    before = None
    for _ in count():
        asked = {"q": query, "label": label, "before": before, "limit": 5}
        answer = client.get(
            "/api/gmail/messages", params={name: value for name, value in asked.items() if value}
        )
        assert answer.status_code == 200, answer.text
        names += [row["message_id"].rstrip("0") for row in answer.json()["messages"]]
        before = answer.json()["next"]
        if before is None:
            break
    assert len(names) == len(set(names))
    return set(names)


def rows(table: str) -> list[tuple[str, set[str]]]:
    """Lines of a search, a bar, and the names of what it finds."""
    lines = [line.rpartition("|") for line in table.splitlines() if "|" in line]
    return [(query.strip(), set(names.split())) for query, _, names in lines]


ADDRESSES = """
bigshop | order
orders | order links
bigshop.example | order
orders@bigshop.example | order
from:orders@bigshop.example | order
from:bigshop | order
from:bigshop.example | order
john | order
doe | order
john.doe | order
john.doe+news@gmail.example | order
gmail.example | order
support | links
support.team | links
support.team@help-desk.example | links
help-desk | links
help-desk.example | links
desk | links
example-shop | links
example-shop.com | links
www.example-shop.com | links
12345 | links
orders/12345 | links
https://www.example-shop.com/orders/12345?ref=mail | links
carbon | fields
Carla | fields
carbon@cc.example | fields
cc:carla | fields
to:carbon | fields
hidden@bcc.example | fields
bcc:hidden | fields
replies@rt.example | fields
rt.example | fields
list:sailors | fields
list:sailors.lists.example | fields
deliveredto:box+tag@example.com | fields
from:carbon |
cc:hidden |
desk-help |
"""

NUMBERS = """
INV-2024-001 | numbers
2024-001 | numbers
INV 2024 001 | numbers
inv-2024 | numbers
001 | numbers
22 | numbers
03 | numbers
2024-03-15 | numbers
4711-22 | numbers
4711-22/B | numbers
v2.10.3 | numbers
2.10.3 |
10.3 | numbers
"DE89 3704 0044" | numbers
DE89 | numbers
0532 | numbers
+49 (30) 901820 | numbers
901820 | numbers
555-0199 | numbers
left | numbers
right | numbers
a/left | numbers
node.js | numbers
node | numbers
js | numbers
C++ | numbers
INV-2024-002 |
001-2024 |
"""

FORMS = """
café | forms
cafe | forms
CAFÉ | forms
cafe\u0301 | forms
über | forms
u\u0308ber | forms
uber | forms
Łódź | forms
lodz | forms
ŁÓDŹ | forms
fin1ale | forms
full | forms
ＦＵＬＬ | forms
счёт | forms
счет | forms
СЧЁТ | forms
Αθήνα | forms
ΑΘΗΝΑ | forms
αθηνα | forms
Οδυσσέας | forms
ΟΔΥΣΣΕΑΣ | forms
شكرا | forms
شُكْرًا | forms
كثيرا | forms
שלום | forms
שָׁלוֹם | forms
straße | forms
STRASSE | forms
istanbul | forms
ISTANBUL | forms
İSTANBUL | forms
isparta | forms
ISPARTA | forms
igdir | forms
aether | forms
softhyphenated | forms
soft\u00adhyphenated | forms
kaffee |
"""

RUNNING_TEXT = """
发票 | zh1
北京 | zh1
合同 | zh1 zh2 contract
合同条款 | zh1
签署的通知 | zh2
"合同签署" | zh2
同条 | zh1
票 | zh1
合同 北京 | zh1
合同　北京 | zh1
北京合同 |
条合 |
請求書 | ja1
求書 | ja1
東京タワー | ja1
タワ | ja1
会議 | ja1
ガス | ja1
ｶﾞｽ | ja1
書を | ja1
회의 | ko1
서울 | ko1
첨부파일 | ko1
부파 | ko1
서 | ko1
회\u1104ᅴ |
ใบแจ้งหนี้ | th1
สวัสดี | th1
แจ้ง | th1
-subject:zh1 合同 | zh2 contract
subject:合同 | zh2
subject:同签 | zh2
"""

FILES = """
Quartalsbericht | report
quartalsbericht_2025 | report
Quartalsbericht_2025.pdf | report
filename:pdf | report
filename:Quartalsbericht_2025.pdf | report
filename:quartalsbericht | report
filename:合同 | contract
filename:docx | contract
合同-v2.docx | contract
has:attachment | report contract
has:attachment -filename:pdf | contract
filename:invoice |
filename:file |
"""

HTML = """
Grüße | entities
grusse | entities
Überweisung | entities
résumé | entities
中文 | entities
Rückruf | entities
banana | entities
nan |
splitword | entities
"a gap" | entities
"one two" | entities
onetwo |
cellnext |
cssword |
margin |
scriptword |
commentword |
hiddenword |
narwhal | rules
padding |
walrus | image
iVBORw0KGgo |
base64 |
otter | stub
client | stub
beaver | blank
subject:blank | blank
"""


@pytest.mark.parametrize(
    ("query", "names"), rows(HTML + ADDRESSES + NUMBERS + FORMS + RUNNING_TEXT + FILES)
)
def test_what_a_person_sees_is_found(client: httpx.Client, query: str, names: set[str]) -> None:
    assert found(client, query) == names


OPERATORS = f"""
from:ann | links fields numbers forms zh1 zh2 ja1 ko1 th1 report contract
from:"ann sample" subject:numbers | numbers
to:someone@example.com from:orders |
to:me from:orders |
to:me subject:links | links
subject:(numbers OR links) | numbers links
subject:{{numbers links}} | numbers links
numbers OR links | numbers links
from:orders OR (carbon -shipped) OR filename:docx | order fields contract
subject:links orders | links
-subject:links orders | order
-from:ann -from:pages | order
+details | links
"for details" | links
"details for" |
rfc822msgid:numbers@cases.example | numbers
rfc822msgid:<numbers@cases.example> | numbers
rfc822msgid:nothing@cases.example |
in:inbox subject:links | links
is:unread subject:links | links
is:read |
in:anywhere subject:links | links
after:2026/03/02 subject:links | links
after:2026-3-2 before:2026-3-3 subject:links | links
after:3/2/2026 subject:links | links
before:2026/03/02 |
older:2026/03/02 |
newer:2026/03/02 subject:links | links
after:{SENT_AT // 1000 + 2} before:{SENT_AT // 1000 + 4} | fields numbers
older_than:1d after:2026/03/02 subject:links | links
newer_than:1d |
larger:1M |
smaller:1M subject:links | links
size:10 subject:links | links
larger:10K | rules image
has:userlabels |
has:nouserlabels subject:links | links
is:starred |
category:social |
"""


@pytest.mark.parametrize(("query", "names"), rows(OPERATORS))
def test_operators_do_what_they_do_in_gmail(
    client: httpx.Client, query: str, names: set[str]
) -> None:
    answer = client.get("/api/gmail/messages", params={"q": query}).json()
    assert answer["not_understood"] == []
    assert found(client, query) == names


@pytest.mark.parametrize(
    ("query", "not_understood", "names"),
    [
        ("label:Work", ["label:Work"], set[str]()),
        ("is:muted links", ["is:muted"], set[str]()),
        ("colour:red", ["colour:red"], set[str]()),
        ("see https://www.example-shop.com", [], {"links"}),
        ("larger:big OR links", ["larger:big"], {"links"}),
        ("before:2026/13/45", ["before:2026/13/45"], set[str]()),
    ],
)
def test_what_is_not_understood_is_reported(
    client: httpx.Client, query: str, not_understood: list[str], names: set[str]
) -> None:
    answer = client.get("/api/gmail/messages", params={"q": query}).json()
    assert answer["not_understood"] == not_understood
    assert found(client, query) == names


@pytest.mark.parametrize(
    "query",
    [
        LONG_LINE,
        f"a {LONG_LINE}",
        f"links -{LONG_LINE}",
        "|-----------------------|---------------------|-------------------------------------|",
        "- " * 40 + "x",
        "-" * 1000,
        "=" * 500 + " " + "_" * 300,
        "\\ ' \" '' \\' :* !! & | <-> ( ) { } [ ] %s %L $1 $$",
        '-"!!!"',
        "links -(...) OR {-}",
        "from:. subject:- OR -:",
        '"' * 999,
        "()" * 500,
        "…—–·•«»„“”‚‘’",
    ],
)
def test_punctuation_never_fails(client: httpx.Client, query: str) -> None:
    answer = client.get("/api/gmail/messages", params={"q": query})
    assert answer.status_code == 200, answer.text


def check_answer(client: httpx.Client, query: str) -> None:
    answer = client.get("/api/gmail/messages", params={"q": query})
    assert answer.status_code in (200, 400), f"{query!r}: {answer.text}"
    assert answer.status_code == 200 or answer.json()["detail"]


@given(query=QUERIES)
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_text_gets_rows_or_a_clear_refusal(client: httpx.Client, query: str) -> None:
    check_answer(client, query)


@pytest.mark.gate
@given(query=QUERIES)
@settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_many_more_texts_get_rows_or_a_clear_refusal(client: httpx.Client, query: str) -> None:
    check_answer(client, query)


def test_a_line_of_dashes_finds_nothing_and_takes_nothing_from_words(client: httpx.Client) -> None:
    assert found(client, LONG_LINE) == set()
    assert found(client, f"links {LONG_LINE}") == {"links"}
    assert found(client, f"links -{LONG_LINE}") == {"links"}


def test_too_large_a_search_is_refused_with_its_position(client: httpx.Client) -> None:
    for query in ["(" * 21 + "a", "a " * 301]:
        answer = client.get("/api/gmail/messages", params={"q": query})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
        assert "position" in answer.json()["detail"]
    assert client.get("/api/gmail/messages", params={"q": "a" * 1001}).status_code == 400
    answer = client.get("/api/gmail/messages", params={"q": "a", "time_zone": "Mars/Base"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize("hidden", ["TRASH", "SPAM"])
def test_trash_and_spam_are_shown_only_where_asked_for(
    client: httpx.Client, stack: Stack, hidden: str
) -> None:
    name = hidden.lower()
    stack.mailbox.modify("links000", [hidden, "STARRED"], ["INBOX"])
    stack.sync()

    assert "links" not in found(client)
    assert found(client, "orders") == {"order"}
    assert found(client, "is:starred") == set()
    assert found(client, label="STARRED") == set()
    assert found(client, label="UNREAD") == set(NAMES) - {"links"}
    for query, label in [
        (f"in:{name}", None),
        (f"in:{name} orders", None),
        (f"label:{name}", None),
        ("in:anywhere is:starred", None),
        (None, hidden),
        ("orders", hidden),
    ]:
        assert found(client, query, label) == {"links"}, (query, label)
    assert found(client, "in:anywhere orders") == {"order", "links"}
    assert found(client, f"orders -in:{name}") == {"order"}

    stack.mailbox.modify("links000", ["INBOX"], [hidden, "STARRED"])
    stack.sync()

    assert found(client, "orders") == {"order", "links"}
    assert found(client) == set(NAMES)
    assert found(client, f"in:{name}") == set()


def test_labels_are_found_by_the_names_people_see(client: httpx.Client, stack: Stack) -> None:
    for name, message_id in [
        ("Work", "order000"),
        ("Work/Клиенты & Co.", "links000"),
        ("Reçus d'achat", "fields00"),
    ]:
        stack.mailbox.modify(message_id, [stack.mailbox.create_label(name)])
    stack.sync()

    for query, names in rows("""
        label:Work | order
        label:work | order
        in:work | order
        label:"Work/Клиенты & Co." | links
        label:work-клиенты-co. | links
        label:work/клиенты-&-co. | links
        label:recus-d-achat | fields
        label:"reçus d'achat" | fields
        label:{work recus-d-achat} | order fields
        -label:work has:userlabels | links fields
        label:work -shipped |
        has:userlabels | order links fields
    """):
        assert found(client, query) == names, query


def test_mail_is_found_as_soon_as_it_is_fetched_and_not_after_it_is_deleted(
    client: httpx.Client, stack: Stack
) -> None:
    message_id = stack.mailbox.insert(mail("late", "a quokka"), message_id="late0000")
    stack.sync()
    assert found(client, "quokka") == {"late"}

    stack.mailbox.delete(message_id)
    stack.sync()
    assert found(client, "quokka") == set()
    assert found(client, "in:anywhere late") == set()
