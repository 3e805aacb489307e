"""The hub's scanner: every barcode once, in order, whole; kept until the bridge owns it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import PWRON_RESET, TICKS_MASK, WDT_RESET, Bench
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

SENSE, TRIGGER_PIN = 10, 11
READING, OFF, HELD = range(3)
SYN_ON, SYN_OFF = b"\x16T\r", b"\x16U\r"
GM65_ON, GM65_OFF = bytes.fromhex("7e000801000201abcd"), bytes.fromhex("7e000801000200abcd")
GM65_ANSWER = bytes.fromhex("02000001003331")
HAS_SYMBOLOGY, REPEAT, CONTINUES = 1, 2, 4
SCANNER_CHANNEL = 2
DAY_MS = 86_400_000


class Counter(Bench):
    def __init__(self, cause: int = WDT_RESET, ticks_offset: int = 0, sense: bool = True, **port: Any) -> None:
        super().__init__(cause, ticks_offset)
        self.board.levels[SENSE] = 1
        module = self.life.module("scanner")
        self.ring_scans, self.ring_bytes, self.scan_bytes_max = (
            module.RING_SCANS,
            module.RING_BYTES,
            module.SCAN_BYTES_MAX,
        )
        self.hold_scans, self.free_scans = module._HOLD_SCANS, module._FREE_SCANS
        port = {"uart": 2, "tx": 8, "rx": 9, "baud_rate": 9600} | port | ({"sense": SENSE} if sense else {})
        with self.life.in_place():  # it may import what few boards need
            self.scanner = module.Scanner(port, self.link, self.faults, self.blip)
        self.wire = self.board.line(2)
        self.wire.rx_limit = 1 << 20
        self.accounts = self.run(self.scanner.read, self.scanner.watch)

    async def reads(self, data: bytes, then_s: float = 0.2) -> None:
        self.wire.push(data)
        await seconds(then_s)

    def scans(self) -> list[tuple[int, int, bytes]]:
        """(sequence, flags, data) as the bridge puts them together; parts of one scan come in one piece."""
        found, begun = [], b""
        for sequence, _, flags, data in self.link.heard("scan"):
            begun += data
            if not flags & CONTINUES:
                found.append((sequence, flags, begun))
                begun = b""
        return found

    def states(self) -> list[int]:
        """What the bridge was told of the scanner's state."""
        return [state for state, _ in self.link.heard("scanner")]

    def data(self) -> list[bytes]:
        return [data for _, _, data in self.scans()]


