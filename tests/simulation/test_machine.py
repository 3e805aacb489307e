"""The same two peers, with hypothesis choosing what happens: it finds the shortest story that breaks a promise."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.simulation.scenario import Scenario
from tests.simulation.world import DAMAGES

pytestmark = pytest.mark.simulation


class CounterDay(RuleBasedStateMachine):
    """The invariants are checked where things happen (tests/simulation/counter.py); at the end all must be well."""

    scenario: Scenario

    @initialize(seed=st.integers(0, 1000))
    def open_shop(self, seed: int) -> None:
        self.scenario = Scenario(seed)
        self.scenario.hub.boot()
        self.scenario.bridge.start()
        self._jobs = 0

    @rule(span_ms=st.sampled_from([1, 5, 30, 200, 700, 2500]))
    def time_passes(self, span_ms: int) -> None:
        world = self.scenario.world
        world.run(world.now + span_ms, lambda: False)

    @rule(times=st.integers(1, 10), data=st.sampled_from([b"4006381333931", b"x" * 500]))
    def scan(self, times: int, data: bytes) -> None:
        for _ in range(times):
            self.scenario.hub.scan(data)

    @rule(data=st.sampled_from([b"", b"receipt", bytes(240), b"\x7e" * 241, b"long receipt" * 150]))
    def print_receipt(self, data: bytes) -> None:
        self._jobs += 1
        self.scenario.submit(b"job-%04d" % self._jobs, data)

    @rule()
    def kick(self) -> None:
        self.scenario.kick()

    @rule(down=st.sampled_from([0.0, 0.3]), up=st.sampled_from([0.0, 0.3]), damage=st.sampled_from(DAMAGES))
    def damage(self, down: float, up: float, damage: str) -> None:
        for wire, share in ((self.scenario.down, down), (self.scenario.up, up)):
            wire.damage_share = share
            wire.damages = (damage,)

    @rule()
    def jam(self) -> None:
        self.scenario.jam_one_direction()

    @rule()
    def pull_cable(self) -> None:
        self.scenario.pull_cable()

    @rule()
    def reboot_hub(self) -> None:
        self.scenario.reboot_hub()

    @rule()
    def kill_bridge(self) -> None:
        self.scenario.kill_bridge()

    @rule()
    def step_a_clock(self) -> None:
        self.scenario.step_a_clock()

    @rule()
    def pause_printer(self) -> None:
        self.scenario.pause_printer()

    @rule()
    def printer_loses_power(self) -> None:
        self.scenario.hub.printer_power_off()

    def teardown(self) -> None:
        if hasattr(self, "scenario"):
            self.scenario.recover()


TestCounterDay = CounterDay.TestCase
TestCounterDay.settings = settings(settings.get_profile("counterhub"), max_examples=60, stateful_step_count=30)
