"""Names that strangers give their files."""

import pytest

from service.api.download import download, safe_name


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("a\r\nSet-Cookie: x=1", "a__Set-Cookie_ x=1"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("..", "part.eml"),
        ("", "part.eml"),
        ("\x00\x07", "part.eml"),
        ("folder/", "part.eml"),
        (".bashrc", "bashrc"),
        ("Отчёт 7.xlsx", "Отчёт 7.xlsx"),
        ("x" * 500 + ".pdf", "x" * 116 + ".pdf"),
        ("y" * 500, "y" * 120),
    ],
)
def test_a_file_is_named_safely(given: str, safe: str) -> None:
    assert safe_name(given, "part", "message/rfc822") == safe


def test_a_header_holds_no_more_than_a_name() -> None:
    answer = download(b"", "text/html\r\nX: y", 'a"b\\c%41;é\r\n.txt')
    headers = answer.headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == (
        'attachment; filename="a_b_c_41;___.txt"; '
        "filename*=UTF-8''a%22b%5Cc%2541%3B%C3%A9%0D%0A.txt"
    )
