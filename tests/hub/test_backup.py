"""Two paths to one hub: the backup takes over, hands back, and is known to be good before it is needed."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

import hublink.link
from host_bridge.events import LinkEvent
from host_bridge.hub.backup import CHANGING, ENDED_BY_CHANGE, BackedUpLink, PathLimits
from host_bridge.hub.reconnect import HubLinkOptions
from host_bridge.hub.transport import TransportLimits
from tests.hub.peers import Pty, TwoPathHub, until
from tests.hub.test_reconnect import Listener

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")

OPTIONS = HubLinkOptions(
    silent_ms=500,
    back_off_first_ms=5,
    back_off_max_ms=20,
    transport_limits=TransportLimits(drain_limit_ms=50),
)
QUICK = PathLimits(
    alive_ms=500,  # far above what a busy machine takes between two looks
    return_ms=500,
    open_ms=500,
    steady_ms=100,
    steady_max_ms=1000,
    held_ms=60_000,
    quiet_ms=30,
    patience_ms=300,
    look_ms=5,
    calm_look_ms=5,
)
NEVER = msgspec.structs.replace(QUICK, steady_ms=60_000, steady_max_ms=60_000)  # hands nothing back


class Bench:
    """A BackedUpLink on two lines with a hub at their ends, and all that it tells."""

    def __init__(self, lines: tuple[Pty, Pty]) -> None:
        self.lines = lines
        self.hub = TwoPathHub(lines)
        self.listener = Listener()
        self.published: list[LinkEvent] = []
        self.traced: list[str] = []
        self.link: Any = None

    def start(self, limits: PathLimits = QUICK, options: HubLinkOptions = OPTIONS) -> BackedUpLink:
        self.link = BackedUpLink(
            *(str(line.path) for line in self.lines),
            options=options,
            backup_options=options,
            limits=limits,
            publish=self.published.append,
            keep_trace=lambda reason, frames: self.traced.append(reason),
            rng=random.Random(1),
        )
        self.link.add_listener(self.listener)
        self.link.start()
        return self.link

    def status(self) -> list[str]:
        return [path.status for path in self.link.state().paths]

    async def is_on(self, path: str) -> None:
        wanted = {"primary": ["in_use", "standby"], "backup": ["standby", "in_use"]}[path]
        await until(lambda: self.status() == wanted and self.hub.paths.is_up)
        other = self.link._backup if path == "primary" else self.link._primary
        await until(lambda: other.is_alive)

    async def is_only_on(self, path: str) -> None:
        wanted = {"primary": ["in_use", "down"], "backup": ["down", "in_use"]}[path]
        await until(lambda: self.status() == wanted and self.hub.paths.is_up)

    def ups_and_downs(self) -> list[str]:
        return [event[0] for event in self.listener.events if event[0] in ("up", "down")]

    def reasons(self) -> set[str]:
        return {event.link.reason for event in self.published if event.link.reason is not None}


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[tuple[Pty, Pty]]:
    pair = Pty(tmp_path / "usb"), Pty(tmp_path / "uart")
    yield pair
    for line in pair:
        line.vanish()


@pytest.fixture
async def bench(lines: tuple[Pty, Pty], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(hublink.link, "STANDBY_HELLO_MS", 10)
    made = Bench(lines)
    with made.hub:
        yield made
        if made.link is not None:
            await made.link.stop()
    told = made.ups_and_downs()
    assert all(before != after for before, after in pairwise(told)), f"two ups or two downs in a row: {told}"


async def test_the_primary_is_used_and_the_backup_stands_by(bench: Bench) -> None:
    link = bench.start()
    await bench.is_on("primary")
    state = link.state()
    assert (state.status, state.port, state.transport) == ("up", str(bench.lines[0].path), "pty")
    assert state.session == bench.hub.paths.session.session
    assert link.hello is not None and link.hello["name"] == "till 1"
    assert link.send("scan_taken", 5)
    await until(lambda: ("message", "scan_taken", (5,)) in bench.hub.events)
    assert bench.ups_and_downs() == ["up"]


async def test_a_pulled_primary_is_taken_over_at_once_and_is_no_fault(bench: Bench) -> None:
    link = bench.start(NEVER)
    await bench.is_on("primary")
    bench.lines[0].vanish()
    await bench.is_only_on("backup")
    assert link.send("scan_taken", 6)
    await until(lambda: ("message", "scan_taken", (6,)) in bench.hub.events)
    assert bench.listener.events[-2:] == [("down", "port_vanished"), ("up", b"boot-001", True)]
    assert bench.reasons() <= {"starting", CHANGING}


@pytest.mark.parametrize("direction", ["mute", "deaf"])
async def test_a_primary_with_one_dead_direction_is_taken_over(bench: Bench, direction: str) -> None:
    """The other peer may still believe in the old session; the new one ends it."""
    bench.start(NEVER)
    await bench.is_on("primary")
    getattr(bench.hub, direction)[0] = True
    await until(lambda: bench.status()[1] == "in_use", 10)
    await until(lambda: bench.hub.paths.session is bench.hub.paths.links[1])


async def test_a_good_primary_is_handed_back_to_with_one_short_break(bench: Bench) -> None:
    bench.start()
    await bench.is_on("primary")
    bench.lines[0].vanish()
    await bench.is_only_on("backup")
    bench.lines[0].plug_in()
    await bench.is_on("primary")
    assert bench.ups_and_downs() == ["up", "down", "up", "down", "up"]
    assert ("down", ENDED_BY_CHANGE) in bench.listener.events
    assert bench.reasons() <= {"starting", CHANGING}
    assert bench.traced == ["port_vanished"], "the hand back was in order"


async def test_no_change_of_path_takes_away_what_was_counted(bench: Bench) -> None:
    link = bench.start()
    await bench.is_on("primary")
    on_primary = link.state().statistics
    bench.lines[0].vanish()
    await bench.is_only_on("backup")
    on_backup = link.state().statistics
    bench.lines[0].plug_in()
    await bench.is_on("primary")
    again = link.state().statistics
    for name in ("frames_in", "bytes_in", "frames_out", "bytes_out"):
        assert 0 < on_primary[name] < on_backup[name] < again[name]


async def test_a_hand_back_waits_for_a_quiet_moment_but_not_for_ever(bench: Bench) -> None:
    limits = msgspec.structs.replace(QUICK, quiet_ms=10_000, patience_ms=150)
    link = bench.start(limits)
    await bench.is_on("primary")
    bench.lines[0].vanish()
    await bench.is_only_on("backup")
    bench.lines[0].plug_in()
    await until(lambda: bench.status() == ["standby", "in_use"])
    loop_at = now_ms()
    await until(lambda: bench.status()[0] == "in_use" or not link.send("scan_taken", 1))
    await bench.is_on("primary")
    assert now_ms() - loop_at >= limits.patience_ms


async def test_a_flapping_primary_is_trusted_less_each_time(bench: Bench) -> None:
    bench.start()
    waits = []
    for _ in range(3):
        await bench.is_on("primary")
        bench.lines[0].vanish()
        await bench.is_only_on("backup")
        bench.lines[0].plug_in()
        began = now_ms()
        await bench.is_on("primary")
        waits.append(now_ms() - began)
    assert waits[0] >= QUICK.steady_ms * 0.9
    assert waits[1] >= 2 * QUICK.steady_ms * 0.9
    assert waits[2] >= 4 * QUICK.steady_ms * 0.9


async def test_a_primary_that_is_heard_and_gives_no_session_leaves_the_backup_in_use(bench: Bench) -> None:
    link = bench.start(msgspec.structs.replace(QUICK, steady_ms=50))
    await bench.is_on("primary")
    bench.lines[0].vanish()
    await bench.is_only_on("backup")
    primary = bench.hub.paths.links[0]
    primary._on_open = lambda session, payload: None  # the hub hears everything but OPEN
    bench.lines[0].plug_in()
    await until(lambda: link._wanted is link._primary)
    await until(lambda: link._wanted is link._backup)
    assert bench.status()[1] == "in_use"
    assert bench.ups_and_downs() == ["up", "down", "up"]


async def test_a_hub_that_starts_with_its_primary_out_is_found_on_the_backup(bench: Bench) -> None:
    bench.lines[0].vanish()
    link = bench.start(NEVER)
    await bench.is_only_on("backup")
    assert link.state().port == str(bench.lines[1].path)


async def test_both_out_and_either_back(bench: Bench) -> None:
    link = bench.start(NEVER)
    await bench.is_on("primary")
    for line in bench.lines:
        line.vanish()
    await until(lambda: link.state().reason == "port_missing")
    assert bench.status() == ["down", "down"]
    bench.lines[1].plug_in()
    await bench.is_only_on("backup")
    bench.lines[1].vanish()
    await until(lambda: not link.is_up)
    bench.lines[0].plug_in()
    await bench.is_only_on("primary")


async def test_a_dead_backup_is_told_early_and_when_it_is_back(bench: Bench) -> None:
    link = bench.start()
    await bench.is_on("primary")
    bench.lines[1].vanish()
    await bench.is_only_on("primary")
    assert link.state().paths[1].reason in ("port_vanished", "port_missing")
    bench.lines[1].plug_in()
    await bench.is_on("primary")
    assert bench.ups_and_downs() == ["up"]


async def test_a_backup_that_hears_nothing_of_the_bridge_is_dead(bench: Bench) -> None:
    """HELLO alone proves one direction."""
    bench.hub.deaf[1] = True
    bench.start()
    await bench.is_only_on("primary")
    bench.hub.deaf[1] = False
    await bench.is_on("primary")


async def test_a_backup_that_falls_silent_in_the_moment_of_a_hand_back_is_named_in_time(bench: Bench) -> None:
    """Nobody has heard it on standby yet, and its port stays open: only the time that it was given tells."""
    patient = msgspec.structs.replace(OPTIONS, silent_ms=60_000)
    link = bench.start(msgspec.structs.replace(QUICK, calm_look_ms=60_000), patient)
    await bench.is_on("primary")
    bench.lines[0].vanish()
    await bench.is_only_on("backup")

    def fall_silent(event: LinkEvent) -> None:
        bench.published.append(event)
        if event.link.paths[0].status == "in_use":
            bench.hub.mute[1] = bench.hub.deaf[1] = True

    link._publish = fall_silent
    bench.lines[0].plug_in()
    await until(lambda: bench.published[-1].link.paths[0].status == "in_use")
    assert bench.hub.mute[1]
    await until(lambda: bench.published[-1].link.paths[1].status == "down")
    assert bench.published[-1].link.paths[1].reason == "silent"
    assert PathLimits().alive_ms <= 1500, "with a look, an event and the LED's turn it has to be named within 2 s"


async def test_another_hub_on_the_backup_is_named_and_never_used(bench: Bench) -> None:
    bench.hub.boot(b"boot-002", (b"hub-0001", b"hub-0002"))
    link = bench.start()
    await until(lambda: bench.status() == ["in_use", "other_hub"])
    bench.lines[0].vanish()
    await until(lambda: link.state().reason == "port_missing")
    assert not link.is_up
    bench.lines[0].plug_in()
    await until(lambda: bench.status() == ["in_use", "other_hub"])


async def test_a_restarted_hub_stays_on_the_primary(bench: Bench) -> None:
    bench.start()
    await bench.is_on("primary")
    bench.hub.boot(b"boot-002")
    await until(lambda: ("up", b"boot-002", False) in bench.listener.events)
    await bench.is_on("primary")
    assert "in_use" not in {event.link.paths[1].status for event in bench.published}


async def test_stop_ends_the_session_in_order(bench: Bench) -> None:
    link = bench.start()
    await bench.is_on("primary")
    await link.stop()
    assert bench.listener.events[-1] == ("down", "stopped")
    assert link.state().reason == "stopped"
    await until(lambda: ("down", "closed_by_peer") in bench.hub.events)


def now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
