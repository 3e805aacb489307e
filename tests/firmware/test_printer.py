"""The hub's printer: a job's bytes once, in order and alone; its end proven by the printer; its silence noticed."""

from __future__ import annotations

import pytest

from tests.firmware.printer_counter import (
    ABORTED,
    ANSWERING,
    ENABLE_ASB,
    GS_R,
    JOB,
    NONE,
    OFFLINE_COVER,
    ONLINE,
    OTHER,
    OVERRUN,
    PAPER_END,
    POWER,
    PRINTER,
    PROBE,
    PROCESS_ID,
    PROVEN,
    RECEIVING,
    REPLACED,
    SILENT,
    WRITTEN,
    Counter,
    numbered,
)
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, the_loop, until


@in_virtual_time
async def test_a_job_goes_out_byte_for_byte_and_is_proven_by_the_printer() -> None:
    counter = Counter()
    await counter.ready()
    data = numbered(4000)
    counter.send(data)
    counter.link.say("job_end", JOB)

    await counter.phase(PROVEN)
    assert counter.got == data + GS_R
    assert counter.statuses()[-1] == (PROVEN, 0, len(data), len(data), b"\x00")
    assert counter.blips == 1


@in_virtual_time
async def test_a_process_id_response_proves_a_job() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"receipt", proof=PROCESS_ID + b"ab12")
    counter.link.say("job_end", JOB)

    await counter.phase(PROVEN)
    assert counter.statuses()[-1][-1] == b"\x37\x22ab12\0"


@in_virtual_time
async def test_nothing_but_the_answer_to_its_own_question_proves_a_job() -> None:
    counter = Counter()
    counter.proves = False
    await counter.ready()
    counter.send(b"receipt", proof=PROCESS_ID + b"ab12")
    counter.link.say("job_end", JOB)
    await counter.phase(WRITTEN)

    for stray in (b"\x00", b"\x0f", b"\x37\x22zz99\0", b"\x5fCOUNTERHUB\0"):
        counter.wire.push(stray)
        await seconds(0.2)
        assert counter.printer.phase == WRITTEN

    counter.wire.push(b"\x37\x22ab12\0")
    await counter.phase(PROVEN)


@in_virtual_time
async def test_the_rest_of_a_status_whose_first_byte_was_lost_proves_nothing() -> None:
    counter = Counter()
    counter.proves = False
    await counter.ready()
    for proof in (GS_R, PROCESS_ID + b"ab12"):
        counter.send(b"receipt", proof=proof)
        counter.link.say("job_end", JOB)
        await counter.phase(WRITTEN)
        counter.wire.push(b"\x00\x0f\x0f")
        await seconds(0.3)
        assert counter.printer.phase == WRITTEN


@in_virtual_time
async def test_a_job_without_proof_ends_written() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"receipt", proof=b"")
    counter.link.say("job_end", JOB)

    await counter.phase(WRITTEN)
    counter.wire.push(b"\x00")
    await seconds(1)
    assert counter.printer.phase == WRITTEN
    assert counter.link.heard("printer_reply") == [(b"\x00",)]


@in_virtual_time
async def test_a_busy_printer_holds_the_bytes_and_grants_no_more() -> None:
    counter = Counter()
    await counter.ready()
    counter.says(OFFLINE_COVER)
    counter.busy = True
    data = numbered(240 * 8)
    counter.send(data)
    await seconds(60)

    assert counter.got == b""
    assert len(counter.link.granted) - 1 <= 6  # job_begin, and what the UART's buffer of 1536 bytes took
    assert counter.printer.phase == RECEIVING

    counter.busy = False
    counter.says(ONLINE)
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)
    assert counter.got == data + GS_R
    assert len(counter.link.granted) == 10  # job_begin, eight times job_data, job_end


@in_virtual_time
async def test_what_may_have_reached_the_printer_counts_as_written_though_handing_it_over_failed() -> None:
    """A job of which nothing was written is sent again."""
    counter = Counter()
    await counter.ready()
    put = counter.printer._feeder.put

    def fails_behind(data: bytes) -> int:
        put(data)
        raise MemoryError

    counter.printer._feeder.put = fails_behind
    counter.send(numbered(240))
    await until(lambda: bool(counter.got))
    assert counter.printer.written_bytes == 240


