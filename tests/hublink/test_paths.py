"""Two paths of one hub: one session, whichever came last, and an owner that sees ups and downs in turn."""

from __future__ import annotations

from typing import Any

from hublink.frame import ACK, CLOSE, HELLO, OPEN, PING, PONG
from hublink.hello import unpack_hello
from hublink.link import BRIDGE, HUB, STANDBY_HELLO_MS, Link
from hublink.messages import PRINTER
from hublink.paths import Paths
from tests.hublink.pair import hello, profile, read


class Two:
    """A hub with two paths and a bridge's link at the end of each."""

    def __init__(self) -> None:
        self.now = 1000
        self.received = 0  # the printer's cursor
        said: Any = lambda: hello(job_received_bytes=self.received)  # noqa: E731
        self.hubs = [Link(HUB, profile(), hello=said, held=(PRINTER,)) for _ in range(2)]
        self.paths = Paths(self.hubs)
        self.bridges = [Link(BRIDGE, profile(), session=session) for session in (70, 80)]
        self.events: list[Any] = []
        self.heard = 0
        self.bridges[1].stand_by(True, self.now)
        for link in (*self.hubs, *self.bridges):
            link.start(self.now)

    def settle(self) -> None:
        while (event := self.paths.next_event(self.now)) is not None:
            self.events.append(event[:1] if event[0] == "up" else event)

    def carry(self, *numbers: int) -> list[tuple[int, bool, int]]:
        """Let all pass on these paths: (path, from hub, type) of each frame."""
        passed = []
        busy = True
        while busy:
            busy = False
            for number in numbers:
                for link, other, from_hub in (
                    (self.hubs[number], self.bridges[number], True),
                    (self.bridges[number], self.hubs[number], False),
                ):
                    coded = link.data_to_send(self.now)
                    if coded:
                        busy = True
                        passed += [(number, from_hub, frame[0]) for frame in read(coded, from_hub)]
                        other.receive(coded, self.now)
                        self.settle()
                        while (event := self.bridges[number].next_event()) is not None:
                            self.heard += event[0] == "heard"
        return passed

    def later(self, ms: int) -> None:
        self.now += ms


def two_with_a_session() -> Two:
    two = Two()
    two.carry(0)
    assert two.paths.session is two.hubs[0] and two.events == [("up",)]
    two.carry(1)
    return two


def test_on_standby_a_hello_is_probed_both_ways_and_opens_nothing() -> None:
    two = two_with_a_session()
    two.later(STANDBY_HELLO_MS)
    before = two.heard
    assert two.carry(1) == [(1, True, HELLO), (1, False, PING), (1, True, PONG)]
    assert two.heard == before + 1
    assert two.paths.session is two.hubs[0]
    two.later(STANDBY_HELLO_MS - 1)
    assert two.carry(1) == []


def test_an_open_on_the_other_path_ends_the_session_and_gets_fresh_cursors() -> None:
    two = two_with_a_session()
    two.received = 4800
    two.bridges[1].stand_by(False, two.now)
    kinds = [frame for frame in two.carry(1) if frame[2] != ACK]
    assert kinds[:4] == [(1, False, OPEN), (1, True, HELLO), (1, False, OPEN), (1, True, PONG)]
    assert two.bridges[1].peer["job_received_bytes"] == 4800
    assert two.paths.session is two.hubs[1]
    assert two.events == [("up",), ("down", "closed"), ("up",)]
    assert next(kind for _, from_hub, kind in two.carry(0) if from_hub) == CLOSE
    assert not two.bridges[0].is_up


def test_an_answer_to_a_hello_from_before_the_other_session_opens_nothing() -> None:
    two = two_with_a_session()
    two.bridges[1].stand_by(False, two.now)
    stale = two.bridges[1].data_to_send(two.now)  # OPEN, on its way while the other session ends by itself
    two.received = 960
    two.later(2000)
    two.hubs[0].handle_timer(two.now)
    two.settle()
    assert two.events[-1] == ("down", "silent")
    two.hubs[1].receive(stale, two.now)
    two.settle()
    assert two.paths.session is None
    coded = two.hubs[1].data_to_send(two.now)
    said = unpack_hello(read(coded, True)[0][5])
    assert said is not None and said["job_received_bytes"] == 960


def test_what_the_hub_holds_is_off_the_credit_of_either_path() -> None:
    two = two_with_a_session()
    for _ in range(3):
        assert two.bridges[0].send("job_data", b"x")
    two.carry(0)
    two.bridges[1].stand_by(False, two.now)
    two.carry(1)
    assert two.bridges[1].peer["credit"][PRINTER] == 8 - 3
    for _ in range(3):
        two.paths.grant(PRINTER)
    two.paths.grant(PRINTER)  # of nothing
    for _ in range(8):
        assert two.bridges[1].send("job_data", b"x")
    two.carry(1)
    assert sum(event[0] == "message" for event in two.events) == 3 + 5  # the three granted are told once a fourth is
    assert two.paths.links[0].in_hand[PRINTER] == two.paths.links[1].in_hand[PRINTER] == 5
    two.paths.grant(PRINTER)
    two.carry(1)
    assert sum(event[0] == "message" for event in two.events) == 3 + 5 + 3


def test_a_transport_that_begins_anew_ends_its_session_and_no_other() -> None:
    two = two_with_a_session()
    two.paths.start(two.hubs[1], two.now)
    two.settle()
    assert two.paths.session is two.hubs[0]
    two.paths.start(two.hubs[0], two.now)
    two.settle()
    assert two.events == [("up",), ("down", "closed")]
    assert not two.paths.is_up and not two.paths.send("faults", b"")


def test_the_answer_to_an_open_that_was_taken_back_is_closed() -> None:
    two = Two()
    coded = two.hubs[0].data_to_send(two.now)
    two.bridges[0].receive(coded, two.now)
    two.hubs[0].receive(two.bridges[0].data_to_send(two.now), two.now)
    two.settle()
    two.bridges[0].stand_by(True, two.now)
    two.carry(0)
    assert two.events[:2] == [("up",), ("down", "closed_by_peer")]
    assert not two.bridges[0].is_up
