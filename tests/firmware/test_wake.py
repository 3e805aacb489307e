"""What an interrupt notices reaches the task that waits for it, at once and once, however fast a contact goes on."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from tests.firmware.board import Bench
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop

PIN = 6
TICK_S = 0.5
SETTLE_S = 0.05


class Contact(Bench):
    """A pin that a task looks at when it is woken; `looks` are (seconds, level)."""

    def __init__(self, adapt: Callable[[Any, Any], None] | None = None) -> None:
        super().__init__(adapt=adapt)
        self.board.set_level(PIN, 0)
        wake = self.life.module("wake")
        machine: Any = self.life.machine
        pin = machine.Pin(PIN, machine.Pin.IN)
        self.wake = wake.Wake()
        self.edge = wake.Edge(pin, machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING, self.wake)
        self.looks: list[tuple[float, int]] = []
        self.after_look: Callable[[], None] = lambda: None
        self.run(self._watch)

    async def _watch(self, _task: Any) -> None:
        while True:
            self.edge.arm()
            self.looks.append((the_loop().time(), self.level))
            self.after_look()
            await self.wake.wait()

    @property
    def level(self) -> int:
        return self.board.levels[PIN]

    def turn(self) -> None:
        self.board.set_level(PIN, 1 - self.level)

    async def quiet(self) -> None:
        """Until nothing is going on, in the middle between two ticks."""
        await seconds(3.25)
        self.looks.clear()
        self.board.interrupted = 0


@in_virtual_time
async def test_an_edge_wakes_at_once() -> None:
    contact = Contact()
    await contact.quiet()
    contact.turn()
    await seconds(0.001)
    assert [level for _, level in contact.looks] == [1]


@in_virtual_time
async def test_an_edge_between_the_look_and_the_wait_wakes() -> None:
    contact = Contact()
    await contact.quiet()

    def turn_once() -> None:
        contact.after_look = lambda: None
        contact.turn()

    contact.after_look = turn_once
    contact.turn()
    await seconds(SETTLE_S + 0.001)
    assert [level for _, level in contact.looks] == [1, 0]


@in_virtual_time
async def test_ten_edges_at_once_are_one_interrupt_and_one_look() -> None:
    contact = Contact()
    await contact.quiet()
    for _ in range(10):
        contact.turn()
    await seconds(0.001)
    assert (contact.board.interrupted, len(contact.looks)) == (1, 1)


@pytest.mark.parametrize("period_s", [0.0001, 0.001, 0.02])
def test_a_contact_that_flutters_is_looked_at_no_more_than_so_often(period_s: float) -> None:
    async def main() -> None:
        contact = Contact()
        await contact.quiet()
        for _ in range(int(1 / period_s)):
            contact.turn()
            await seconds(period_s)
        most = 1 / SETTLE_S + 1 / TICK_S + 2
        assert 1 / SETTLE_S / 2 < len(contact.looks) <= most
        assert contact.board.interrupted <= most

        await seconds(SETTLE_S + 0.001)
        assert contact.looks[-1][1] == contact.level

    run_in_virtual_time(main())


@in_virtual_time
async def test_an_edge_that_no_interrupt_told_is_seen_at_the_next_tick() -> None:
    contact = Contact()
    await contact.quiet()
    contact.board.interrupts.clear()
    contact.turn()
    await seconds(TICK_S)
    assert contact.looks[-1][1] == 1


@in_virtual_time
async def test_what_is_quiet_is_looked_at_twice_a_second() -> None:
    contact = Contact()
    await contact.quiet()
    await seconds(10)
    assert len(contact.looks) == 20
    assert contact.board.interrupted == 0


@in_virtual_time
async def test_where_a_port_has_no_hard_interrupts_soft_ones_do() -> None:
    """ports/esp32/machine_pin.c knows no `hard`."""

    def without_hard(machine: types.ModuleType, _life: Any) -> None:
        class SoftPin(machine.Pin):  # type: ignore[misc, name-defined]
            def irq(self, handler: Any, trigger: int = 0) -> None:
                super().irq(handler, trigger)

        machine.Pin = SoftPin  # type: ignore[attr-defined]

    contact = Contact(without_hard)
    await contact.quiet()
    contact.turn()
    await seconds(0.001)
    assert [level for _, level in contact.looks] == [1]


@in_virtual_time
async def test_whatever_sets_it_many_times_wakes_once() -> None:
    contact = Contact()
    await contact.quiet()
    for _ in range(100):
        contact.wake.set()
    await seconds(0.001)
    assert len(contact.looks) == 1
