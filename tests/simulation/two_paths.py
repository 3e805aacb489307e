"""The same counter with two paths between hub and bridge, each with a bad wire of its own.

The bridge's choice of a path is harsher than the real one's: besides taking the other path when its own is lost, it
changes over whenever chance wants it, with a session open and a job or scan under way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hublink.link import HUB, Link
from hublink.messages import PRINTER
from hublink.paths import Paths
from hublink.profile import Profile
from tests.simulation.bridge import RETRY_MS, SimulatedBridge
from tests.simulation.counter import Counter
from tests.simulation.hub import CHUNKS_MAX, RING_SCANS, SimulatedHub, check_bounds
from tests.simulation.scenario import TROUBLE_MS, Result, Scenario, make_profile
from tests.simulation.world import DAMAGES, Wire, World

ALIVE_MS = 1500
OPEN_MS = 1500
LOOK_MS = 100
BOTH = (0, 1)


class _Session:
    """What the devices of the hub see: whichever path has the session."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.profile = paths.links[0].profile

    def __getattr__(self, name: str) -> Any:
        return getattr(self.paths.session, name)

    @property
    def is_up(self) -> bool:
        return bool(self.paths.is_up)

    def send(self, name: str, *values: object) -> bool:
        return bool(self.paths.send(name, *values))

    def grant(self, channel: int) -> None:
        self.paths.grant(channel)


class TwoPathHub(SimulatedHub):
    def __init__(self, world: World, counter: Counter, wires: tuple[Wire, Wire], profile: Profile, speed: float):
        super().__init__(world, counter, wires[0], profile, speed)
        self._wires = wires
        self._due_at = [0.0, 0.0]

    def _make_link(self) -> None:
        links = [Link(HUB, self._profile, hello=self._hello, held=(PRINTER,), trace_frames=0) for _ in BOTH]
        if self._life % 2:  # either way is the firmware's: it depends on what waits before a message
            for link in links:
                link.deliver = self._on_message
        self.link: Any = _Session(Paths(links))

    def _start_link(self) -> None:
        self._due_at = [0.0, 0.0]
        for link in self.link.paths.links:
            link.start(self._clock())

    def receive_on(self, number: int, data: bytes) -> None:
        if self.powered:
            self.link.paths.links[number].receive(data, self._clock())
            self._settle()

    def _on_path_timer(self, life: int, number: int, at: float) -> None:
        if self.powered and life == self._life and at == self._due_at[number]:
            self._due_at[number] = 0.0
            self.link.paths.links[number].handle_timer(self._clock())
            self._settle()

    def _settle(self) -> None:
        paths: Paths = self.link.paths
        clock = self._clock()
        while (event := paths.next_event(clock)) is not None:
            self._on_event(event)
        up = [link for link in paths.links if link.is_up]
        self._world.promise(len(up) <= 1, "the hub has a session on both paths")
        self._world.promise(up == ([paths.session] if paths.session else []), "the hub mistakes which path is up")
        for number, link in enumerate(paths.links):
            self._send_on(number, link)
            bounded = len(self._chunks) + (self._writing is not None) <= CHUNKS_MAX and len(self.ring) <= RING_SCANS
            check_bounds(self._world, link, bounded)

    def _send_on(self, number: int, link: Link) -> None:
        world, wire, clock = self._world, self._wires[number], self._clock()
        busy = False
        while not busy and (coded := link.data_to_send(clock)):
            wire.send(coded)
            busy = wire.takes_more_at() > world.now
        due = link.next_timer(clock)
        at = wire.takes_more_at() if busy else world.now + max(due, 1) if due is not None else 0.0
        if at and (not self._due_at[number] or at < self._due_at[number]):
            self._due_at[number] = at
            world.after(at - world.now, self._on_path_timer, self._life, number, at)


