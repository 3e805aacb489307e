"""What the printer says and what its lines tell: each status shows, and power lost for a moment is not overlooked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import Bench
from tests.firmware.printer_counter import (
    ABORTED,
    ANSWERING,
    CLEAR,
    ENABLE_ASB,
    GS_R,
    JOB,
    NONE,
    OFFLINE_COVER,
    ONLINE,
    OTHER,
    PAPER_END,
    POWER,
    POWER_NOTICE,
    PROCESS_ID,
    PROVEN,
    SENSE,
    WRITTEN,
    Counter,
    numbered,
)
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

# -- status ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asb", "codes"),
    [
        (b"\x10\x00\x00\x00", set()),
        (b"\x38\x00\x00\x00", {"cover_open"}),
        (b"\x18\x08\x00\x00", {"cutter"}),
        (b"\x18\x04\x00\x00", {"printer_error"}),
        (b"\x18\x20\x00\x00", {"printer_error"}),
        (b"\x18\x00\x0c\x00", {"paper_end"}),
        (b"\x18\x00\x0f\x00", {"paper_end"}),
        (b"\x10\x00\x03\x00", {"paper_near_end"}),
        (b"\x38\x28\x0f\x00", {"cover_open", "cutter", "printer_error", "paper_end"}),
    ],
)
def test_each_status_raises_its_faults_and_takes_them_back(asb: bytes, codes: set[str]) -> None:
    async def main() -> None:
        counter = Counter()
        await counter.ready()
        counter.says(asb)
        await seconds(0.1)
        assert counter.fault_codes == codes
        counter.says(ONLINE)
        await seconds(0.1)
        assert counter.fault_codes == set()

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_lost_status_byte_costs_that_status_and_not_the_next() -> None:
    counter = Counter()
    await counter.ready()
    for lost in range(4):
        counter.wire.push(PAPER_END[:lost] + PAPER_END[lost + 1 :])
        counter.says(OFFLINE_COVER)
        await seconds(0.1)
        assert counter.fault_codes == {"cover_open"}
        counter.says(ONLINE)
        await seconds(0.1)
        assert counter.fault_codes == set()


@in_virtual_time
async def test_a_lost_end_of_a_block_does_not_deafen_the_hub() -> None:
    counter = Counter()
    await counter.ready()
    counter.wire.push(b"\x5fCOUNTERH")  # and no NUL

    await seconds(30)
    assert counter.printer.condition == ANSWERING
    assert counter.fault_codes == set()
    counter.says(PAPER_END)
    await seconds(0.1)
    assert counter.fault_codes == {"paper_end"}


@in_virtual_time
async def test_a_printer_that_comes_and_goes_is_followed() -> None:
    counter = Counter()
    await counter.ready()
    for _ in range(5):
        counter.powered = False
        await until(lambda: counter.fault_codes == {"printer_power"}, 3)
        counter.powered = True
        await until(lambda: not counter.fault_codes and counter.printer.asb == ONLINE, 3)


@in_virtual_time
async def test_a_printer_switched_off_and_on_to_change_its_paper_is_online_again() -> None:
    counter = Counter()
    await counter.ready()
    counter.says(PAPER_END)
    await until(lambda: counter.fault_codes == {"paper_end"})
    counter.powered, counter.busy = False, True
    await seconds(60)
    counter.asb = ONLINE  # and it tells nobody: it has forgotten that it was asked to
    counter.powered, counter.busy = True, False

    await until(lambda: counter.printer.asb == ONLINE, 2)
    assert counter.fault_codes == set()


@in_virtual_time
async def test_a_job_over_which_the_printer_was_switched_off_and_on_is_not_proven() -> None:
    """Out of paper in the middle of a receipt; the clerk changes the roll with the printer off. Half is on paper."""
    counter = Counter()
    await counter.ready()
    counter.send(numbered(1920), total=2400)
    await seconds(0.002)
    counter.says(PAPER_END)
    counter.busy = True
    await seconds(10)
    counter.powered = False
    await seconds(10)
    counter.asb, counter.powered, counter.busy = ONLINE, True, False
    counter.link.say("job_data", b"x" * 240)
    counter.link.say("job_data", b"x" * 240)
    counter.link.say("job_end", JOB)

    await counter.phase(ABORTED)
    assert counter.statuses()[-1][:2] == (ABORTED, POWER)
    await until(lambda: counter.printer.asb == ONLINE and counter.fault_codes == set(), 2)


@in_virtual_time
async def test_a_printer_without_asb_is_there_all_the_same() -> None:
    counter = Counter()
    counter.has_asb = False
    await until(lambda: counter.printer.condition == ANSWERING)
    await seconds(30)
    assert counter.printer.condition == ANSWERING
    assert counter.printer.asb is None

    counter.send(b"receipt")
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)


@in_virtual_time
async def test_at_rest_and_while_the_printer_is_busy_the_tasks_are_at_rest() -> None:
    counter = Counter()
    await counter.ready()
    assert [account.step for account in counter.accounts] == [None] * 3
    counter.says(OFFLINE_COVER)
    counter.busy = True
    counter.send(numbered(1920))
    await seconds(3)
    assert [account.step for account in counter.accounts] == [None] * 3


# -- a moment without power --------------------------------------------------------------------------------------


async def glitch(counter: Counter, sign: str, span_s: float = 0.05) -> None:
    """The printer is off for a moment: too short for any probe or stall."""
    counter.powered = False
    if sign == "line":
        counter.wire.on_break()
    elif sign == "sense":
        counter.board.set_level(SENSE, 0)
    await seconds(span_s)
    counter.powered = True
    if sign == "notice":
        counter.wire.push(POWER_NOTICE)
    elif sign == "sense":
        counter.board.set_level(SENSE, 1)


@pytest.mark.parametrize("sign", ["line", "sense", "notice"])
@pytest.mark.parametrize("written", [False, True])
def test_a_moment_without_power_gives_the_job_up_and_the_next_one_prints(sign: str, written: bool) -> None:
    async def main() -> None:
        counter = Counter(sense=sign == "sense")
        await counter.ready()
        counter.proves = False
        counter.send(numbered(4000), total=4000 if written else 5000)
        if written:
            counter.link.say("job_end", JOB)
            await counter.phase(WRITTEN)
        await seconds(0.004)
        counter.wire.sent.clear()
        await glitch(counter, sign)
        await until(lambda: counter.printer.phase == ABORTED, 0.2)
        assert counter.statuses()[-1][:2] == (ABORTED, POWER)

        await until(lambda: counter.printer.asb == ONLINE and not counter.fault_codes, 1.5)
        assert CLEAR in counter.wire.sent  # what was printed since the moment may have begun a command
        assert counter.wire.sent.index(CLEAR) < counter.wire.sent.index(ENABLE_ASB)
        counter.proves = True
        counter.got.clear()
        counter.send(b"next", job=OTHER)
        counter.link.say("job_end", OTHER)
        await counter.phase(PROVEN)
        assert counter.got.startswith(b"next")

    run_in_virtual_time(main())


@in_virtual_time
async def test_after_a_moment_without_power_nothing_more_of_the_job_comes_out() -> None:
    counter = Counter()
    await counter.ready()
    counter.busy = True
    counter.send(numbered(1920), total=5000)
    await seconds(0.01)
    counter.wire.on_break()
    counter.busy = False
    counter.got.clear()
    await seconds(0.3)
    assert len(counter.got.replace(ENABLE_ASB, b"")) <= 768 + 240  # what the UART held, and one message


@in_virtual_time
async def test_a_printer_that_a_pin_shows_to_be_off_is_called_off_at_once_and_found_when_it_is_on() -> None:
    counter = Counter(powered=False, sense=True)
    await until(lambda: counter.fault_codes == {"printer_power"}, 0.2)
    await seconds(5)
    counter.powered = True
    counter.board.set_level(SENSE, 1)
    await until(lambda: counter.printer.asb == ONLINE and not counter.fault_codes, 1)


@in_virtual_time
async def test_a_moment_without_power_between_jobs_costs_no_status() -> None:
    """It shows in nothing; but the printer has forgotten that it was asked to tell its status."""
    counter = Counter()
    await counter.ready()
    counter.asb = PAPER_END
    await until(lambda: counter.fault_codes == {"paper_end"}, 2.2)


@in_virtual_time
async def test_all_process_ids_since_the_jobs_end_are_told_up_to_the_one_asked_for_last() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"receipt", proof=b"\x1d^\x01\0\0" + PROCESS_ID + b"#b12")
    counter.wire.push(b"\x37\x22old1\0")
    counter.link.say("job_end", JOB)
    counter.proves = False
    await counter.phase(WRITTEN)
    counter.wire.push(b"\x37\x22ab12\0")
    await seconds(0.1)
    assert counter.printer.phase == WRITTEN
    counter.wire.push(b"\x37\x22#b12\0")
    await counter.phase(PROVEN)
    assert counter.statuses()[-1][-1].endswith(b"\x37\x22ab12\0\x37\x22#b12\0")


@in_virtual_time
async def test_answers_without_end_are_kept_to_the_last_80_bytes() -> None:
    counter = Counter()
    counter.proves = False
    await counter.ready()
    counter.send(b"receipt", proof=PROCESS_ID + b"ab12")
    counter.link.say("job_end", JOB)
    await counter.phase(WRITTEN)
    for _ in range(100):
        counter.wire.push(b"\x37\x22zz99\0")
    await seconds(1)
    counter.wire.push(b"\x37\x22ab12\0")
    await counter.phase(PROVEN)
    assert len(counter.statuses()[-1][-1]) == 80
    assert counter.statuses()[-1][-1].endswith(b"\x37\x22ab12\0")


async def status_reader_class() -> Any:
    return Bench().life.module("printer").StatusReader


READER = run_in_virtual_time(status_reader_class())


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=100), max_size=20))
def test_any_bytes_are_read_without_failing_and_a_status_afterwards_is_understood(pieces: list[bytes]) -> None:
    heard: list[bytes] = []
    replies: list[bytes] = []
    reader = READER(heard.append, lambda byte: None, replies.append)
    for piece in pieces:
        reader.feed(piece, len(piece))
    reader.decide()
    assert not reader.undecided
    assert all(len(asb) == 4 and asb[0] & 0x93 == 0x10 for asb in heard)
    assert all(len(reply) <= 80 for reply in replies)
    for _ in range(2):  # the first may be eaten by what came before it
        reader.feed(PAPER_END, 4)
    assert heard[-1] == PAPER_END


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("job"), st.integers(0, 3000)),
            st.tuples(st.sampled_from(["power", "cover", "busy", "link", "query"]), st.integers(1, 3000)),
        ),
        max_size=12,
    )
)
def test_whatever_happens_the_paper_shows_prefixes_of_jobs_and_a_proven_one_whole(steps: list[Any]) -> None:
    async def main() -> None:
        counter = Counter()
        await counter.ready()
        number = 0
        for kind, value in steps:
            if kind == "job":
                number += 1
                job, data = b"job%05d" % number, bytes((64 + number,)) * value
                if counter.printer.condition != ANSWERING or counter.printer._offline():
                    continue  # the bridge waits
                counter.got.clear()
                counter.send(data, job=job)
                counter.link.say("job_end", job)
                await seconds(0.02)
                continue
            if kind == "power":
                counter.powered, counter.busy = False, True
            elif kind == "cover":
                counter.says(OFFLINE_COVER)
                counter.busy = True
            elif kind == "busy":
                counter.busy = True
            elif kind == "link":
                counter.link.down()
                counter.link.up()
            else:
                counter.link.say("printer_query", GS_R)
            await seconds(value / 1000)
            was_off = not counter.powered
            counter.powered, counter.busy = True, False
            if kind == "cover":
                counter.says(ONLINE)
            await seconds(0.3 if was_off else 0.01)
            if counter.printer.phase == PROVEN:
                whole = bytes((64 + number,)) * counter.printer.received_bytes
                assert bytes(counter.got).replace(ENABLE_ASB, b"").replace(GS_R, b"") == whole
        await until(lambda: counter.printer.phase in (NONE, PROVEN, ABORTED, WRITTEN), 30)
        assert [account.step for account in counter.accounts] == [None] * 3

    run_in_virtual_time(main())
