"""The table of errors in service/handbook/rest-api.md names each code that the API answers with."""

import re

from tests.handbook.handbook import ROOT

# problem(404, "no_such_sync", …) and the tables of service/api/problems.py.
CODE = re.compile(r"""\(\s*[45]\d\d,\s*"([a-z_]+)\"""")


def test_each_code_is_explained() -> None:
    sources = sorted((ROOT / "service/api").rglob("*.py"))
    codes = {code for source in sources for code in CODE.findall(source.read_text())}
    page = (ROOT / "service/handbook/rest-api.md").read_text()
    assert len(codes) > 20
    assert codes - set(re.findall(r"`(\w+)`", page)) == set()