class TwoPathBridge(SimulatedBridge):
    def __init__(self, world: World, counter: Counter, wires: tuple[Wire, Wire], profile: Profile):
        super().__init__(world, counter, wires[0], profile)
        self._wires = wires
        self._links: list[Link | None] = [None, None]
        self._due_at = [0.0, 0.0]
        self.ports_there = [True, True]
        self.wanted = 0
        self._in_use: int | None = None
        self._heard_at: list[float] = [-ALIVE_MS, -ALIVE_MS]
        self._wait_until = 0.0

    def _begin_connecting(self) -> None:
        self._links = [None, None]
        self._in_use = None
        self.wanted = 0
        self._wait_until = self._world.now + OPEN_MS
        for number in BOTH:
            self._open(self._life, number)
        self._world.after(LOOK_MS, self._look, self._life)

    def pull_path(self, number: int) -> None:
        self.ports_there[number] = False
        if self.running and self._links[number] is not None:
            self._lose(number, "port_missing")

    def change_path(self) -> None:
        """Ask the other path for a session while this one may have one."""
        if self.running and self._in_use in (None, self.wanted):
            self._want(1 - self.wanted)
            self._settle()

    def receive_on(self, number: int, data: bytes) -> None:
        link = self._links[number]
        if self.running and link is not None:
            link.receive(data, self._clock())
            self._settle()

    # -- paths -----------------------------------------------------------------------------------------------------

    def _open(self, life: int, number: int) -> None:
        if not self._alive(life) or self._links[number] is not None:
            return
        if not self.ports_there[number]:
            self._world.after(100, self._open, life, number)
            return
        link = self._links[number] = self._new_link()
        link.stand_by(number != self.wanted, self._clock())
        self._due_at[number] = 0.0

    def _lose(self, number: int, reason: str) -> None:
        self._links[number] = None
        self._heard_at[number] = -ALIVE_MS
        if number == self._in_use:
            self._in_use = self.link = None
            self._forget_session(reason)
            if number == self.wanted:
                self._wait_until = self._world.now + (1000 if reason.startswith(("hub_", "closed")) else 0)
        self._world.after(self._world.random.uniform(*RETRY_MS), self._open, self._life, number)

    def _look(self, life: int) -> None:
        if not self._alive(life):
            return
        now, other = self._world.now, 1 - self.wanted
        late = now >= self._wait_until
        is_needed = self._in_use is None and now - self._heard_at[other] < ALIVE_MS
        if late and (is_needed or self._in_use == other):  # where it is in use, the wanted path gave no session
            self._want(other)
        self._settle()
        self._world.after(LOOK_MS, self._look, life)

    def _want(self, number: int) -> None:
        self._world.say("bridge", f"path wanted: {number}")
        self.wanted = number
        self._wait_until = self._world.now + OPEN_MS
        for each, link in enumerate(self._links):
            if link is not None and (each == number or each != self._in_use):
                link.stand_by(each != number, self._clock())

    def _settle(self) -> None:
        for number in BOTH:
            link = self._links[number]
            while link is not None and self._links[number] is link and (event := link.next_event()) is not None:
                self._on_path_event(number, link, event)
        self._print()
        for number in BOTH:
            link = self._links[number]
            if link is not None:
                self._send_on(number, link)
                check_bounds(self._world, link)

    def _on_path_event(self, number: int, link: Link, event: tuple[Any, ...]) -> None:
        kind = event[0]
        if kind == "heard":
            self._heard_at[number] = self._world.now
        elif kind == "down":
            self._lose(number, event[1])
        elif kind == "up":
            if self._in_use is not None:
                left = self._in_use
                self._links[left].close(self._clock())  # type: ignore[union-attr]
                self._send_on(left, self._links[left])  # type: ignore[arg-type]
                self._world.say("bridge", "path changed")
                self._lose(left, "path_changed")
            self._in_use = number
            self.link = link
            self._on_event(event)
        elif number == self._in_use:
            self._on_event(event)

    def _send_on(self, number: int, link: Link) -> None:
        world, wire, clock = self._world, self._wires[number], self._clock()
        busy = False
        while not busy and (coded := link.data_to_send(clock)):
            wire.send(coded)
            busy = wire.takes_more_at() > world.now
        due = link.next_timer(clock)
        at = wire.takes_more_at() if busy else world.now + max(due, 1) if due is not None else 0.0
        if at and (not self._due_at[number] or at < self._due_at[number]):
            self._due_at[number] = at
            world.after(at - world.now, self._on_path_timer, link, number, at)

    def _on_path_timer(self, link: Link, number: int, at: float) -> None:
        if self.running and self._links[number] is link and at == self._due_at[number]:
            self._due_at[number] = 0.0
            link.handle_timer(self._clock())
            self._settle()


