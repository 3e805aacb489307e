"""The indicator: what the hub's LED shows, in light and in words."""

from __future__ import annotations

from host_bridge.devices.link import DeviceLink
from host_bridge.events import EventBus, IndicatorEvent
from host_bridge.state import IndicatorState, LightStep, Text
from host_bridge.watch.texts import FAULT_TEXTS, PATTERN_TEXTS
from hublink import light
from hublink.fault_table import BY_NUMBER
from hublink.words import PATTERNS


class IndicatorService:
    def __init__(self, link: DeviceLink, events: EventBus) -> None:
        self._link = link
        self._events = events
        self._shown = (light.PATTERN_STARTING, 0)
        self._wanted = b""

    def state(self) -> IndicatorState:
        """While the link is down: what a hub with power shows then."""
        pattern, fault = self._shown if self._link.is_up else (light.PATTERN_WAITING, 0)
        entry = BY_NUMBER.get(fault) if pattern == light.PATTERN_FAULT else None
        name = PATTERNS[pattern] if pattern < len(PATTERNS) else "unknown"
        return IndicatorState(
            pattern=f"fault:{entry[1]}" if entry else name,
            known=self._link.is_up,
            meaning=FAULT_TEXTS[entry[1]].title if entry else PATTERN_TEXTS.get(name, Text("unknown", "未知")),
            steps=[LightStep(f"#{colour:06x}", ms) for colour, ms in light.steps(pattern, fault)],
        )

    def want(self, numbers: bytes) -> None:
        """Faults that only the bridge knows of, for the LED to show: the desired state, sent again each session."""
        self._wanted = numbers
        self._link.send("show", numbers)

    def link_up(self) -> None:
        self._link.send("show", self._wanted)
        self._tell()

    def link_down(self) -> None:
        self._shown = (light.PATTERN_WAITING, 0)
        self._tell()

    def on_shown(self, pattern: int, fault: int) -> None:
        self._shown = (pattern, fault)
        self._tell()

    def _tell(self) -> None:
        self._events.publish(IndicatorEvent(indicator=self.state()))
