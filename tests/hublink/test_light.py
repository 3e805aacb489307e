"""The LED's steps: every state can be told from every other, also without colour."""

from __future__ import annotations

from hublink import light
from hublink.fault_table import ERROR, FAULTS
from hublink.words import PATTERNS


def brightness(steps: tuple[tuple[int, int], ...]) -> tuple[tuple[bool, int], ...]:
    """What somebody sees who sees no colours: lit or dark, and for how long."""
    return tuple((colour != light.OFF, span_ms) for colour, span_ms in steps)


def test_every_pattern_and_fault_has_steps_that_take_time() -> None:
    for pattern in range(256):
        assert sum(span_ms for _, span_ms in light.steps(pattern, 999)) > 0
    for number, *_ in FAULTS:
        steps = light.steps(light.PATTERN_FAULT, number)
        assert all(0 <= colour <= 0xFFFFFF and 0 < span_ms <= 1000 for colour, span_ms in steps)


def test_a_fault_flashes_as_often_as_its_table_says() -> None:
    for number, _, _, severity, blinks in FAULTS:
        flash = light.RED if severity == ERROR else light.AMBER
        assert [colour for colour, _ in light.steps(light.PATTERN_FAULT, number)].count(flash) == blinks


def test_patterns_differ_without_colour() -> None:
    shown = [brightness(light.steps(pattern)) for pattern in range(len(PATTERNS)) if pattern != light.PATTERN_FAULT]
    shown.append(brightness(light.steps(light.PATTERN_FAULT, 1)))
    assert len(set(shown)) == len(shown)


def test_an_unknown_pattern_or_fault_is_dark() -> None:
    assert light.steps(99) == light.steps(light.PATTERN_OFF)
    assert light.steps(light.PATTERN_FAULT, 200) == light.steps(light.PATTERN_OFF)
