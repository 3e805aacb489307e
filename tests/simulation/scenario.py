"""One seed, one day at the counter: what is asked of it, what goes wrong, and when it must all be well again."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable
from typing import NamedTuple

from hublink.profile import PROFILES, Profile
from tests.simulation.bridge import SimulatedBridge
from tests.simulation.counter import Counter
from tests.simulation.hub import SimulatedHub
from tests.simulation.world import DAMAGES, Wire, World

TROUBLE_MS = (800, 7000)  # how long things go wrong
RECOVERY_MS = (
    12_000  # silence is noticed after 2 s, a beacon comes each 0.5 s, a timer backs off to 2 s, paper takes time
)
TIME_TO_LIVE_MS = (150, 500, 2000)


class Result(NamedTuple):
    recovery_ms: float  # virtual time from the end of all trouble to the last delivery
    happened: Tally[str]


class Scenario:
    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.world = world = World(seed, trace)
        pick = world.random
        slow = pick.random() < 0.5
        rate, latency = (11.52, 1.0) if slow else (600.0, pick.choice((0.2, 2.0, 15.0)))
        self.down = Wire(world, "  >>", rate, latency)
        self.up = Wire(world, "  <<", rate, latency)
        self.down.ahead_ms = pick.choice((0.0, 0.0, 20.0, 90.0))
        self.counter = Counter(world)
        self.hub = SimulatedHub(world, self.counter, self.up, make_profile(slow, 0), pick.choice((1.0, 8.0, 200.0)))
        self.bridge = SimulatedBridge(world, self.counter, self.down, make_profile(slow, 20))
        self.bridge.journal.commit_ms_max = pick.choice((1.0, 10.0, 60.0))
        self.down.receiver = self.hub.receive
        self.up.receiver = self.bridge.receive
        self.kicks = 0
        self.trouble_ms = pick.uniform(*TROUBLE_MS)

    def run(self) -> Result:
        """Raises BrokenPromise."""
        world = self.world
        self.hub.boot()
        self.bridge.start()
        self._plan_work()
        self._plan_trouble()
        world.run(self.trouble_ms, lambda: False)
        return self.recover()

    def recover(self) -> Result:
        """All trouble ends now. Raises BrokenPromise if not all is well soon."""
        world = self.world
        ended_at = world.now
        self._end_trouble()
        world.run(ended_at + RECOVERY_MS, self._all_is_well)
        world.promise(self._all_is_well(), f"{RECOVERY_MS} ms after the last trouble: {self._what_is_left()}")
        return Result(world.now - ended_at, world.happened)

    # -- what is asked ---------------------------------------------------------------------------------------------

    def _plan_work(self) -> None:
        world, pick = self.world, self.world.random
        for number in range(pick.choice((0, 1, 2, 3))):
            size = pick.choice((0, 1, 240, 241, 700, 1500, 2600))
            data = pick.randbytes(size) if pick.random() < 0.8 else b"\x7e" * size
            world.after(self._sometime(), self.submit, b"job-%04d" % number, data)
        for number in range(pick.choice((0, 3, 8, 20))):
            data = b"%d:" % number + b"4006381333931" * pick.choice((1, 1, 1, 40))
            world.after(self._sometime(), self.hub.scan, data)
        for _ in range(pick.choice((0, 2, 5))):
            world.after(self._sometime(), self.kick)

    def _sometime(self) -> float:
        return self.world.random.uniform(0, self.trouble_ms)

    def submit(self, job: bytes, data: bytes) -> None:
        self.world.say("till", f"job of {len(data)} bytes")
        self.bridge.submit(job, data)

    def kick(self) -> None:
        self.kicks += 1
        if self.bridge.running:
            self.bridge.kick(self.kicks, self.world.random.choice(TIME_TO_LIVE_MS))

    # -- what goes wrong -------------------------------------------------------------------------------------------

    def _plan_trouble(self) -> None:
        pick = self.world.random
        for wire in (self.down, self.up):
            wire.damage_share = pick.choice((0.0, 0.02, 0.1, 0.3))
            wire.damages = DAMAGES if pick.random() < 0.5 else tuple(pick.sample(DAMAGES, 2))
        troubles = (
            self.reboot_hub,
            self.kill_bridge,
            self.jam_one_direction,
            self.pull_cable,
            self.step_a_clock,
            self.pause_printer,
            self.hub.printer_power_off,
        )
        for _ in range(pick.choice((0, 1, 2, 4, 7))):
            self.world.after(self._sometime(), pick.choice(troubles))

    def reboot_hub(self) -> None:
        if self.hub.powered:
            self.hub.power_off()
            self.world.after(self.world.random.choice((5, 300, 1500)), self.hub.boot)

    def kill_bridge(self) -> None:
        if self.bridge.running:
            self.bridge.kill()
            self.world.after(self.world.random.choice((1, 100, 1000)), self.bridge.start)

    def jam_one_direction(self) -> None:
        pick = self.world.random
        wire = pick.choice((self.down, self.up))
        wire.jam = pick.choice(("lose", "hold"))
        self.world.say("wire", f"jam: {wire.jam} {wire._name.strip()}")
        self.world.after(pick.choice((100, 900, 3000)), wire.release)

    def pull_cable(self) -> None:
        self.world.say("wire", "cable pulled")
        self.down.jam = self.up.jam = "lose"
        if self.world.random.random() < 0.5:
            self.bridge.pull_port()
        self.world.after(self.world.random.choice((50, 600, 2500)), self._plug_cable)

    def _plug_cable(self) -> None:
        self.down.release()
        self.up.release()
        self.bridge.plug_port()

    def step_a_clock(self) -> None:
        """A kick's deadline is in the hub's clock: set back, or the bridge's set forward, it is late by as much."""
        pick = self.world.random
        step_ms = pick.choice((-100_000, -700, -30, 30, 700, 100_000))
        peer = pick.choice((self.hub, self.bridge))
        if (peer is self.hub) == (step_ms < 0):
            self.counter.clock_excuse_ms += abs(step_ms)
        self.world.say("clock", f"step: {step_ms} ms at the {'hub' if peer is self.hub else 'bridge'}")
        peer.step_clock(step_ms)

    def pause_printer(self) -> None:
        self.hub.printer_paused = True
        self.world.say("hub", "printer pauses")
        self.world.after(self.world.random.choice((100, 1500)), self.hub.resume_printer)

    # -- and how it ends -------------------------------------------------------------------------------------------

    def _end_trouble(self) -> None:
        self.world.say("world", "all trouble ends")
        self.down.clear()
        self.up.clear()
        self.bridge.plug_port()
        if not self.hub.powered:
            self.hub.boot()
        if not self.bridge.running:
            self.bridge.start()
        self.hub.resume_printer()

    def _all_is_well(self) -> bool:
        hub, bridge = self.hub, self.bridge
        return (
            bridge.is_up
            and hub.powered
            and hub.link.is_up
            and not hub.ring
            and bridge.all_jobs_final()
            and not self.counter.missing_scans()
        )

    def _what_is_left(self) -> str:
        jobs = [f"{job.decode()} {state}" for job, (state, _) in self.bridge.journal.jobs.items()]
        return (
            f"bridge {'up' if self.bridge.is_up else 'down'}, {len(self.hub.ring)} scans in the ring, "
            f"{len(self.counter.missing_scans())} not in the journal, jobs: {', '.join(jobs) or 'none'}"
        )


def make_profile(slow: bool, ack_delay_ms: int) -> Profile:
    offered = PROFILES["uart" if slow else "usb"].payload_bytes
    made = Profile("uart" if slow else "usb", offered, 8, 500, 150, 2000, 500, 2000, bulk_window=3 if slow else 8)
    made.ack_delay_ms = ack_delay_ms
    return made


def run(seed: int, trace: Callable[[str], None] | None = None) -> Result:
    """Live through one seed. Raises BrokenPromise, or whatever breaks."""
    return Scenario(seed, trace).run()
