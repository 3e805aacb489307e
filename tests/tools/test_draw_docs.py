"""The drawn documents are current and say what the tables say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from host_bridge.watch.texts import FAULT_TEXTS
from hublink.fault_table import FAULTS, NUMBER_OF
from hublink.faults import worst
from hublink.light import AMBER, PATTERN_FAULT, RED, steps
from tools import draw_docs

CARDS = {language: draw_docs.led_card(language) for language in draw_docs.LANGUAGES}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("path", "text"), list(draw_docs.documents()), ids=lambda value: getattr(value, "name", ""))
def test_each_document_is_current(path: object, text: str) -> None:
    from pathlib import Path

    assert isinstance(path, Path)
    assert path.read_text(encoding="utf-8") == text, "run: .venv/bin/python -m tools.draw_docs"


@pytest.mark.parametrize("language", draw_docs.LANGUAGES)
def test_the_card_names_every_fault_that_the_light_can_show(language: draw_docs.Language) -> None:
    said = "".join(each.text or "" for each in ET.fromstring(CARDS[language]).iter(f"{SVG}text"))
    for number, code, *_ in FAULTS:
        if number < 60 and code not in draw_docs.SHOWN_OTHERWISE:
            text = FAULT_TEXTS[code]
            for sentence in (text.title, text.remedy):
                wanted = sentence.zh if language == "zh" else sentence.en
                assert wanted.replace(" ", "") in said.replace(" ", ""), code


def test_no_line_of_the_card_runs_over_its_edge() -> None:
    for card in CARDS.values():
        for each in ET.fromstring(card).iter(f"{SVG}text"):
            if each.get("text-anchor") is None:
                breadth = draw_docs._breadth(each.text or "", float(each.get("font-size", "0")))
                assert float(each.get("x", "0")) + breadth <= draw_docs.WIDTH


def test_a_row_shows_as_many_flashes_as_the_table_says() -> None:
    for number, _, _, severity, blinks in FAULTS:
        counted = RED if severity == "error" else AMBER
        assert [colour for colour, _ in steps(PATTERN_FAULT, number)].count(counted) == blinks


def test_one_light_never_means_two_things() -> None:
    shown = [
        steps(PATTERN_FAULT, number)
        for number, code, *_ in FAULTS
        if number < 60 and code not in draw_docs.SHOWN_OTHERWISE
    ]
    assert len(shown) == len(set(shown))


def test_a_device_that_is_left_out_shows_as_a_wrong_board_file() -> None:
    for code in draw_docs.SHOWN_OTHERWISE[1:]:
        assert worst([NUMBER_OF[code], NUMBER_OF["board_file"]]) == NUMBER_OF["board_file"]


def test_the_table_has_a_row_for_each_fault_in_both_languages() -> None:
    table = draw_docs.faults_table()
    rows = [line for line in table.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == len(FAULTS)
    assert all(row.count("|") == 8 for row in rows)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 100, []),
        ("one two", 1000, ["one two"]),
        ("one two three", 30, ["one", "two", "three"]),
        ("请合上机盖。", 50, ["请合上机盖。"]),  # no line begins with a full stop
        ("unbreakablewordthatislong", 10, ["unbreakablewordthatislong"]),
    ],
)
def test_wrapping(text: str, width: float, lines: list[str]) -> None:
    assert draw_docs._wrap(text, width, 10) == lines