@in_virtual_time
async def test_a_job_that_comes_as_the_printer_loses_its_power_is_given_up_unwritten_and_printed_later() -> None:
    counter = Counter()
    await counter.ready()
    counter.powered = False
    await until(lambda: counter.printer.condition == SILENT)
    counter.send(numbered(480))
    counter.link.say("job_end", JOB)

    assert counter.statuses()[-1] == (ABORTED, POWER, 0, 0, b"")
    assert len(counter.link.granted) == 4
    counter.powered = True
    await until(lambda: counter.printer.condition == ANSWERING)
    counter.send(numbered(480))
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)
    assert counter.got.count(numbered(480)) == 1


@in_virtual_time
async def test_a_printer_that_never_answers_is_given_its_jobs_all_the_same() -> None:
    counter = Counter(powered=False)
    await until(lambda: counter.printer.condition == SILENT)
    counter.send(numbered(480), proof=b"")
    counter.link.say("job_end", JOB)
    await counter.phase(WRITTEN)
    assert counter.statuses()[-1][2:4] == (480, 480)


@in_virtual_time
async def test_a_printer_that_takes_nothing_and_says_nothing_has_lost_its_power() -> None:
    counter = Counter()
    await counter.ready()
    counter.busy, counter.powered = True, False
    counter.send(numbered(2000))

    await counter.phase(ABORTED)
    phase, reason, received, written, _ = counter.statuses()[-1]
    assert (phase, reason, received) == (ABORTED, POWER, 2000)
    assert written > 0
    assert counter.fault_codes == {"printer_power"}
    assert counter.link.heard("printer_status")[-1][0] == SILENT

    counter.busy, counter.powered = False, True
    await until(lambda: counter.printer.condition == ANSWERING)
    await until(lambda: counter.printer.asb == ONLINE)
    assert counter.fault_codes == set()
    assert counter.got == ENABLE_ASB  # not a byte of the job that was given up
    assert len(counter.link.granted) == 10


@in_virtual_time
async def test_a_written_job_whose_printer_falls_silent_is_given_up() -> None:
    counter = Counter()
    counter.proves = False
    await counter.ready()
    counter.send(b"receipt")
    counter.link.say("job_end", JOB)
    await counter.phase(WRITTEN)

    counter.powered = False

    await counter.phase(ABORTED)
    assert counter.statuses()[-1] == (ABORTED, POWER, 7, 7, b"")


@in_virtual_time
async def test_a_printer_that_is_only_slow_with_the_last_bytes_is_not_called_dead() -> None:
    """The job's last bytes wait in the UART behind the printer's busy line: no probe can be sent, so none is missed."""
    counter = Counter()
    await counter.ready()
    for _ in range(20):
        counter.send(b"x" * 200)
        counter.link.say("job_end", JOB)
        counter.busy = True
        await counter.phase(WRITTEN)
        await seconds(1.2)
        counter.busy = False
        await counter.phase(PROVEN)
        assert counter.fault_codes == set()


@in_virtual_time
async def test_a_printer_that_takes_a_few_bytes_at_a_time_is_not_called_dead() -> None:
    """A message of 240 bytes takes it longer than a printer that is there may stand still."""
    counter = Counter()
    await counter.ready()
    data, started_s = numbered(1600), the_loop().time()
    counter.wire.room = lambda: max(0, int((the_loop().time() - started_s) * 80) - len(counter.got))
    counter.send(data)
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)
    assert bytes(counter.got[: len(data)]) == data and the_loop().time() - started_s > 18
    assert not counter.faults.active


@in_virtual_time
async def test_of_a_job_given_up_before_its_first_byte_nothing_was_written() -> None:
    counter = Counter()
    await counter.ready()
    counter.link.say("job_begin", JOB, 100, GS_R)
    await seconds(5)
    counter.link.say("job_begin", OTHER, 100, GS_R)

    assert counter.statuses()[-1] == (ABORTED, REPLACED, 0, 0, b"")


@in_virtual_time
async def test_a_replaced_job_stops_and_the_new_one_is_whole() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"A" * 2000, total=5000)
    await seconds(0.003)
    counter.send(b"B" * 1000, job=OTHER)
    counter.link.say("job_end", OTHER)

    await counter.phase(PROVEN)
    assert counter.statuses()[-1][:2] == (ABORTED, REPLACED)
    old, new = bytes(counter.got).split(b"B", 1)
    assert set(old) <= set(b"A")
    assert new.startswith(b"B" * 999 + GS_R)
    assert len(counter.link.granted) == 1 + 9 + 1 + 5 + 1


