"""The hub's scanner: every barcode once, whole, and nothing that is none."""

from __future__ import annotations

import pytest

from tests.firmware.board import PWRON_RESET, WDT_RESET
from tests.firmware.scanner_counter import (
    DAY_MS,
    HAS_SYMBOLOGY,
    REPEAT,
    SENSE,
    SYN_ON,
    Counter,
)
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until


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
async def test_garbage_is_collected_right_behind_a_scan_and_not_in_front_of_the_next() -> None:
    counter = Counter()
    collections = counter.life.collections
    await seconds(1)
    for count in range(1, 4):
        await counter.reads(b"40063", 0.02)
        assert len(collections) == count - 1
        await counter.reads(b"81333931\r", 0.6)
        assert (len(counter.data()), len(collections)) == (count, count)


@in_virtual_time
async def test_scans_in_quick_succession_cost_a_collection_each_half_second_at_most() -> None:
    counter = Counter()
    await seconds(1)
    for _ in range(40):
        await counter.reads(b"96385074\r", 0.05)
    assert len(counter.data()) == 40
    assert len(counter.life.collections) == 4


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
