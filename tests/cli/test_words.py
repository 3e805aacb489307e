"""What the command line says."""

from __future__ import annotations

import string

import pytest

from host_bridge.cli.words import TABLE, Words, choose_language
from host_bridge.state import Text


@pytest.mark.parametrize("key", TABLE)
def test_both_languages_fill_in_the_same_values(key: str) -> None:
    english, chinese = TABLE[key]
    fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
    assert english
    assert chinese
    assert fields[0] == fields[1]


@pytest.mark.parametrize(
    ("name", "language"),
    [("zh_CN.UTF-8", "zh"), ("zh", "zh"), ("zh_TW", "zh"), ("Chinese (Simplified)_China.936", "zh")]
    + [("en_GB.UTF-8", "en"), ("C", "en"), ("de_DE", "en"), ("", "en")],
)
def test_chinese_where_the_locale_is_chinese_and_english_elsewhere(
    name: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(variable, name)
    monkeypatch.setattr("locale.getlocale", lambda: (None, None))
    assert choose_language(None) == language


def test_what_is_asked_for_goes_before_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert choose_language("en") == "en"


def test_a_word_of_a_newer_bridge_is_shown_as_it_is() -> None:
    assert Words("zh")("job.teleported") == "teleported"
    assert Words("zh").of(Text(en="Ready", zh="就绪")) == "就绪"
