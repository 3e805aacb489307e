"""The hub's end of the link: its tasks, and what devices are told when they die."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hublink.fault_table import NUMBER_OF
from hublink.link import BRIDGE, Link
from hublink.messages import ERRORS
from hublink.profile import PROFILES
from tests.bridge.counter import BOARD
from tests.firmware.board import Board
from tests.firmware.virtual_time import in_virtual_time, seconds, until

BACKUP = {**BOARD["link"], "uart": 1, "tx": 4, "rx": 5}


class Device:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def link_up(self) -> None:
        self.told.append("up")

    def link_down(self) -> None:
        self.told.append("down")

    def link_writable(self, channel: int) -> None:
        pass


def started(**parts: Any) -> tuple[Any, Any, Device]:
    """(the hub, its uplink, a device that listens)."""
    board = Board({"name": "bench", "watchdog_ms": 4000, "link": BOARD["link"], **parts})
    uplink = board.start().uplink
    device = Device()
    uplink.attach(device)
    return board, uplink, device


def open_session(uplink: Any, number: int) -> None:
    """What a bridge does on that path, in no time."""
    link = uplink.paths[number].link
    now = link._now
    bridge = Link(BRIDGE, PROFILES["usb"], session=7)
    bridge.start(now)
    for _ in range(2):  # a path on standby has to say HELLO anew
        link._hello_at = None
        while coded := bytes(link.data_to_send(now)):
            bridge.receive(coded, now)
        link.receive(bridge.data_to_send(now), now)
        uplink.hand_on_events()
        if link.is_up:
            return
    raise AssertionError("no session")


class Bridge:
    """The bridge's link at the other end of a hub's path, in no time."""

    def __init__(self, board: Any, uplink: Any) -> None:
        self._board = board
        self._uplink = uplink
        self._path = uplink.paths[0]
        self._path._stream.write_now = self._take
        self.errors: list[tuple[int, tuple[int, ...]]] = []
        self.begin()

    def begin(self, session: int = 7) -> None:
        self.link = Link(BRIDGE, PROFILES["usb"], session=session)
        self.link.start(self._board.life.ticks_ms())

    def _take(self, coded: Any) -> int:
        self.link.receive(bytes(coded), self._board.life.ticks_ms())
        return len(coded)

    async def go_on(self, span_s: int) -> None:
        for _ in range(span_s * 20):
            now = self._board.life.ticks_ms()
            self.link.handle_timer(now)
            while coded := self.link.data_to_send(now):
                self._path.link.receive(coded, now)
                self._uplink.hand_on_events()
                self._uplink.flush()
            while (event := self.link.next_event()) is not None:
                if event[:2] == ("message", "errors"):
                    self.errors.append((now, event[2]))
            await seconds(0.05)


@in_virtual_time
async def test_a_hub_tells_what_it_has_counted_of_bad_input_seldom_and_only_when_it_is_more() -> None:
    board, uplink, _ = started()
    bridge = Bridge(board, uplink)
    await bridge.go_on(25)
    assert uplink.is_up and [values for _, values in bridge.errors] == [(0,) * len(ERRORS)]

    link = uplink.paths[0].link
    for number in range(40):
        link.receive(b"~ab\x01cdefghijklmnopqrstuv~", link._now)
        await bridge.go_on(1)
        assert uplink.is_up, number
    await bridge.go_on(25)
    times = [at for at, _ in bridge.errors]
    counts = [dict(zip(ERRORS, values, strict=True)) for _, values in bridge.errors]
    assert 5 <= len(times) <= 6
    assert all(after - before >= 10_000 for before, after in pairwise(times))
    assert counts[-1] == {name: link.statistics.get(f"error_{name}", 0) for name in ERRORS}
    assert sum(counts[-1].values()) == 40
    told = len(bridge.errors)

    link.close(board.life.ticks_ms())
    uplink.flush()
    bridge.begin(session=8)
    await bridge.go_on(25)
    assert uplink.is_up and [values for _, values in bridge.errors[told:]] == [bridge.errors[-1][1]]


@in_virtual_time
async def test_devices_hear_that_the_link_went_down_when_its_writing_task_begins_anew() -> None:
    board, uplink, device = started()
    await seconds(1)
    open_session(uplink, 0)
    assert device.told == ["up"]

    def broken(data: Any) -> Any:
        raise OSError(5)

    path = uplink.paths[0]
    path._stream.write = broken
    path._rest = b"what the transport had no room for"
    path._wake.set()
    await until(lambda: device.told == ["up", "down"])
    assert not uplink.is_up
    assert len(board.resets) == 1


@in_virtual_time
async def test_a_session_on_the_backup_ends_the_one_on_the_primary_and_devices_hear_both_in_turn() -> None:
    _, uplink, device = started(backup_link=BACKUP)
    await seconds(1)
    open_session(uplink, 0)
    open_session(uplink, 1)
    assert device.told == ["up", "down", "up"]
    assert uplink.send("faults", b"")
    open_session(uplink, 0)
    assert device.told == ["up", "down", "up", "down", "up"]


@in_virtual_time
async def test_a_hub_has_the_tasks_of_as_many_paths_as_its_board_file() -> None:
    for parts, expected in (({}, []), ({"backup_link": BACKUP}, ["backup_read", "backup_write"])):
        board, _, _ = started(**parts)
        await seconds(1)
        assert board.life is not None
        names = [task.name for task in board.life.hub.supervisor._tasks]
        assert [name for name in names if name.startswith("backup")] == expected


@in_virtual_time
async def test_a_backup_that_can_not_be_opened_is_told_and_the_link_goes_on() -> None:
    board, uplink, _ = started(backup_link={"transport": "uart", "uart": 9, "tx": 1, "rx": 2, "baud_rate": 115200})
    await seconds(1)
    assert len(uplink.paths) == 1
    assert board.life is not None
    assert NUMBER_OF["board_file"] in board.life.hub.faults.active
    assert any("backup_link" in problem for problem in board.life.hub._problems)
