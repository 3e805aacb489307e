"""Each reason that a person may see has words in both languages, and they fit into a sentence."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from host_bridge.cli.words import Words
from host_bridge.hub import connection
from host_bridge.watch.faults import _LINK_FAULTS
from host_bridge.watch.reasons import REASON_TEXTS
from hublink.words import ABORT_REASONS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("code", REASON_TEXTS)
def test_the_words_are_a_part_of_a_sentence_in_both_languages(code: str) -> None:
    text = REASON_TEXTS[code]
    assert text.en[0].islower() and not text.en.endswith(".") and not re.search("[\u4e00-\u9fff]", text.en)
    assert re.search("[\u4e00-\u9fff]", text.zh) and not text.zh.endswith("。")


def test_every_reason_of_link_job_and_kick_has_words() -> None:
    """Those of jobs and kicks are read from the source: `reason=` and the like in the device services."""
    known = {*_LINK_FAULTS, *connection.HUB_REASONS, *connection.UNHEARD_REASONS, *filter(None, ABORT_REASONS)}
    for file in (ROOT / "host_bridge" / "devices").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
                known.add(str(node.value.value))
    assert known - {"None"} <= REASON_TEXTS.keys(), known - REASON_TEXTS.keys()


def test_a_reason_of_a_newer_bridge_is_shown_as_it_is() -> None:
    assert Words("zh").reason("moonlight") == "moonlight"
    assert Words("en").reason("link_lost") == REASON_TEXTS["link_lost"].en
