"""Why there is no session is told by what was heard. Clock and counts are laid out here: nothing is waited for."""

from __future__ import annotations

import pytest

from host_bridge.hub.hearing import Hearing

SILENT_MS, NO_ANSWER_MS = 2000, 6000


class Port:
    """What comes in, by a clock of its own that begins somewhere."""

    def __init__(self) -> None:
        self.now_ms = 5_000_000.0
        self.counted = {"frames_in": 0, "bytes_in": 0}
        self.hearing = Hearing(self.counted, silent_ms=SILENT_MS, no_answer_ms=NO_ANSWER_MS)
        self.hearing.begin(self.now_ms)

    def hear(self, **counts: int) -> None:
        for name, count in counts.items():
            self.counted[name] = self.counted.get(name, 0) + count
        self.hearing.note(self.now_ms)

    def listen(self, ms: int, *, good: int = 0, damaged: int = 0, hellos: int = 0) -> None:
        """So many frames each 100 ms."""
        for _ in range(ms // 100):
            self.now_ms += 100
            self.hear(error_checksum=damaged, bytes_in=80 * damaged)
            self.hear(frames_in=good, hellos=hellos, bytes_in=80 * good)

    def why(self, repl_seen: bool = False) -> str:
        return self.hearing.why_no_session(repl_seen, self.now_ms)[0]


def test_a_hub_that_says_hello_and_takes_no_answer_is_named_within_2_s() -> None:
    port = Port()
    port.listen(1500, good=1, hellos=1)
    assert port.why() == ""
    port.listen(500, good=1, hellos=1)
    assert port.why() == "no_answer"


def test_a_hub_in_an_old_session_is_given_its_time() -> None:
    port = Port()
    port.listen(2000, good=1)  # each is answered with CLOSE
    port.listen(1500, good=1, hellos=1)
    assert port.why() == ""
    port.listen(100, good=1, hellos=1)
    assert port.why() == "no_answer"


def test_frames_that_lead_to_nothing_are_named_in_the_end_whatever_they_are() -> None:
    port = Port()
    port.listen(5900, good=1)
    assert port.why() == ""
    port.listen(100, good=1)
    assert port.why() == "no_answer"


def test_one_hello_after_which_the_hub_is_busy_for_long_was_not_refused() -> None:
    port = Port()
    port.hear(frames_in=1, hellos=1)
    port.listen(1900)
    assert port.why() == ""


def test_on_standby_a_probe_is_unanswered_only_since_the_last_sign_of_life() -> None:
    port = Port()
    port.listen(10_000, good=1, hellos=1)
    port.hearing.begin(port.now_ms)
    port.listen(1500, good=1, hellos=1)
    assert port.why() == ""
    port.listen(100, good=1, hellos=1)
    assert port.why() == "no_answer"


@pytest.mark.parametrize(
    ("good", "damaged", "code"), [(1, 19, "checksum_errors"), (2, 3, "checksum_errors"), (2, 2, "no_answer")]
)
def test_damaged_frames_that_outnumber_the_good_ones_are_the_reason(good: int, damaged: int, code: str) -> None:
    port = Port()
    for _ in range(3):
        port.listen(2000, good=good, damaged=damaged, hellos=1)
        assert port.why() == code


def test_a_few_damaged_frames_do_not_take_the_hope() -> None:
    port = Port()
    port.hear(error_length=1, bytes_in=90)
    port.listen(2000, good=1)
    assert port.why() == ""


@pytest.mark.parametrize(
    ("then", "repl_seen", "code"),
    [
        ({}, False, "silent"),
        ({"text_bytes": 40, "bytes_in": 40}, False, "silent"),
        ({"text_bytes": 40, "bytes_in": 40}, True, "repl"),
        ({"error_checksum": 5, "bytes_in": 400}, False, "checksum_errors"),
        ({"error_version": 5, "bytes_in": 400}, False, "version_mismatch"),
    ],
)
def test_a_hub_that_was_heard_and_stops_is_told_by_what_came_since(
    then: dict[str, int], repl_seen: bool, code: str
) -> None:
    port = Port()
    port.hear(error_checksum=30)
    port.listen(1000, good=1, hellos=1)
    port.hear(**then)
    port.listen(2000)
    assert port.why(repl_seen) == code
