"""Every kind of light that a board file may name shows the patterns on its pins."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

from host_bridge.boards.schema import Indicator
from hublink.fault_table import NUMBER_OF
from hublink.light import PATTERN_FAULT, PATTERN_READY, PATTERN_WAITING, WHITE, steps

MODULES = ("hub.lights", "hub.pin_lights", "hub.pixel_light")


class Pin:
    """Keeps what was driven onto it."""

    OUT = 1
    pins: dict[object, Pin] = {}

    def __init__(self, name: object, mode: int, value: int = 0) -> None:
        self.level = value
        self.pins[name] = self

    def value(self, level: int) -> None:
        self.level = level


class NeoPixel(list[Any]):
    def __init__(self, pin: Pin, count: int) -> None:
        super().__init__([None] * count)
        self.shown: list[Any] = []
        pin.level = self  # type: ignore[assignment] # the test looks here for the strip

    def write(self) -> None:
        self.shown = list(self)


@pytest.fixture
def lights(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """hub/lights.py on pins that can be looked at."""
    for name, member in (("machine", Pin), ("neopixel", NeoPixel)):
        module = ModuleType(name)
        setattr(module, member.__name__, member)
        monkeypatch.setitem(sys.modules, name, module)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    Pin.pins = {}
    yield importlib.import_module("hub.lights")
    for name in MODULES:
        sys.modules.pop(name, None)


def seen(light: Any, pin: object, pattern: int, fault: str = "") -> list[tuple[int, int]]:
    """(level, milliseconds) of one round on a pin."""
    levels = []
    for colour, span_ms in steps(pattern, NUMBER_OF.get(fault, 0)):
        light.show(colour)
        levels.append((Pin.pins[pin].level, span_ms))
    return levels


def test_the_board_file_may_name_exactly_the_kinds_that_the_hub_has(lights: Any) -> None:
    kinds = set(get_args(get_type_hints(Indicator)["kind"]))
    assert kinds == set(lights.KINDS)


def test_a_one_colour_light_tells_ready_warning_and_fault_apart(lights: Any) -> None:
    light = lights.open_light({"kind": "mono", "pin": 7})
    assert {level for level, _ in seen(light, 7, PATTERN_READY)} == {1}
    fault = seen(light, 7, PATTERN_FAULT, "paper_end")
    warning = seen(light, 7, PATTERN_FAULT, "paper_near_end")
    assert fault == [(1, 150), (0, 150), (1, 150), (0, 900)]
    assert warning == [(0, 150), (1, 150), (0, 150), (1, 900)]
    assert {level for level, _ in seen(light, 7, PATTERN_WAITING)} == {0, 1}


def test_a_light_that_is_on_when_low_is_turned_round(lights: Any) -> None:
    light = lights.open_light({"kind": "mono", "pin": 7, "active_level": 0})
    assert Pin.pins[7].level == 1
    light.show(WHITE)
    assert Pin.pins[7].level == 0


def test_the_on_board_led_goes_by_its_name(lights: Any) -> None:
    light = lights.open_light({"kind": "onboard"})
    light.show(WHITE)
    assert Pin.pins["LED"].level == 1


def test_a_ws2812_shows_the_colour_at_a_quarter(lights: Any) -> None:
    light = lights.open_light({"kind": "ws2812", "pin": 48})
    strip: Any = Pin.pins[48].level
    assert strip.shown == [(0, 0, 0)]
    light.show(0xFF8000)
    assert strip.shown == [(63, 32, 0)]


def test_an_unknown_kind_says_which_there_are(lights: Any) -> None:
    with pytest.raises(ValueError, match="mono"):
        lights.open_light({"kind": "laser"})