@in_virtual_time
async def test_more_bytes_than_announced_give_the_job_up() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"x" * 500, total=400)

    assert counter.statuses()[-1][:3] == (ABORTED, OVERRUN, 480 - 240)
    await seconds(1)
    counter.link.say("job_end", JOB)
    await seconds(1)
    assert counter.printer.phase == ABORTED
    assert GS_R not in counter.got
    assert len(counter.link.granted) == 5


@in_virtual_time
async def test_after_any_abort_the_next_job_prints_and_the_status_still_comes() -> None:
    counter = Counter()
    await counter.ready()
    for first in (OVERRUN, REPLACED):
        counter.send(b"x" * 2000, total=400 if first == OVERRUN else 3000)
        counter.send(b"y" * 100, job=OTHER)
        counter.link.say("job_end", OTHER)
        await counter.phase(PROVEN)
        counter.says(PAPER_END)
        await until(lambda: counter.fault_codes == {"paper_end"})
        counter.says(ONLINE)
        await until(lambda: not counter.fault_codes)
        counter.link.say("job_forget", OTHER)


# -- questions between jobs --------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_question_goes_out_between_jobs_and_its_answer_comes_back() -> None:
    counter = Counter()
    await counter.ready()
    counter.link.say("printer_query", GS_R)

    await until(lambda: counter.link.heard("printer_reply"))
    assert counter.link.heard("printer_reply") == [(b"\x00",)]
    assert counter.link.granted == [PRINTER]


@in_virtual_time
async def test_no_question_ever_stands_inside_a_job() -> None:
    counter = Counter()
    await counter.ready()
    counter.busy = True  # so that questions queue up
    counter.says(OFFLINE_COVER)
    for _ in range(6):
        counter.link.say("printer_query", GS_R)
    data = numbered(1200)
    counter.link.say("job_begin", JOB, len(data), GS_R)
    counter.link.say("job_data", data[:240])
    counter.busy = False
    counter.says(ONLINE)
    await seconds(2)  # the link is slow: the job has begun and nothing of it is here
    counter.link.say("printer_query", GS_R)
    for start in range(240, len(data), 240):
        counter.link.say("job_data", data[start : start + 240])
    counter.link.say("job_end", JOB)

    await counter.phase(PROVEN)
    assert data in counter.got


@in_virtual_time
async def test_a_printer_that_wakes_during_a_job_is_not_set_up_inside_it() -> None:
    """A printer that never answers gets jobs too, if the bridge is told so; here it gets its power during one."""
    counter = Counter(powered=False)
    await until(lambda: counter.printer.condition == SILENT)
    counter.link.say("job_begin", JOB, 480, b"")
    counter.link.say("job_data", b"x" * 240)
    await seconds(0.5)
    counter.powered = True
    counter.got.clear()
    counter.says(ONLINE)
    await seconds(1)
    counter.link.say("job_data", b"y" * 240)
    await seconds(1)
    assert ENABLE_ASB not in counter.got
    counter.link.say("job_end", JOB)

    await counter.phase(WRITTEN)
    await until(lambda: ENABLE_ASB in counter.got)
    assert counter.got.index(b"y" * 240) < counter.got.index(ENABLE_ASB)


@in_virtual_time
async def test_probes_go_out_between_jobs_only() -> None:
    counter = Counter()
    await counter.ready()
    await seconds(3)
    assert counter.wire.sent.count(PROBE) >= 5
    counter.wire.sent.clear()

    counter.send(b"\x10\x04\x02" * 80, total=1000)
    await seconds(30)

    assert PROBE not in counter.wire.sent
    assert counter.fault_codes == set()


# -- the link ----------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_new_session_is_told_the_status_and_how_far_the_job_is() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"x" * 480, total=1000)
    await seconds(1)
    counter.link.down()
    counter.link.said.clear()
    counter.link.up()

    assert counter.link.heard("printer_status") == [(ANSWERING, ONLINE)]
    assert counter.link.heard("job_status") == [(JOB, RECEIVING, 0, 480, 480, b"")]


