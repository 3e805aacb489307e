"""Two links and one session: the newest OPEN wins, and what it opens on is not older than what ended."""

from __future__ import annotations

from typing import Any

from hublink.link import BRIDGE, HUB, Link
from hublink.paths import Paths
from tests.hublink.pair import hello, profile

STEP_MS = 10


class TwoPaths:
    """A hub with two links, a bridge's link at the other end of each, wires that lose nothing."""

    def __init__(self) -> None:
        self.now = 1000
        self.hello = hello()
        self.hubs = [Link(HUB, profile(), hello=lambda: dict(self.hello)) for _ in range(2)]
        self.bridges = [Link(BRIDGE, profile(), session=number) for number in (11, 22)]
        self.paths = Paths(self.hubs)
        self.events: list[tuple[Any, ...]] = []
        self.bridge_events: list[tuple[int, tuple[Any, ...]]] = []
        self.bridges[1].stand_by(True, self.now)
        for link in (*self.hubs, *self.bridges):
            link.start(self.now)

    def run(self, span_ms: int) -> None:
        for _ in range(span_ms // STEP_MS):
            self.now += STEP_MS
            for number, (hub, bridge) in enumerate(zip(self.hubs, self.bridges, strict=True)):
                for near, far in ((hub, bridge), (bridge, hub)):
                    near.handle_timer(self.now)
                    while coded := near.data_to_send(self.now):
                        far.receive(coded, self.now)
                while (event := bridge.next_event()) is not None:
                    self.bridge_events.append((number, event))
            while (said := self.paths.next_event(self.now)) is not None:
                self.events.append(said)
                if said[0] == "down":
                    self.hello["scan_next"] = 9  # the owner has settled what the session left

    def kinds(self) -> list[str]:
        return [event[0] for event in self.events if event[0] in ("up", "down")]


def test_only_one_path_has_the_session_and_the_other_stands_by() -> None:
    two = TwoPaths()
    two.run(1500)
    assert two.kinds() == ["up"] and two.paths.session is two.hubs[0]
    assert [hub.is_up for hub in two.hubs] == [bridge.is_up for bridge in two.bridges] == [True, False]
    assert (1, "heard") in {(number, event[0]) for number, event in two.bridge_events}


def test_the_newest_open_ends_the_other_session_and_opens_with_fresh_cursors() -> None:
    two = TwoPaths()
    two.run(1500)
    two.bridges[0].stand_by(True, two.now)
    two.bridges[1].stand_by(False, two.now)
    two.run(1500)
    assert two.kinds() == ["up", "down", "up"] and two.paths.session is two.hubs[1]
    assert two.bridges[1].is_up and not two.hubs[0].is_up
    assert (0, ("down", "closed_by_peer")) in two.bridge_events
    assert two.bridges[1].peer["scan_next"] == 9, "the cursor of after the other session"
