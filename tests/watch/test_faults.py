"""The fault board: each fault once, by its name, with words for people; and no reason of the link without a fault."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.events import EventBus, FaultEvent
from host_bridge.hub import connection
from host_bridge.watch.faults import _LINK_FAULTS, FaultBoard
from host_bridge.watch.texts import FAULT_TEXTS
from hublink.fault_table import BY_NUMBER, ERROR, FAULTS, NOTICE, NUMBER_OF, WARNING
from hublink.frame import FRAMING_VERSION

ROOT = Path(__file__).resolve().parents[2]
CODES = [entry[1] for entry in FAULTS]
WORD = re.compile(r"[a-z]+(_[a-z]+)*")


class Seen(EventBus):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[tuple[str, bool]] = []

    def publish(self, event: object) -> None:
        assert isinstance(event, FaultEvent)
        self.faults.append((event.fault.code, event.active))


def board() -> tuple[FaultBoard, Seen]:
    seen = Seen()
    return FaultBoard(seen, lambda: datetime(2026, 11, 22, tzinfo=UTC)), seen


def active(faults: FaultBoard) -> list[str]:
    return [fault.code for fault in faults.active()]


def test_every_fault_has_words_in_both_languages_and_no_other_has() -> None:
    assert sorted(FAULT_TEXTS) == sorted(CODES)
    for text in FAULT_TEXTS.values():
        for sentence in (text.title, text.cause, text.remedy):
            assert sentence.en and sentence.zh
            assert not re.search(r"[\u4e00-\u9fff]", sentence.en)
            assert re.search(r"[\u4e00-\u9fff]", sentence.zh)


def test_numbers_and_codes_are_unique_and_fit_a_byte() -> None:
    assert len(set(CODES)) == len(FAULTS) == len(BY_NUMBER)
    assert all(0 < number < 256 and blinks > 0 for number, *_, blinks in FAULTS)


def test_a_fault_of_the_hub_stands_while_the_path_changes_and_only_then() -> None:
    faults, seen = board()
    faults.report_hub([NUMBER_OF["paper_end"]])
    faults.report_link("down", "changing_path")
    faults.report_link("up", None)
    faults.report_hub([NUMBER_OF["paper_end"]])
    assert seen.faults == [("paper_end", True)]
    faults.report_link("down", "changing_path")
    faults.report_link("down", "silent")
    assert active(faults) == ["hub_silent"]


def test_the_worst_comes_first() -> None:
    faults, _ = board()
    faults.report_hub(NUMBER_OF[code] for code in ("drawer_left_open", "paper_near_end", "cutter", "paper_end"))
    faults.report_bridge("journal_full", True)

    assert active(faults) == ["paper_end", "cutter", "journal_full", "paper_near_end", "drawer_left_open"]


@given(st.lists(st.sets(st.integers(0, 255)), max_size=10))
def test_whatever_the_hub_reports_each_change_is_told_once(reports: list[set[int]]) -> None:
    faults, seen = board()
    told: set[str] = set()
    rank = {ERROR: 0, WARNING: 1, NOTICE: 2}
    for numbers in reports:
        codes = faults.report_hub(numbers)
        assert codes == {BY_NUMBER[number][1] for number in numbers if number in BY_NUMBER}
        for code, begins in seen.faults:
            assert begins != (code in told)
            told ^= {code}
        seen.faults.clear()
        assert told == codes == set(active(faults))
        order = [(rank[fault.severity], NUMBER_OF[fault.code]) for fault in faults.active()]
        assert order == sorted(order)


def test_a_fault_that_two_report_stays_until_both_have_taken_it_back() -> None:
    faults, seen = board()
    faults.report_hub([NUMBER_OF["journal_full"]])
    faults.report_bridge("journal_full", True)
    faults.report_hub([])
    assert active(faults) == ["journal_full"]
    assert faults.report_bridge("journal_full", False) == b""
    assert active(faults) == []
    assert seen.faults == [("journal_full", True), ("journal_full", False)]


def test_the_numbers_for_the_led_are_those_of_the_bridge() -> None:
    faults, _ = board()
    faults.report_hub([1])
    assert faults.report_bridge("journal_full", True) == bytes((NUMBER_OF["journal_full"],))
    assert faults.codes("bridge") == {"journal_full"}


def test_while_the_link_is_down_the_hubs_faults_are_not_known() -> None:
    faults, _ = board()
    faults.report_hub([1, 2])
    faults.report_bridge("journal_full", True)
    faults.report_link("down", "port_vanished")
    assert set(active(faults)) == {"port_missing", "journal_full"}
    faults.report_link("down", "silent")
    assert set(active(faults)) == {"hub_silent", "journal_full"}
    faults.report_link("up", None)
    assert active(faults) == ["journal_full"]


@pytest.mark.parametrize("reason", [None, "", "something new"])
def test_a_reason_nobody_has_named_is_a_fault_of_the_link(reason: str | None) -> None:
    faults, _ = board()
    faults.report_link("down", reason)
    assert active(faults) == ["link_error"]


@pytest.mark.parametrize("reason", ["starting", "stopped"])
def test_looking_for_the_hub_and_having_stopped_are_no_faults(reason: str) -> None:
    faults, _ = board()
    faults.report_link("down", reason)
    assert active(faults) == []


@pytest.mark.parametrize("reason", ["version_mismatch", "bridge_too_old"])
def test_a_hub_that_is_newer_than_its_bridge_asks_for_a_newer_bridge(reason: str) -> None:
    assert FRAMING_VERSION == 1  # from 2 on a foreign framing may also be an older one, and the connection has to tell
    faults, _ = board()
    faults.report_link("down", reason)
    assert active(faults) == ["bridge_too_old"]


def test_a_hub_that_is_heard_is_not_called_silent() -> None:
    faults, _ = board()
    faults.report_link("down", "no_answer")
    assert active(faults) == ["hub_deaf"]


def test_every_reason_leads_to_a_fault_that_exists() -> None:
    assert {code for code in _LINK_FAULTS.values() if code} <= set(CODES)


def test_every_reason_that_the_link_can_give_is_mapped() -> None:
    """Read from the source: what is given as a code to CloseReason, TransportError, `_end`, `_go_down` and the like."""
    given: set[str] = set()
    files = [*(ROOT / "host_bridge" / "hub").glob("*.py"), ROOT / "firmware" / "hublink" / "link.py"]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                first = node.args[0]
                branches = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
                if name in ("CloseReason", "TransportError", "_end", "_go_down", "_fail", "TransportFull"):
                    given |= {str(arg.value) for arg in branches if isinstance(arg, ast.Constant)}
    given |= {str(code) for code in (*connection.HUB_REASONS, *connection.UNHEARD_REASONS)}
    # `closed` is our own doing, as `stopped`; `next_candidate` is told to nobody.
    given = {code for code in given if WORD.fullmatch(code)} - {"closed", "next_candidate"}
    assert len(given) > 10
    unmapped = given - set(_LINK_FAULTS)
    assert unmapped <= {"io_error"}, unmapped  # shown as link_error
