"""What outlives a reset: counted boots and the crumb, in a chip's memory or in four words."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware" / "hub"
SCRATCH0 = 0x4005800C
PWRON_RESET, WDT_RESET = 1, 3


class Chip:
    """An RP2040 as far as survival.py looks at it."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.cause = PWRON_RESET

    def boot(self, cause: int = WDT_RESET) -> Any:
        """A new life's survival module, after its boot was counted."""
        self.cause = cause
        chip = self

        class Memory:
            def __getitem__(self, address: int) -> int:
                return chip.words.get(address, 0)

            def __setitem__(self, address: int, word: int) -> None:
                assert 0 <= word < 1 << 32 and address in range(SCRATCH0, SCRATCH0 + 16, 4)
                chip.words[address] = word

        machine: Any = types.ModuleType("machine")
        machine.RTC = type("RTC", (), {})
        machine.mem32 = Memory()
        machine.reset_cause = lambda: chip.cause
        machine.PWRON_RESET, machine.WDT_RESET = PWRON_RESET, WDT_RESET
        module = _load(machine)
        module.count_boot()
        return module


def _load(machine: types.ModuleType) -> Any:
    aside: dict[str, types.ModuleType] = {
        name: sys.modules.pop(name) for name in ("machine", "hub.survival") if name in sys.modules
    }
    sys.modules["machine"] = machine
    try:
        return importlib.import_module("hub.survival")
    finally:
        for name in ("machine", "hub.survival"):
            sys.modules.pop(name, None)
        sys.modules.update(aside)


def crumbs() -> Iterator[tuple[str, str]]:
    """All that the supervisor can leave: (kind, task:step) from the firmware's own text."""
    tasks, steps = set(), set()
    for path in FIRMWARE.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        tasks |= set(re.findall(r"(?:supervisor\.|\s)add\(\"(\w+)\"", text))
        steps |= set(re.findall(r"\.work\(\"(\w+)\"\)", text))
    assert len(tasks) >= 10 and len(steps) >= 8
    for task in sorted(tasks):
        yield "reset", f"failing:{task}"
        for step in sorted(steps):
            yield "hang", f"{task}:{step}"


def test_each_crumb_of_the_supervisor_comes_back_from_four_words_as_it_was() -> None:
    ends = itertools.cycle(("", ":0s", ":61s", ":86400000s"))
    for (kind, what), end in zip(crumbs(), ends, strict=False):
        chip = Chip()
        chip.boot(PWRON_RESET).leave_crumb(f"{kind}:{what}{end}")
        assert chip.boot().last_crumb() == f"{kind}:{what}{end}"


def test_a_word_that_no_table_has_becomes_a_question_mark() -> None:
    chip = Chip()
    chip.boot(PWRON_RESET).leave_crumb("hang:dancer:pirouette:7s")
    assert chip.boot().last_crumb() == "hang:?:?:7s"


def test_a_crumb_is_read_once_and_boots_are_counted() -> None:
    chip = Chip()
    chip.boot(PWRON_RESET).leave_crumb("hang:scanner:scan:7s")
    assert (chip.boot().boots(), chip.boot().boots(), chip.boot().last_crumb()) == (2, 3, "")


def test_five_quick_boots_are_safe_mode_and_a_settled_life_starts_the_count_anew() -> None:
    chip = Chip()
    lives = [chip.boot() for _ in range(5)]
    assert [life.wants_safe_mode() for life in lives] == [False, False, False, False, True]
    lives[-1].has_settled()
    assert not chip.boot().wants_safe_mode()


def test_a_power_cut_leaves_nothing() -> None:
    chip = Chip()
    chip.boot(PWRON_RESET).leave_crumb("hang:scanner:scan:7s")
    chip.words.clear()
    life = chip.boot(PWRON_RESET)
    assert (life.boots(), life.last_crumb(), life.reset_cause()) == (1, "", 1)


@pytest.mark.parametrize(
    ("crumb", "cause"), [("reset:failing:scanner", 3), ("hang:scanner:scan:7s", 2)], ids=["asked for", "watchdog"]
)
def test_a_reset_that_was_asked_for_is_told_from_the_watchdogs(crumb: str, cause: int) -> None:
    chip = Chip()
    chip.boot(PWRON_RESET).leave_crumb(crumb)
    assert chip.boot().reset_cause() == cause


@given(st.lists(st.integers(0, (1 << 32) - 1), min_size=4, max_size=4))
def test_rubbish_in_the_words_is_no_crumb(words: list[int]) -> None:
    chip = Chip()
    chip.words = dict(zip(range(SCRATCH0, SCRATCH0 + 16, 4), words, strict=True))
    life = chip.boot(PWRON_RESET)
    assert (life.boots(), life.last_crumb()) == (1, "")


@given(st.text(max_size=60))
def test_no_crumb_breaks_the_memory(crumb: str) -> None:
    chip = Chip()
    chip.boot(PWRON_RESET).leave_crumb(crumb)
    assert chip.boot().boots() == 2


def test_how_often_is_counted_as_long_as_it_is_the_same_and_kept_over_lives_that_end_in_order() -> None:
    chip = Chip()
    chip.boot(PWRON_RESET).leave_crumb("hang:scanner:scan:7s")
    again = chip.boot()
    assert again.last_crumb() == "hang:scanner:scan:7s"
    again.has_settled()
    assert chip.boot().last_crumb() == ""  # that life ended in order
    chip.boot().leave_crumb("hang:scanner:scan:9s")
    assert chip.boot().last_crumb() == "hang:scanner:scan:9s:2x"
    chip.boot().leave_crumb("late:scanner:scan:9s")
    assert chip.boot().last_crumb() == "late:scanner:scan:9s"


def test_a_count_has_an_end() -> None:
    chip = Chip()
    life = chip.boot(PWRON_RESET)
    for _ in range(1200):
        life.leave_crumb("reset:failing:scanner_trigger")
    assert chip.boot().last_crumb() == "reset:failing:scanner_trigger:999x"


def test_boots_crumb_and_count_come_back_from_an_esp32s_memory_too() -> None:
    chip = Chip()
    kept = [b""]

    def memory(_self: Any, data: bytes | None = None) -> bytes | None:
        if data is None:
            return kept[0]
        kept[0] = bytes(data)
        return None

    lives = []
    for crumb in ("hang:scanner:scan:7s", "hang:scanner:scan:8s", ""):
        machine: Any = types.ModuleType("machine")
        machine.RTC = type("RTC", (), {"memory": memory})
        machine.reset_cause, machine.PWRON_RESET, machine.WDT_RESET = (lambda: chip.cause), PWRON_RESET, WDT_RESET
        life = _load(machine)
        lives.append((life.boots(), life.last_crumb()))
        life.leave_crumb(crumb)
    assert lives == [(1, ""), (2, "hang:scanner:scan:7s"), (3, "hang:scanner:scan:8s:2x")]


@pytest.mark.parametrize("kept", [b"x", b"\xff" * 16, b"\0" * 16, "é".encode()[:1] * 44])
def test_rubbish_in_an_esp32s_memory_is_no_crumb(kept: bytes) -> None:
    machine: Any = types.ModuleType("machine")
    machine.RTC = type("RTC", (), {"memory": lambda _self, data=None: kept})
    machine.reset_cause, machine.PWRON_RESET, machine.WDT_RESET = (lambda: 1), PWRON_RESET, WDT_RESET
    life = _load(machine)
    assert (life.boots(), life.last_crumb()) == (1, "")
