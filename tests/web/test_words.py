"""The words in both languages, and who uses them."""

import re
from pathlib import Path

import pytest

from service.i18n.translator import Message, preferred_translator, translator

SERVICE = Path(__file__).parents[2] / "service"


def forms(word: Message) -> dict[str, str]:
    return {"": word} if isinstance(word, str) else dict(word)


def placeholders(word: Message) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", " ".join(forms(word).values())))


def sources() -> str:
    files = [
        path
        for room in ("web", "api", "i18n")
        for ending in ("html", "js", "py")
        for path in (SERVICE / room).rglob(f"*.{ending}")
    ]
    return "\n".join(path.read_text("utf-8") for path in files)


def keys_in(text: str) -> set[str]:
    """Keys, and beginnings of keys, that are asked for: all strings that begin with a section."""
    sections = "|".join({key.partition(".")[0] for key in translator("en").messages})
    found = set(re.findall(rf"""["`]((?:{sections})\.[\w.]*)""", text))
    files = {key for key in found if key.endswith((".html", ".js", ".css"))}
    return found - files


def test_both_languages_have_the_same_words_with_the_same_values() -> None:
    english, chinese = translator("en").messages, translator("zh-Hans").messages
    assert english.keys() == chinese.keys()
    for key, word in english.items():
        assert placeholders(word) == placeholders(chinese[key]), key
        assert all(form.strip() for form in [*forms(word).values(), *forms(chinese[key]).values()])


def test_whatever_counts_has_a_form_for_others() -> None:
    for words in (translator("en").messages, translator("zh-Hans").messages):
        for key, word in words.items():
            if not isinstance(word, str):
                assert "other" in word, key
                assert "count" in placeholders(word), key


def test_each_word_that_is_asked_for_exists() -> None:
    words = translator("en").messages
    asked = keys_in(sources())
    assert len(asked) > 10
    for key in asked:
        if key.endswith("."):
            assert any(each.startswith(key) for each in words), key
        else:
            assert key in words, key


def test_each_word_is_asked_for() -> None:
    asked = keys_in(sources())
    beginnings = tuple(key for key in asked if key.endswith("."))
    assert {key for key in translator("en").messages if key not in asked} == {
        key for key in translator("en").messages if key not in asked and key.startswith(beginnings)
    }


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-Hans-CN", "zh-Hans"),
        ("zh-TW,en-US;q=0.7", "zh-Hans"),
        ("ZH-cn", "zh-Hans"),
        ("en;q=0.5, zh;q=0.6", "zh-Hans"),
        ("de,fr;q=0.9,zh;q=0.1", "zh-Hans"),
        ("zh;q=0,de", "en"),
        ("en,zh", "en"),
        ("de", "en"),
        ("*", "en"),
        ("zhx", "en"),
        ("zh;q=2", "en"),
        (", ;;q=, zh;q=0.1", "zh-Hans"),
        ("zh" * 5000, "en"),
    ],
)
def test_the_browser_chooses_the_language(accepted: str, tag: str) -> None:
    assert preferred_translator(accepted).tag == tag


def test_numbers_are_grouped_within_a_sentence() -> None:
    assert translator("en").format(4150) == "4,150"
    assert translator("en").translate("common.signed_in_as", user="{ann}") == "Signed in as {ann}"
