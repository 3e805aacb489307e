"""The hub's printer: a job's bytes once, in order and alone; its end proven by the printer; its silence noticed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.board import Bench
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

PRINTER = 4
NONE, RECEIVING, ENDED, WRITTEN, PROVEN, ABORTED = range(6)
UNKNOWN, ANSWERING, SILENT = range(3)
POWER, REPLACED, OVERRUN = 1, 2, 3
NO_JOB = b"\0" * 8
JOB, OTHER = b"job-aaaa", b"job-bbbb"
ENABLE_ASB = b"\x1d\x61\x0f"
CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
PROBE = b"\x10\x04\x01"
SENSE = 7
GS_R = b"\x1d\x72\x01"
POWER_NOTICE = b"\x3b\x30\0"
PROCESS_ID = b"\x1d\x28\x48\x06\x00\x30\x30"
ONLINE, OFFLINE_COVER, PAPER_END = b"\x10\x00\x00\x00", b"\x38\x00\x00\x00", b"\x18\x00\x0c\x00"


class Counter(Bench):
    """A printer on the bench: answers probes, GS a, GS r and GS ( H; prints when `busy` lets it."""

    def __init__(self, *, powered: bool = True, sense: bool = False, **options: Any) -> None:
        super().__init__()
        self.powered, self.busy, self.has_asb, self.proves = powered, False, True, True
        self.asb, self.realtime = ONLINE, b"\x12"
        self.got = bytearray()  # all bytes but probes
        self.wire = self.board.line(1)
        self.wire.take = self._take
        self.wire.room = lambda: 0 if self.busy else 1 << 20
        port = {"uart": 1, "tx": 4, "rx": 5, "cts": 6, "baud_rate": 115200} | options
        if sense:
            port["sense"] = SENSE
            self.board.set_level(SENSE, int(powered))
        self.printer = self.life.module("printer").Printer(port, self.link, self.faults, self.blip)
        self.accounts = self.run(self.printer.write, self.printer.read, self.printer.watch)

    def _take(self, data: bytes) -> None:
        if not self.powered:
            return
        rest = data.replace(CLEAR, b"")
        if rest != data:
            self.wire.push(b"\x37\x25\0")
        while rest.startswith(PROBE):  # nothing else stands in a block with a probe
            self.wire.push(self.realtime)
            rest = rest[len(PROBE) :]
        for byte in rest:
            self.got.append(byte)
            if self.got.endswith(ENABLE_ASB) and self.has_asb:
                self.wire.push(self.asb)
            elif self.proves and self.got.endswith(GS_R):
                self.wire.push(b"\x00")
            elif self.proves and self.got[-11:].startswith(PROCESS_ID):
                self.wire.push(b"\x37\x22" + self.got[-4:] + b"\0")

    def says(self, asb: bytes) -> None:
        self.asb = asb
        self.wire.push(asb)

    async def ready(self) -> None:
        await until(lambda: self.printer.asb == self.asb and self.printer.condition == ANSWERING)
        await seconds(0.1)
        self.got.clear()
        self.link.said.clear()

    def send(self, data: bytes, *, job: bytes = JOB, proof: bytes = GS_R, total: int | None = None) -> None:
        self.link.say("job_begin", job, len(data) if total is None else total, proof)
        for start in range(0, len(data), 240):
            self.link.say("job_data", data[start : start + 240])

    def statuses(self, job: bytes = JOB) -> list[tuple[int, int, int, int, bytes]]:
        """(phase, reason, received, written, reply) as told."""
        return [values[1:] for values in self.link.heard("job_status") if values[0] == job]

    async def phase(self, wanted: int) -> None:
        await until(lambda: self.printer.phase == wanted)


def numbered(size_bytes: int) -> bytes:
    return b"".join(b"%07d\n" % number for number in range(size_bytes // 8))


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