class TwoPathScenario(Scenario):
    """A day with two paths. Once all trouble ends one of them may stay dead: the other has to do."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.world = world = World(seed, trace)
        pick = world.random
        self.downs = self._wires("  >>")
        self.ups = self._wires("  <<")
        self.down, self.up = self.downs[0], self.ups[0]
        self.counter = Counter(world)
        hub_speed = pick.choice((1.0, 8.0, 200.0))
        self.hub: TwoPathHub = TwoPathHub(world, self.counter, self.ups, make_profile(False, 0), hub_speed)
        self.bridge: TwoPathBridge = TwoPathBridge(world, self.counter, self.downs, make_profile(False, 20))
        self.bridge.journal.commit_ms_max = pick.choice((1.0, 10.0, 60.0))
        for number in BOTH:
            self.downs[number].receiver = partial(self.hub.receive_on, number)
            self.ups[number].receiver = partial(self.bridge.receive_on, number)
        self.kicks = 0
        self.trouble_ms = pick.uniform(*TROUBLE_MS)
        self.dead = pick.choice((None, None, 0, 1))  # a path that stays so

    def _wires(self, mark: str) -> tuple[Wire, Wire]:
        """USB is the primary, a line of 115200 baud the backup."""
        latency_ms = self.world.random.choice((0.2, 2.0, 15.0))
        return Wire(self.world, f"{mark}0", 600.0, latency_ms), Wire(self.world, f"{mark}1", 11.52, latency_ms)

    def _plan_trouble(self) -> None:
        pick = self.world.random
        for wire in (*self.downs, *self.ups):
            wire.damage_share = pick.choice((0.0, 0.02, 0.1))
            wire.damages = DAMAGES if pick.random() < 0.5 else tuple(pick.sample(DAMAGES, 2))
        troubles = (
            *(self.pull_a_cable, self.pull_a_cable, self.jam_one_direction, self.bridge.change_path),
            *(self.bridge.change_path, self.reboot_hub, self.kill_bridge, self.pause_printer),
        )
        for _ in range(pick.choice((1, 2, 4, 8))):
            self.world.after(self._sometime(), pick.choice(troubles))

    def jam_one_direction(self) -> None:
        pick = self.world.random
        wire = pick.choice((*self.downs, *self.ups))
        wire.jam = pick.choice(("lose", "hold"))
        self.world.say("wire", f"jam: {wire.jam} {wire._name.strip()}")
        self.world.after(pick.choice((100, 900, 3000)), wire.release)

    def pull_a_cable(self) -> None:
        pick = self.world.random
        number = pick.choice(BOTH)
        self.world.say("wire", f"cable pulled: {number}")
        self.downs[number].jam = self.ups[number].jam = "lose"
        if pick.random() < 0.7:
            self.bridge.pull_path(number)
        self.world.after(pick.choice((50, 600, 2500)), self._plug, number)

    def _plug(self, number: int) -> None:
        if number != self.dead or self.world.now < self.trouble_ms:
            self.downs[number].release()
            self.ups[number].release()
            self.bridge.ports_there[number] = True

    def _end_trouble(self) -> None:
        super()._end_trouble()
        for number in BOTH:
            self.downs[number].clear()
            self.ups[number].clear()
            self.bridge.ports_there[number] = True
        if self.dead is not None:
            self.world.say("wire", f"stays dead: {self.dead}")
            self.downs[self.dead].jam = self.ups[self.dead].jam = "lose"


def run(seed: int, trace: Callable[[str], None] | None = None) -> Result:
    """Live through one seed. Raises BrokenPromise, or whatever breaks."""
    return TwoPathScenario(seed, trace).run()