@pytest.mark.parametrize("suffix", [b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n", b""])
def test_a_scan_ends_with_any_suffix_or_with_silence(suffix: bytes) -> None:
    async def main() -> None:
        counter = Counter()
        for code in (b"5901234123457", b"96385074", b"ABC-abc-1234"):
            await counter.reads(code + suffix)
        assert counter.data() == [b"5901234123457", b"96385074", b"ABC-abc-1234"]
        assert [sequence for sequence, _, _ in counter.scans()] == [1, 2, 3]
        assert counter.blips == 3

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_scan_that_dribbles_in_is_one() -> None:
    counter = Counter()
    for byte in b"5901234123457":
        await counter.reads(bytes((byte,)), 0.02)
    await seconds(0.2)

    assert counter.data() == [b"5901234123457"]


@in_virtual_time
async def test_a_stalled_line_does_not_cut_a_scan_of_a_scanner_that_sends_a_suffix() -> None:
    counter = Counter()
    await counter.reads(b"4006381333931\r", 1)
    for piece in (b"59012", b"34123", b"457\r"):
        await counter.reads(piece, 0.3)
    assert counter.data() == [b"4006381333931", b"5901234123457"]


@pytest.mark.parametrize("rubbish", [b"\xff\x00\x91", b"x" * 100])
def test_a_line_that_never_pauses_is_named_while_it_goes_on(rubbish: bytes) -> None:
    async def main() -> None:
        counter = Counter()
        for _ in range(8000 // len(rubbish)):
            await counter.reads(rubbish, 0.02)
        assert counter.fault_codes == {"scanner_garbled"}
        await seconds(1)
        await counter.reads(b"4006381333931\r")
        assert counter.data()[-1] == b"4006381333931"
        assert counter.fault_codes == set()

    run_in_virtual_time(main())


@in_virtual_time
async def test_half_a_scan_of_a_scanner_that_sends_a_suffix_is_no_article_but_a_fault() -> None:
    """Its plug was pulled half-way; what is there could be another article's number."""
    counter = Counter(sense=False)
    await counter.reads(b"4006381333931\r", 1)
    await counter.reads(b"40063", 1)
    assert counter.data() == [b"4006381333931"]
    assert counter.fault_codes == {"scanner_garbled"}

    await counter.reads(b"no suffix", 0.5)  # another scanner now
    assert counter.data() == [b"4006381333931", b"no suffix"]
    assert counter.fault_codes == set()


@in_virtual_time
async def test_several_scans_in_one_read_are_several() -> None:
    counter = Counter()
    await counter.reads(b"1\r2\n3\r\n\r\n4\r5\r", 0.5)

    assert counter.data() == [b"1", b"2", b"3", b"4", b"5"]


@in_virtual_time
async def test_scans_without_a_suffix_at_full_speed_are_told_apart_by_the_pause_between_them() -> None:
    counter = Counter(baud_rate=115_200)
    codes = [b"%013d" % number for number in range(30)]
    for code in codes:
        for byte in code:
            await counter.reads(bytes((byte,)), 10 / 115_200)
        await seconds(0.12)

    assert counter.data() == codes
    assert counter.fault_codes == set()


@pytest.mark.parametrize("baud_rate", [9600, 115_200])
def test_a_scan_is_on_its_way_within_5_ms_of_its_last_byte(baud_rate: int) -> None:
    async def main() -> None:
        counter = Counter(baud_rate=baud_rate)
        for byte in b"]E04006381333931":
            await counter.reads(bytes((byte,)), 10 / baud_rate)
        counter.wire.push(b"\r")
        await seconds(0.005)
        assert counter.data() == [b"]E04006381333931"]

    run_in_virtual_time(main())


@in_virtual_time
async def test_separators_inside_a_code_stay_where_they_are() -> None:
    counter = Counter()
    code = b"]C1010950110153000310ABC\x1d21XYZ\x1d17260101"
    await counter.reads(code + b"\r")

    assert counter.data() == [code]
    assert counter.fault_codes == set()


@pytest.mark.parametrize("rubbish", [b"\xf8\x00\x86\x80\x1e", b"\0", b"4006\x003931", b"\x1d"])
def test_rubbish_of_a_wrong_baud_rate_is_delivered_and_named_until_a_clean_scan(rubbish: bytes) -> None:
    async def main() -> None:
        counter = Counter()
        await counter.reads(rubbish, 0.2)
        assert counter.data() == [rubbish]
        assert counter.fault_codes == {"scanner_garbled"}
        await counter.reads(b"4006381333931\r")
        assert counter.fault_codes == set()

    run_in_virtual_time(main())


@in_virtual_time
async def test_suffixes_alone_are_no_scans() -> None:
    counter = Counter()
    await counter.reads(b"\r\n\r\n\n\n\r")

    assert counter.scans() == []
    assert counter.blips == 0


@pytest.mark.parametrize(
    ("data", "has"),
    [(b"]E05901234123457", True), (b"]C1", False), (b"]", False), (b"]11x", False), (b"]Q\x00x", False)],
)
def test_an_aim_identifier_is_recognised_only_with_data_behind_it(data: bytes, has: bool) -> None:
    async def main() -> None:
        counter = Counter()
        await counter.reads(data + b"\r")
        assert counter.scans() == [(1, HAS_SYMBOLOGY if has else 0, data)]

    run_in_virtual_time(main())


@in_virtual_time
async def test_the_same_code_within_400_ms_is_flagged_as_a_repeat() -> None:
    counter = Counter()
    await counter.reads(b"123\r", 0.3)
    await counter.reads(b"123\r", 0.45)
    await counter.reads(b"123\r", 0.1)
    await counter.reads(b"456\r", 0.1)

    assert [flags for _, flags, _ in counter.scans()] == [0, REPEAT, 0, 0]


# -- banners -----------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_words_of_a_scanner_that_got_power_are_no_scan() -> None:
    counter = Counter(PWRON_RESET)
    await counter.reads(b"Newland NLS-EM20\rV1.2.3 ready\r\n", 0.5)
    await counter.reads(b"5901234123457\r", 1.0)
    await counter.reads(b"ABC-1\r")

    assert counter.data() == [b"5901234123457", b"ABC-1"]


@in_virtual_time
async def test_articles_are_taken_right_after_power_on() -> None:
    counter = Counter(PWRON_RESET)
    await counter.reads(b"5901234123457\r]C1ABC\r")

    assert counter.data() == [b"5901234123457", b"]C1ABC"]


@in_virtual_time
async def test_after_a_reset_of_the_hub_alone_there_is_no_banner() -> None:
    counter = Counter(WDT_RESET)
    await counter.reads(b"ABC-1\r")

    assert counter.data() == [b"ABC-1"]


@in_virtual_time
async def test_a_scanner_plugged_in_again_may_say_its_banner() -> None:
    counter = Counter()
    counter.board.set_level(SENSE, 0)
    await until(lambda: counter.fault_codes == {"scanner_unplugged"})
    counter.board.set_level(SENSE, 1)
    await until(lambda: not counter.fault_codes)
    await counter.reads(b"Scanner ready\r")
    await counter.reads(b"12345\r")

    assert counter.data() == [b"12345"]


@pytest.mark.parametrize("days", [0.01, 6, 7, 9, 12, 13])
def test_letters_are_an_article_however_long_ago_the_power_came(days: float) -> None:
    """The chip's milliseconds come round after 12.4 days."""

    async def main() -> None:
        counter = Counter(PWRON_RESET)
        await counter.reads(b"5901234123457\r")
        counter.board.ticks_offset = int(days * DAY_MS)
        await counter.reads(b"ABC-1\r")
        assert counter.data() == [b"5901234123457", b"ABC-1"]

    run_in_virtual_time(main())


@pytest.mark.parametrize("days", [6, 7, 9, 12])
def test_the_first_article_after_the_holidays_is_no_repeat(days: int) -> None:
    async def main() -> None:
        counter = Counter()
        await counter.reads(b"123\r")
        counter.board.ticks_offset = days * DAY_MS
        await counter.reads(b"123\r")
        assert [flags for _, flags, _ in counter.scans()] == [0, 0]

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_greeting_without_a_suffix_is_one_too() -> None:
    counter = Counter(sense=False, banner="Newland")
    await counter.reads(b"5901234123457\r", 1)
    await counter.reads(b"Newland NLS-EM20", 1)
    assert counter.data() == [b"5901234123457"]
    assert counter.fault_codes == {"scanner_restarted"}


@in_virtual_time
async def test_a_greeting_in_the_middle_of_the_day_is_no_scan_but_a_loose_plug() -> None:
    counter = Counter(sense=False, banner="Newland", trigger="serial_syn")
    await counter.reads(b"5901234123457\r", 1)
    counter.wire.sent.clear()
    await counter.reads(b"40063Newland NLS-EM20\r", 0.2)  # it lost its power half-way through a scan
    await counter.reads(b"V1.2.3 ready\r", 0.2)

    assert counter.data() == [b"5901234123457"]
    assert counter.fault_codes == {"scanner_restarted"}
    assert counter.wire.sent == SYN_ON  # it has forgotten

    await counter.reads(b"96385074\r", 1)
    assert counter.data() == [b"5901234123457", b"96385074"]
    assert counter.fault_codes == set()


@in_virtual_time
async def test_the_greeting_at_power_on_is_no_fault() -> None:
    counter = Counter(PWRON_RESET, banner="Newland")
    await counter.reads(b"Newland NLS-EM20\rV1.2.3 ready\r\n", 0.5)

    assert counter.data() == []
    assert counter.fault_codes == set()


@in_virtual_time
async def test_a_plug_pulled_half_way_through_a_scan_leaves_nothing_of_it() -> None:
    counter = Counter()
    await counter.reads(b"40063", 0.02)
    counter.board.set_level(SENSE, 0)
    await until(lambda: counter.fault_codes == {"scanner_unplugged"})
    counter.board.set_level(SENSE, 1)
    await until(lambda: counter.fault_codes == set())
    await counter.reads(b"4006381333931\r")

    assert counter.data()[-1] == b"4006381333931"


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
