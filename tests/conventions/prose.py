"""Plain English: what no comment, message or page of the project may say.

A sentence has at most 25 words. Some words are banned, each with the words to use in its place.
"""

import ast
import re
import tomllib
from collections.abc import Iterator

LONGEST_SENTENCE = 25
# Pattern → what to write instead.
BANNED = {
    r"who(?:m|so)?ever": "every caller that, the user who",
    r"anew": "again",
    r"(?<!there )(?:is|are|was|were) no (?!longer\b)": "is not a",
    r"t(?:ell|ells|old|elling)": "says, reports, returns",
    r"by now": "now, already",
    r"at hand": "name the thing",
    r"so that nobody": "so that no caller",
    r"stands? for": "means, represents",
    r"alone(?! among)": "only",
}
_BANNED = {re.compile(rf"\b{words}", re.I): instead for words, instead in BANNED.items()}
_WORD = re.compile(r"\S*\w\S*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n\s*\n")


def faults(text: str) -> list[str]:
    """What is wrong with a text, a line for each fault; blank lines part paragraphs."""
    return [*_long_sentences(text), *_banned_words(text)]


def sentences(text: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(text):
        if sentence.strip():
            yield " ".join(sentence.split())


def _long_sentences(text: str) -> Iterator[str]:
    for sentence in sentences(text):
        words = len(_WORD.findall(sentence))
        if words > LONGEST_SENTENCE:
            yield f"{words} words: {sentence}"


def _banned_words(text: str) -> Iterator[str]:
    for sentence in sentences(text):
        for pattern, instead in _BANNED.items():
            if found := pattern.search(sentence):
                yield f"“{found[0].strip()}” (write: {instead}): {sentence}"


def sql_prose(text: str) -> Iterator[str]:
    """The comments of SQL, a block each, and its string constants of three words or more."""
    for block in re.findall(r"(?:^[ ]*--.*\n)+", text, re.M):
        yield re.sub(r"^[ ]*--[ ]?", "", block, flags=re.M)
    for constant in re.findall(r"'(?:[^']|'')*'(?:\s*\n\s*'(?:[^']|'')*')*", _uncommented(text)):
        words = re.sub(r"'\s*\n\s*'", "", constant)[1:-1].replace("''", "'")
        if len(_WORD.findall(words)) >= 3:
            yield words


def _uncommented(text: str) -> str:
    return re.sub(r"--.*", "", text)


def python_prose(source: str) -> Iterator[str]:
    """The docstrings and comments of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield _prose(ast.get_docstring(node) or "")
    for block in re.findall(r"(?:^[ ]*# (?!fmt:|type:|noqa).*\n)+", source, re.M):
        yield _prose(re.sub(r"^[ ]*#[ ]?", "", block, flags=re.M))


def toml_prose(source: str) -> Iterator[str]:
    """The texts of a file of words."""
    values: list[object] = [tomllib.loads(source)]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, str):
            yield value


def _prose(text: str) -> str:
    """Without drawings and tables; code is one word, and each item of a list is by itself."""
    text = re.sub(r"^.*[├└│─▶].*$", "", re.sub(r"`[^`]*`", "code", text), flags=re.M)
    # The columns of a table are at least two spaces apart.
    text = re.sub(r"^(.*\S {2,}\S.*| {12,}\S.*)$", "", text, flags=re.M)
    return re.sub(r"\n(?=\s*[-*] )", "\n\n", text)
