"""A crumb says what died, where, and how often; as a sentence it says the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.watch.crumb import explain


@pytest.mark.parametrize(
    ("crumb", "words"),
    [
        ("hang:scanner:scan:61s", ("hung", "task scanner", "at scan", "61 s after")),
        ("hang:scanner:scan:61s:3x", ("hung", "task scanner", "3 times")),
        ("late:printer_watch:probe:5s", ("too long", "printer_watch", "probe")),
        ("reset:failing:drawer:2x", ("drawer", "again and again", "2 times")),
        ("hang:?:?:0s", ("outside of its tasks", "0 s after")),  # of firmware that could not tell
        ("hang:?:scan", ("outside",)),
        ("crash:main:MemoryError", ("could not start", "MemoryError")),
        ("something:new:here:1s:2x", ("something:new:here", "2 times")),
        ("printer_write: OSError", ("printer_write",)),  # of firmware that has no such words
    ],
)
def test_the_sentence_says_it_all(crumb: str, words: tuple[str, ...]) -> None:
    said = explain(crumb)
    assert said is not None and said.zh
    for word in words:
        assert word in said.en


@pytest.mark.parametrize("crumb", ["", "reset:prompt", "reset:asked", "reset:prompt:4x"])
def test_no_crash_is_no_sentence(crumb: str) -> None:
    assert explain(crumb) is None


@given(st.text(max_size=60))
def test_any_text_is_borne(crumb: str) -> None:
    said = explain(crumb)
    assert said is None or (said.en and said.zh)
