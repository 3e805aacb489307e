"""The indicator service: what the LED shows, in light and words; the bridge's own faults reach it in each session."""

from __future__ import annotations

import pytest

from host_bridge.devices.indicator import IndicatorService
from host_bridge.events import IndicatorEvent
from host_bridge.watch.texts import FAULT_TEXTS, PATTERN_TEXTS
from hublink import light
from hublink.fault_table import FAULTS, NUMBER_OF
from hublink.words import PATTERNS
from tests.devices.bench import Events, Link
from tests.firmware.virtual_time import in_virtual_time


def started() -> tuple[IndicatorService, Link, Events]:
    link, events = Link(), Events()
    return IndicatorService(link, events.bus), link, events


def test_while_the_link_is_down_it_says_what_a_hub_would_show_and_that_it_does_not_know() -> None:
    service, _, _ = started()
    state = service.state()
    assert (state.pattern, state.known) == ("waiting", False)
    assert state.meaning == PATTERN_TEXTS["waiting"]


@in_virtual_time
async def test_what_the_hub_shows_is_told_in_words_and_light() -> None:
    service, link, events = started()
    link.is_up = True
    for entry in FAULTS:
        service.on_shown(light.PATTERN_FAULT, entry[0])
        state = service.state()
        assert state.pattern == f"fault:{entry[1]}"
        assert state.meaning == FAULT_TEXTS[entry[1]].title
        flashes = list(state.steps[::2])
        assert len(flashes) == entry[4]
    assert len(events.of(IndicatorEvent)) == len(FAULTS)


@pytest.mark.parametrize(("pattern", "fault"), [(99, 0), (light.PATTERN_FAULT, 250), (255, 255)])
def test_what_a_newer_hub_shows_does_not_break_an_older_bridge(pattern: int, fault: int) -> None:
    service, link, _ = started()
    link.is_up = True
    service.on_shown(pattern, fault)
    assert service.state().steps


def test_every_pattern_has_words() -> None:
    service, link, _ = started()
    link.is_up = True
    for number, name in enumerate(PATTERNS):
        if name != "fault":
            service.on_shown(number, 0)
            assert service.state().meaning == PATTERN_TEXTS[name]


@in_virtual_time
async def test_the_bridges_faults_are_sent_again_in_each_session() -> None:
    service, link, _ = started()
    numbers = bytes((NUMBER_OF["journal_full"],))
    service.want(numbers)
    assert link.sent == []
    for _ in range(2):
        link.is_up = True
        service.link_up()
        assert link.sent[-1] == ("show", numbers)
        link.is_up = False
        service.link_down()
        assert service.state().known is False
    assert len(link.sent) == 2