@pytest.mark.parametrize(
    ("pieces", "begun", "printed"),
    [
        ([240, 240, 100, 240, 240], True, 3),  # to where the last command ends
        ([240, 240, 240], True, 3),  # none ends: all that is here
        ([240, 240, 240], False, 0),  # nothing of it has been printed, and it need not be
        ([100, 240, 240], False, 1),
        ([100], True, 1),
        ([], True, 0),
    ],
)
def test_with_the_link_down_printing_stops_where_a_command_ends_and_goes_on_when_it_is_up(
    pieces: list[int], begun: bool, printed: int
) -> None:
    async def main() -> None:
        counter = Counter(tx_buffer_bytes=768)  # of which the UART has taken three pieces when the link goes down
        await counter.ready()
        counter.wire.bytes_per_s = 1000
        data = [bytes((65 + number,)) * size for number, size in enumerate(pieces)]
        counter.link.say("job_begin", JOB, 5000, GS_R)
        for piece in data:
            counter.link.say("job_data", piece)
        if begun:
            await seconds(0.01)
        counter.link.down()
        await seconds(60)
        assert counter.got == b"".join(data[:printed])
        assert counter.printer.phase == RECEIVING
        assert counter.fault_codes == set()

        counter.link.up()
        assert counter.statuses()[-1][2] == sum(pieces)
        counter.link.say("job_data", b"end\n")
        counter.link.say("job_end", JOB)
        await until(lambda: counter.printer.phase == PROVEN, 10)
        assert counter.got == b"".join(data) + b"end\n" + GS_R

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_job_that_is_here_to_its_end_is_printed_with_the_link_down() -> None:
    counter = Counter()
    await counter.ready()
    counter.wire.bytes_per_s = 1000
    counter.send(numbered(1200) + b"end\n")
    counter.link.say("job_end", JOB)
    counter.link.down()
    await until(lambda: counter.printer.phase == PROVEN, 10)
    assert counter.got == numbered(1200) + b"end\n" + GS_R


@in_virtual_time
async def test_what_could_not_be_told_for_want_of_room_is_told_later() -> None:
    counter = Counter()
    await counter.ready()
    counter.link.room = 0
    counter.send(b"receipt")
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)
    counter.says(PAPER_END)
    await until(lambda: counter.printer.asb == PAPER_END)
    assert counter.link.said == []

    counter.link.writable(PRINTER)

    assert counter.statuses()[-1][0] == PROVEN
    assert counter.link.heard("printer_status")[-1] == (ANSWERING, PAPER_END)


@in_virtual_time
async def test_the_end_of_a_job_is_told_once_a_session_however_often_the_rest_is_told() -> None:
    """A job given up untouched is begun again: its end, told once more, would be taken for the second one's."""
    counter = Counter()
    await counter.ready()
    counter.link.say("job_begin", JOB, 100, GS_R)
    counter.link.say("job_data", b"x" * 200)  # more than was announced: given up, with nothing written
    assert counter.statuses()[-1][:4] == (ABORTED, OVERRUN, 0, 0)
    counter.link.said.clear()
    counter.link.room = 0
    counter.says(PAPER_END)
    await until(lambda: counter.printer.asb == PAPER_END)
    counter.link.writable(PRINTER)
    assert counter.link.heard("printer_status") == [(ANSWERING, PAPER_END)]
    assert counter.statuses() == []

    counter.link.down()
    counter.says(ONLINE)
    await until(lambda: counter.printer.asb == ONLINE)
    counter.link.up()
    counter.link.writable(PRINTER)
    assert len(counter.statuses()) == 1


@in_virtual_time
async def test_a_forgotten_job_is_forgotten_and_one_under_way_is_not() -> None:
    counter = Counter()
    await counter.ready()
    counter.send(b"receipt", total=100)
    counter.link.say("job_forget", JOB)
    assert (counter.printer.job, counter.printer.phase) == (JOB, RECEIVING)

    counter.link.say("job_begin", JOB, 7, GS_R)
    counter.link.say("job_data", b"receipt")
    counter.link.say("job_end", JOB)
    await counter.phase(PROVEN)
    counter.link.say("job_forget", OTHER)
    assert counter.printer.phase == PROVEN
    counter.link.say("job_forget", JOB)
    assert counter.printer.phase == NONE
