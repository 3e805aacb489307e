"""The hub's ring of scans: kept in order until the bridge owns them; the scanner is held off before it is full."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import TICKS_MASK
from tests.firmware.scanner_counter import (
    CONTINUES,
    DAY_MS,
    GM65_ANSWER,
    GM65_OFF,
    GM65_ON,
    HELD,
    OFF,
    READING,
    SCANNER_CHANNEL,
    SYN_OFF,
    SYN_ON,
    TRIGGER_PIN,
    Counter,
)
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds

# -- the trigger -------------------------------------------------------------------------------------------------


async def fill(counter: Counter, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        await counter.reads(b"code%03d\r" % number, 0.01)


@pytest.mark.parametrize(
    ("trigger", "on", "off"), [("serial_syn", SYN_ON, SYN_OFF), ("gm65", GM65_ON, GM65_OFF)], ids=["serial_syn", "gm65"]
)
def test_the_scanner_is_held_off_before_the_ring_is_full_and_let_go_when_there_is_room(
    trigger: str, on: bytes, off: bytes
) -> None:
    async def main() -> None:
        counter = Counter(trigger=trigger)
        counter.link.down()
        await fill(counter, counter.hold_scans - 1)
        assert bytes(counter.wire.sent).endswith(on)
        assert off not in counter.wire.sent

        await fill(counter, 1, counter.hold_scans)
        assert bytes(counter.wire.sent).endswith(off)
        assert counter.fault_codes == {"scans_waiting"}
        await fill(counter, 4, 100)  # what was on its way
        assert counter.scanner.dropped_scans == 0

        counter.link.up()
        assert counter.states()[-1] == HELD
        counter.link.say("scan_taken", counter.hold_scans + 3 - counter.free_scans)
        await seconds(1)
        assert bytes(counter.wire.sent).endswith(off)
        counter.link.say("scan_taken", counter.hold_scans + 4 - counter.free_scans)
        await seconds(1)
        assert bytes(counter.wire.sent).endswith(on)
        assert counter.states()[-1] == READING
        assert counter.fault_codes == set()

    run_in_virtual_time(main())


@pytest.mark.parametrize("on_level", [0, 1])
def test_a_trigger_line_has_the_level_that_the_board_file_says(on_level: int) -> None:
    async def main() -> None:
        counter = Counter(trigger="pin", trigger_pin=TRIGGER_PIN, trigger_on_level=on_level)
        assert counter.board.levels[TRIGGER_PIN] == on_level
        counter.link.say("scanner_enable", 0, 60_000)
        assert counter.board.levels[TRIGGER_PIN] == 1 - on_level
        counter.link.say("scanner_enable", 1, 0)
        assert counter.board.levels[TRIGGER_PIN] == on_level
        await seconds(5)
        assert counter.wire.sent == b""

    run_in_virtual_time(main())


@in_virtual_time
async def test_few_long_codes_hold_the_scanner_off_too() -> None:
    counter = Counter(trigger="serial_syn")
    counter.link.down()
    for number in range(10):
        if counter.scanner.state() == HELD:
            break
        await counter.reads(b"%d" % number * 2000 + b"\r", 1)
    assert counter.scanner._ring_bytes + counter.scan_bytes_max <= counter.ring_bytes + 2000
    assert counter.scanner.dropped_scans == 0
    assert counter.fault_codes == {"scans_waiting"}


@in_virtual_time
async def test_a_scanner_that_reads_when_it_likes_shows_the_fault_alone() -> None:
    counter = Counter()
    counter.link.down()
    await fill(counter, counter.hold_scans)
    assert counter.fault_codes == {"scans_waiting"}
    assert counter.wire.sent == b""
    counter.link.up()
    assert counter.link.heard("scanner")[-1] == (READING, 0)


@in_virtual_time
async def test_a_till_switches_it_off_and_on_and_hears_each_time_what_came_of_it() -> None:
    counter = Counter(trigger="serial_syn")
    counter.link.up()
    assert counter.states() == [READING]
    for _ in range(2):
        counter.link.say("scanner_enable", 0, 60_000)
        await seconds(0.1)
        assert bytes(counter.wire.sent).endswith(SYN_OFF)
    counter.link.say("scanner_enable", 1, 0)
    await seconds(0.1)
    assert bytes(counter.wire.sent).endswith(SYN_ON)
    assert counter.states() == [READING, OFF, OFF, READING]


@pytest.mark.parametrize("for_ms", [1000, 60_000, 3_600_000, 0xFFFFFFFF])
def test_a_till_that_vanishes_does_not_leave_it_off_for_ever(for_ms: int) -> None:
    async def main() -> None:
        counter = Counter(trigger="serial_syn")
        counter.link.say("scanner_enable", 0, for_ms)
        span_s = min(for_ms, 3_600_000) / 1000
        await seconds(span_s - 0.3)
        assert counter.scanner.state() == OFF
        await seconds(0.6)
        assert counter.scanner.state() == READING
        assert bytes(counter.wire.sent).endswith(SYN_ON)
        assert counter.states()[-1] == READING

    run_in_virtual_time(main())


@in_virtual_time
async def test_with_no_bridge_there_is_nobody_to_switch_it_on_again_so_it_is_on() -> None:
    counter = Counter(trigger="serial_syn")
    counter.link.say("scanner_enable", 0, 60_000)
    counter.link.down()
    await seconds(0.1)
    assert bytes(counter.wire.sent).endswith(SYN_ON)
    counter.link.up()
    assert counter.states()[-1] == READING


@in_virtual_time
async def test_a_scanner_that_can_not_be_switched_says_so_and_goes_on() -> None:
    counter = Counter()
    counter.link.say("scanner_enable", 0, 60_000)
    assert counter.link.heard("scanner") == [(READING, 0)]
    await counter.reads(b"123\r")
    assert counter.data() == [b"123"]


@in_virtual_time
async def test_a_command_is_given_again_after_each_scan_and_before_the_scanner_gives_up() -> None:
    counter = Counter(trigger="gm65")
    await seconds(20)
    assert 8 <= bytes(counter.wire.sent).count(GM65_ON) <= 12
    counter.wire.sent.clear()
    await counter.reads(b"123\r", 0.1)
    assert bytes(counter.wire.sent).count(GM65_ON) in (1, 2)
    counter.link.say("scanner_enable", 0, 60_000)
    counter.wire.sent.clear()
    await seconds(20)
    assert GM65_ON not in counter.wire.sent


@in_virtual_time
async def test_what_a_scanner_answers_to_its_commands_is_no_scan() -> None:
    counter = Counter(trigger="gm65")
    for suffix in (b"\r", b""):
        await counter.reads(GM65_ANSWER, 2)
        await counter.reads(GM65_ANSWER + b"4006381333931" + suffix, 2)
        await counter.reads(GM65_ANSWER[:3], 0.01)
        await counter.reads(GM65_ANSWER[3:], 2)
        await counter.reads(b"96385074" + suffix + GM65_ANSWER, 2)
        if suffix:
            await counter.reads(b"half", 1)  # from here on without suffix
            assert counter.fault_codes == {"scanner_garbled"}
    assert counter.data() == [b"4006381333931", b"96385074"] * 2
    assert counter.fault_codes == set()


# -- the ring ----------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_scans_are_kept_while_the_link_is_down_and_told_with_their_age() -> None:
    counter = Counter()
    counter.link.down()
    for number in range(5):
        await counter.reads(b"code%d\r" % number, 1.0)
    assert counter.scans() == []

    counter.link.up()

    assert counter.data() == [b"code%d" % number for number in range(5)]
    assert [age_ms for _, age_ms, _, _ in counter.link.heard("scan")] == [5000, 4000, 3000, 2000, 1000]


@pytest.mark.parametrize("days", [1, 7, 10])
def test_a_scan_of_last_week_never_looks_fresh(days: int) -> None:
    async def main() -> None:
        counter = Counter()
        counter.link.down()
        await counter.reads(b"123\r")
        for _ in range(days * 24):  # the clock goes on, and the hub with it
            counter.board.ticks_offset += DAY_MS // 24
            await seconds(1)
        counter.link.up()
        ((_, age_ms, _, _),) = counter.link.heard("scan")
        assert age_ms >= 3_600_000

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_full_ring_shows_the_fault_and_loses_nothing_that_it_took() -> None:
    counter = Counter()
    counter.link.down()
    for number in range(counter.ring_scans + 10):
        await counter.reads(b"code%03d\r" % number, 0.01)
        assert ("scans_waiting" in counter.fault_codes) == (number >= counter.hold_scans - 1)
    assert counter.blips == counter.ring_scans
    assert counter.scanner.dropped_scans == 10

    counter.link.up()
    assert counter.data() == [b"code%03d" % number for number in range(counter.ring_scans)]
    assert [sequence for sequence, _, _ in counter.scans()] == list(range(1, counter.ring_scans + 1))

    counter.link.say("scan_taken", 0)  # nothing new
    assert counter.fault_codes == {"scans_waiting"}
    counter.link.say("scan_taken", counter.ring_scans - counter.free_scans - 1)
    assert counter.fault_codes == {"scans_waiting"}
    counter.link.say("scan_taken", counter.ring_scans - counter.free_scans)
    assert counter.fault_codes == set()
    await counter.reads(b"one more\r")
    assert counter.scans()[-1] == (counter.ring_scans + 1, 0, b"one more")


@in_virtual_time
async def test_the_ring_is_bounded_in_bytes_too() -> None:
    counter = Counter()
    counter.link.down()
    size_bytes = 2000
    for number in range(20):
        await counter.reads(b"%04d" % number * (size_bytes // 4) + b"\r", 0.2)
    assert counter.scanner._ring_bytes <= counter.ring_bytes
    assert counter.fault_codes == {"scans_waiting"}

    counter.link.up()
    kept = counter.ring_bytes // size_bytes
    assert counter.data() == [b"%04d" % number * (size_bytes // 4) for number in range(kept)]


@in_virtual_time
async def test_what_is_no_barcode_at_all_is_thrown_away_and_named() -> None:
    counter = Counter()
    await counter.reads(b"x" * (counter.scan_bytes_max + 1), 2)
    assert counter.scans() == []
    assert counter.scanner.dropped_scans == 1
    assert counter.fault_codes == {"scanner_garbled"}

    await counter.reads(b"123\r")
    assert counter.data() == [b"123"]
    assert counter.fault_codes == set()


@in_virtual_time
async def test_the_longest_code_goes_in_parts_and_arrives_whole() -> None:
    counter = Counter()
    code = bytes(33 + number % 90 for number in range(counter.scan_bytes_max))
    await counter.reads(code + b"\r", 2)

    assert counter.data() == [code]
    assert all(len(data) <= 231 for *_, data in counter.link.heard("scan"))


@in_virtual_time
async def test_acknowledged_scans_are_not_sent_again_and_others_are() -> None:
    counter = Counter()
    for number in range(1, 6):
        await counter.reads(b"%d\r" % number)
    counter.link.say("scan_taken", 3)
    counter.link.said.clear()

    counter.link.down()
    counter.link.up()

    assert [(sequence, data) for sequence, _, data in counter.scans()] == [(4, b"4"), (5, b"5")]
    assert (counter.scanner.oldest_sequence, counter.scanner.next_sequence) == (4, 6)
    counter.link.say("scan_taken", 99)
    assert (counter.scanner.oldest_sequence, counter.scanner.next_sequence) == (6, 6)


@in_virtual_time
async def test_no_room_on_the_link_delays_scans_and_loses_none() -> None:
    counter = Counter()
    counter.link.room = 2
    for number in range(6):
        await counter.reads(b"%d\r" % number)
    assert counter.data() == [b"0", b"1"]

    counter.link.writable(SCANNER_CHANNEL)

    assert counter.data() == [b"%d" % number for number in range(6)]


@in_virtual_time
async def test_an_acknowledgement_from_before_does_not_cut_the_next_scan() -> None:
    """A long scan is journaled while the link is down; its acknowledgement comes as it is being sent again."""
    counter = Counter()
    await counter.reads(b"a" * 500 + b"\r")
    counter.link.down()
    await counter.reads(b"b" * 300 + b"\r")
    counter.link.said.clear()
    counter.link.room = 1
    counter.link.up()  # the first part of "a" fits

    counter.link.say("scan_taken", 1)
    counter.link.writable(SCANNER_CHANNEL)

    of_b = [data for sequence, _, _, data in counter.link.heard("scan") if sequence == 2]
    assert b"".join(of_b) == b"b" * 300


@in_virtual_time
async def test_at_rest_the_tasks_are_at_rest() -> None:
    counter = Counter()
    await counter.reads(b"123\r")

    assert [account.step for account in counter.accounts] == [None, None]


CODE = st.binary(min_size=1, max_size=700).map(lambda data: data.replace(b"\r", b"x").replace(b"\n", b"y"))
STEP = st.one_of(
    st.tuples(st.just("scan"), CODE),
    st.tuples(st.sampled_from(["down", "up", "taken", "no_room", "room"]), st.integers(0, 10)),
    st.tuples(st.sampled_from(["off", "on", "wait", "answer"]), st.integers(0, 5000)),
)
COMMANDS = {"serial_syn": (SYN_ON, SYN_OFF), "gm65": (GM65_ON, GM65_OFF)}


@settings(max_examples=60)
@given(st.lists(STEP, max_size=40), st.integers(0, TICKS_MASK), st.sampled_from(["none", "serial_syn", "gm65"]))
def test_every_scan_arrives_once_in_order_and_whole_whatever_the_link_does(
    steps: list[Any], offset: int, trigger: str
) -> None:
    async def main() -> None:
        counter = Counter(ticks_offset=offset, trigger=trigger)
        expected: list[bytes] = []
        owned: dict[int, bytes] = {}  # the bridge's journal
        heard = 0
        begun: tuple[int, bytes] = (0, b"")

        def listen() -> None:
            nonlocal heard, begun
            for sequence, _, flags, data in counter.link.heard("scan")[heard:]:
                heard += 1
                whole = (begun[1] if begun[0] == sequence else b"") + data
                begun = (sequence, whole)
                if not flags & CONTINUES:
                    assert owned.setdefault(sequence, whole) == whole
                    begun = (0, b"")

        for kind, value in steps:
            if kind == "scan":
                kept = counter.blips
                await counter.reads(value + b"\r", 0.01)
                if counter.blips > kept:
                    expected.append(value)
            elif kind == "down":
                counter.link.down()
                begun = (0, b"")
            elif kind == "up":
                counter.link.down()
                begun = (0, b"")
                counter.link.up()
            elif kind == "taken" and owned and counter.link.is_up:
                counter.link.say("scan_taken", sorted(owned)[min(value, len(owned) - 1)])
            elif kind == "no_room":
                counter.link.room = value
            elif kind == "room":
                counter.link.writable(SCANNER_CHANNEL)
            elif kind in ("off", "on") and counter.link.is_up:
                counter.link.say("scanner_enable", int(kind == "on"), value)
            elif kind == "wait":
                await seconds(value / 1000)
            elif kind == "answer" and trigger == "gm65":
                await counter.reads(GM65_ANSWER, 0.01)
            listen()
            if trigger in COMMANDS:
                await seconds(0.005)  # a command is on the line for so long
                sent = bytes(counter.wire.sent)
                last = max((sent.rfind(command), on) for on, command in enumerate(reversed(COMMANDS[trigger])))[1]
                assert bool(last) == (counter.scanner.state() == READING)
        counter.link.room = 1 << 30
        counter.link.down()
        begun = (0, b"")
        counter.link.up()
        listen()
        assert [owned[number] for number in sorted(owned)] == expected

    run_in_virtual_time(main())
