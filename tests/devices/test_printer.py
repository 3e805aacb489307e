"""The printer service: each job once, to a true end, whatever the link, the hub, the printer and the journal do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host_bridge.devices.printer import PrinterOptions, PrinterService
from host_bridge.events import JobEvent
from host_bridge.interfaces.services import Refused
from host_bridge.journal import JournalFailed, JournalFull
from host_bridge.journal.errors import JournalTimeout
from host_bridge.journal.records import Job, JobState
from hublink import messages, words
from hublink.frame import PAYLOAD_BYTES_MAX
from tests.devices.bench import BOOT, NEXT_BOOT, OFFLINE, ONLINE, Events, HubPrinter, Link, open_journal
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds, until

RECEIPT = bytes(range(256)) * 8
BROKEN = JournalFailed("the disk is gone")
LATE = JournalTimeout("the disk did not answer in time")
DEADLINE_S = 200.0


class Counter:
    """The service, its journal, and the hub at the other end."""

    def __init__(self, folder: Path, options: PrinterOptions | None) -> None:
        self.folder = folder
        self.options = options
        self.link = Link()
        self.events = Events()
        self.journal: Any = None
        self.service: Any = None
        self.hub: Any = None

    async def start(self) -> None:
        """Also after `crash`."""
        self.journal = await open_journal(self.folder)
        self.service = PrinterService(self.link, self.journal, self.events.bus, self.options)
        await self.service.start()
        if self.hub is None:
            self.hub = HubPrinter(self.service, self.link)
        self.hub._service = self.service

    async def crash(self) -> None:
        """The bridge's process is gone; the hub lives on."""
        self.link.is_up = False
        self.link.session += 1
        await self.service.stop()
        await self.journal.close()

    async def submit(self, data: bytes = RECEIPT, key: str | None = None) -> str:
        return str((await self.service.submit(data, source="test", idempotency_key=key)).job.job_id)

    async def final(self, job_id: str) -> Job:
        async with asyncio.timeout(DEADLINE_S):
            job: Job = await self.service.wait_final(job_id)
        return job

    async def end(self, job_id: str) -> tuple[str, str | None]:
        job = await self.final(job_id)
        return job.state.value, job.reason

    async def sending(self, job_id: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while (await self.journal.job(job_id)).state is not JobState.SENDING:
                await seconds(0.001)

    def printed(self, job_id: str) -> int:
        return [job.hex() for job, _ in self.hub.paper].count(job_id)


@asynccontextmanager
async def counter(folder: Path, options: PrinterOptions | None = None, *, up: bool = True) -> AsyncIterator[Counter]:
    one = Counter(folder, options)
    await one.start()
    if up:
        one.hub.up()
    try:
        yield one
        assert one.service._task.done() is False, "the service's task died"
    finally:
        await one.service.stop()
        await one.journal.close()


@in_virtual_time
async def test_a_job_is_printed_whole_and_proven(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        job = await one.submit()

        assert await one.end(job) == ("printed", None)
        assert one.hub.paper == [(bytes.fromhex(job), RECEIPT)]
        assert one.hub.phase == messages.PHASE_NONE or "job_forget" in one.link.names()
        assert [event.job.state for event in one.events.of(JobEvent)] == ["queued", "sending", "printed"]
        assert max(len(values[1]) for values in one.link.sent if values[0] == "job_data") <= PAYLOAD_BYTES_MAX


@in_virtual_time
async def test_an_empty_job_comes_to_an_end(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        assert await one.end(await one.submit(b"")) == ("printed", None)


# -- proof -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confirm", "answers", "prefix", "end"),
    [
        ("auto", "process_id", b"\x1d\x28\x48", ("printed", None)),
        ("auto", "gs_r", b"\x1dr\x01", ("printed", None)),
        ("auto", "nothing", b"", ("unconfirmed", "no_proof")),
        ("process_id", "process_id", b"\x1d\x28\x48", ("printed", None)),
        ("process_id", "gs_r", b"\x1d\x28\x48", ("unconfirmed", "no_proof")),
        ("gs_r", "gs_r", b"\x1dr\x01", ("printed", None)),
        ("gs_r", "nothing", b"\x1dr\x01", ("unconfirmed", "no_proof")),
        ("none", "process_id", b"", ("unconfirmed", "no_proof")),
    ],
)
def test_each_way_to_prove(tmp_path: Path, confirm: Any, answers: str, prefix: bytes, end: Any) -> None:
    async def main() -> None:
        async with counter(tmp_path, PrinterOptions(confirm=confirm)) as one:
            one.hub.answers, one.hub.macros = answers, False
            job = await one.submit()
            assert await one.end(job) == end
            begin = next(message for message in one.link.sent if message[0] == "job_begin")
            assert begin[3].startswith(prefix) and bool(begin[3]) == bool(prefix)
            assert one.printed(job) == 1

    run_in_virtual_time(main())


@pytest.mark.parametrize(("answers", "enquiry"), [("process_id", b"\x1d^\x01\0\0\x1d(H"), ("gs_r", b"\x1d^\x01\0\0")])
def test_a_printer_with_macros_is_made_to_remember_the_question(tmp_path: Path, answers: str, enquiry: bytes) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.hub.answers = answers
            job = await one.submit()
            assert await one.end(job) == ("printed", None)
            begin = next(message for message in one.link.sent if message[0] == "job_begin")
            assert begin[3].startswith(enquiry)
            assert one.hub.paper == [(bytes.fromhex(job), RECEIPT)]

    run_in_virtual_time(main())


@pytest.mark.parametrize("answers", ["process_id", "gs_r"])
def test_a_printer_that_forgot_the_question_has_not_printed_the_job(tmp_path: Path, answers: str) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.hub.answers, one.hub.forgets = answers, True
            assert await one.end(await one.submit()) == ("unconfirmed", "printer_power")
            one.hub.forgets = False
            assert await one.end(await one.submit()) == ("printed", None)

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_memory_that_the_receipts_undo_is_not_relied_on_for_long(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.hub.forgets = True
        ends = [await one.end(await one.submit()) for _ in range(5)]
        assert ends == [("unconfirmed", "printer_power")] * 3 + [("printed", None)] * 2


@pytest.mark.parametrize(
    ("receipt", "remembered"),
    [
        (b"\x1b@text", True),
        (b"text\x1b@", False),  # to try it out ESC @ had to be sent first, and the receipt's own settings would go
        (b"\x1d:Thank you\x1d:", False),
        (b"\x1d^\x01\0\0", False),
        (b"\x1dv0\0\x02\0\x02\0\x1d:\x1d^", True),  # a picture
        (b"", True),
    ],
)
def test_a_receipt_whose_own_macros_or_settings_would_suffer_is_proven_the_plain_way(
    tmp_path: Path, receipt: bytes, remembered: bool
) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            job = await one.submit(receipt)
            assert await one.end(job) == ("printed", None)
            begin = next(message for message in one.link.sent if message[0] == "job_begin")
            assert begin[3].startswith(b"\x1d^") is remembered
            assert one.hub.paper == [(bytes.fromhex(job), receipt)]

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_printer_that_is_in_the_middle_of_something_is_cleared_before_a_job(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        await one.end(await one.submit())
        take = one.hub.take
        cleared = []

        def stuck(name: str, *values: Any) -> None:
            if name == "printer_query" and values[0].startswith(b"\x10\x14\x08"):
                cleared.append(values)
            elif name != "printer_query" or cleared:
                take(name, *values)

        one.link.hub = stuck
        assert await one.end(await one.submit()) == ("printed", None)
        assert len(cleared) == 1


@pytest.mark.parametrize("confirm", ["none", "auto"])
@pytest.mark.parametrize("asb", [b"\0\0\0\0", ONLINE])
def test_a_printer_without_proof_or_status_blocks_nobody(tmp_path: Path, confirm: Any, asb: bytes) -> None:
    async def main() -> None:
        async with counter(tmp_path, PrinterOptions(confirm=confirm)) as one:
            one.hub.answers = "nothing"
            one.hub.status(2 if confirm == "none" and not any(asb) else 1, asb)
            jobs = [await one.submit(b"%d" % number) for number in range(3)]
            assert [await one.end(job) for job in jobs] == [("unconfirmed", "no_proof")] * 3
            assert [one.printed(job) for job in jobs] == [1, 1, 1]

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_wrong_answer_proves_nothing(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.hub.print_s = 1000
        job = await one.submit()
        await until(lambda: one.hub.phase == messages.PHASE_ENDED)
        one.hub.set(messages.PHASE_PROVEN, reply=b"\x37\x22zzzz\0")

        assert await one.end(job) == ("unconfirmed", "wrong_proof")


@in_virtual_time
async def test_the_time_for_the_proof_is_absolute(tmp_path: Path) -> None:
    async with counter(tmp_path, PrinterOptions(confirm="process_id", confirm_timeout_ms=5000)) as one:
        one.hub.answers = "nothing"
        job = await one.submit()
        await until(lambda: one.hub.phase == messages.PHASE_WRITTEN)
        begin = asyncio.get_running_loop().time()

        async def talk() -> None:
            while True:  # whatever the printer says meanwhile, as long as it is not that it stands still
                one.hub.status()
                await seconds(0.5)

        talking = asyncio.create_task(talk())
        assert await one.end(job) == ("unconfirmed", "no_proof")
        talking.cancel()
        assert asyncio.get_running_loop().time() - begin == pytest.approx(5, abs=0.2)


@in_virtual_time
async def test_a_printer_that_says_why_it_stands_still_has_all_the_time(tmp_path: Path) -> None:
    async with counter(tmp_path, PrinterOptions(confirm="process_id", confirm_timeout_ms=5000)) as one:
        one.hub.answers = "nothing"
        job = await one.submit()
        await until(lambda: one.hub.phase == messages.PHASE_WRITTEN)
        one.hub.status(asb=OFFLINE)
        await seconds(3600)
        assert (await one.journal.job(job)).state is JobState.SENDING

        one.hub.status(asb=ONLINE)
        one.hub.set(messages.PHASE_PROVEN, reply=b"\x37\x22" + job[-4:].encode() + b"\0")
        assert await one.end(job) == ("printed", None)


@in_virtual_time
async def test_a_proof_that_is_known_is_not_asked_for_again_until_the_printer_changes(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        for _ in range(3):
            await one.end(await one.submit())
        # Once the way to prove and the two of the try with a macro; before each job the macro.
        assert one.link.names().count("printer_query") == 1 + 2 + 3

        one.hub.answers = "gs_r"
        one.hub.status(2, b"\0\0\0\0")
        one.hub.status(1, ONLINE)
        assert await one.end(await one.submit()) == ("printed", None)


# -- the link comes and goes: what the hub holds, in the same life and in another ----------------------------------


@pytest.mark.parametrize("phase", [messages.PHASE_RECEIVING, messages.PHASE_ENDED, messages.PHASE_WRITTEN])
@pytest.mark.parametrize("crash", [False, True])
def test_a_job_goes_on_where_the_hub_stands(tmp_path: Path, phase: int, crash: bool) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.hub.print_s = 1000
            job = await one.submit()
            await until(lambda: one.hub.phase == messages.PHASE_ENDED)
            if phase == messages.PHASE_RECEIVING:
                one.hub.hold(one.hub.job, phase, RECEIPT[:700])
            await (one.crash() if crash else no_op(one.hub.down))
            one.hub.print_s = 0.05
            if phase == messages.PHASE_ENDED:
                one.hub.finish_later()
            if phase == messages.PHASE_WRITTEN:
                one.hub.finish_later()
                await seconds(0.2)
            if crash:
                await one.start()
            one.link.sent.clear()
            one.hub.up()
            assert await one.end(job) == ("printed", None)
            assert one.hub.paper == [(bytes.fromhex(job), RECEIPT)]
            assert "job_begin" not in one.link.names()

    run_in_virtual_time(main())


async def no_op(action: Any) -> None:
    action()


@pytest.mark.parametrize("crash", [False, True])
def test_a_new_life_of_the_hub_leaves_the_job_unconfirmed(tmp_path: Path, crash: bool) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.hub.print_s = 1000
            job = await one.submit()
            following = await one.submit(b"next")
            await until(lambda: one.hub.phase == messages.PHASE_ENDED)
            await (one.crash() if crash else no_op(one.hub.down))
            if crash:
                await one.start()
            one.hub.print_s = 0.05
            one.hub.up(boot=NEXT_BOOT)
            assert await one.end(job) == ("unconfirmed", "hub_restarted")
            assert await one.end(following) == ("printed", None)
            assert one.printed(job) == 0

    run_in_virtual_time(main())


@pytest.mark.parametrize("crash", [False, True])
def test_a_job_of_which_the_hub_never_heard_is_sent(tmp_path: Path, crash: bool) -> None:
    """The link, or the bridge, died between the commit and the first message."""

    async def main() -> None:
        async with counter(tmp_path) as one:
            first = await one.submit(b"first")
            assert await one.end(first) == ("printed", None)
            one.hub.frozen = True
            job = await one.submit()
            await one.sending(job)
            await seconds(0.01)
            await (one.crash() if crash else no_op(one.hub.down))
            one.hub.frozen = False
            if crash:
                await one.start()
            one.hub.up()
            assert await one.end(job) == ("printed", None)
            assert one.printed(job) == 1

    run_in_virtual_time(main())


@pytest.mark.parametrize("phase", range(6))
def test_a_job_of_which_the_hub_never_heard_is_sent_also_if_it_still_holds_the_one_before(
    tmp_path: Path, phase: int
) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            first = await one.submit(b"first")
            await one.end(first)
            one.hub.frozen = True
            job = await one.submit()
            await one.sending(job)
            await one.crash()
            one.hub.frozen = False
            one.hub.hold(bytes.fromhex(first), phase, b"first")
            await one.start()
            one.hub.up()
            assert await one.end(job) == ("printed", None)

    run_in_virtual_time(main())


@pytest.mark.parametrize("phase", [messages.PHASE_RECEIVING, messages.PHASE_ENDED, messages.PHASE_PROVEN])
def test_an_unfinished_job_of_somebody_else_gives_way_without_harm(tmp_path: Path, phase: int) -> None:
    async def main() -> None:
        async with counter(tmp_path, up=False) as one:
            one.hub.hold(b"stranger", phase, b"x" * 100)
            one.hub.up()
            job = await one.submit(b"short")
            assert await one.end(job) == ("printed", None)

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_job_under_way_is_not_sent_again_if_another_bridge_has_used_the_hub(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.hub.print_s = 0.01
        job = await one.submit()
        await one.sending(job)
        await until(lambda: one.hub.data)
        one.hub.down()
        one.hub.hold(b"stranger", messages.PHASE_PROVEN, b"their receipt")
        one.hub.up()

        state, _ = await one.end(job)
        assert state == "unconfirmed"
        assert [name for name in one.link.names() if name == "job_begin"] == ["job_begin"]


@pytest.mark.parametrize("reason", [1, 2, 3])
@pytest.mark.parametrize("during", ["receiving", "written"])
def test_a_job_given_up_by_the_hub_with_bytes_gone_is_unconfirmed(tmp_path: Path, reason: int, during: str) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            one.hub.print_s = 1000
            job = await one.submit(RECEIPT * (40 if during == "receiving" else 1))
            if during == "receiving":
                await until(lambda: len(one.hub.data) > 1000)
                one.link.full = True
                await seconds(0.01)
            else:
                await until(lambda: one.hub.phase == messages.PHASE_ENDED)
            one.hub.set(messages.PHASE_ABORTED, reason=reason, written=500)
            one.link.full = False
            assert await one.end(job) == ("unconfirmed", words.ABORT_REASONS[reason])
            assert (await one.final(job)).sent_bytes == 500

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_job_given_up_by_the_hub_before_its_first_byte_is_sent_again(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.hub.print_s = 1000
        job = await one.submit()
        await until(lambda: one.hub.phase == messages.PHASE_ENDED)
        one.hub.print_s = 0.05
        one.hub.status(2, b"\0\0\0\0")
        one.hub.set(messages.PHASE_ABORTED, reason=1, written=0)
        await seconds(5)
        assert (await one.journal.job(job)).state is JobState.SENDING

        one.hub.status(1, ONLINE)
        assert await one.end(job) == ("printed", None)
        assert one.printed(job) == 1


@in_virtual_time
async def test_no_byte_leaves_before_the_hub_has_said_what_it_holds_and_the_printer_is_online(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        job = await one.submit()
        await seconds(1)
        one.hub.up(told=False)
        await seconds(1)
        assert one.link.sent == []
        one.hub.status(asb=OFFLINE)
        one.link.told = True
        one.hub.status()
        await seconds(1)
        assert one.link.sent == []
        assert (await one.journal.job(job)).state is JobState.QUEUED
        one.hub.status(asb=ONLINE)
        assert await one.end(job) == ("printed", None)


@in_virtual_time
async def test_a_hub_in_safe_mode_gets_no_job_even_without_confirmation(tmp_path: Path) -> None:
    async with counter(tmp_path, PrinterOptions(confirm="none"), up=False) as one:
        one.hub.up(safe_mode=True)
        job = await one.submit()
        await seconds(60)
        assert "job_begin" not in one.link.names()
        one.hub.down()
        one.hub.up(boot=NEXT_BOOT)
        assert await one.end(job) == ("unconfirmed", "no_proof")
        assert one.printed(job) == 1


@in_virtual_time
async def test_the_hub_restarts_while_the_printer_is_being_asked(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.hub.answers = "nothing"
        job = await one.submit()
        await until(lambda: "printer_query" in one.link.names())
        one.hub.down()
        one.hub.answers = "process_id"
        one.hub.up(boot=NEXT_BOOT)

        assert await one.end(job) == ("printed", None)
        assert (await one.final(job)).boot_id == NEXT_BOOT


# -- the journal fails at each step --------------------------------------------------------------------------------


@pytest.mark.parametrize("took_effect", [False, True])
@pytest.mark.parametrize("name", ["job_data", "set_job"])
@pytest.mark.parametrize("skip", [0, 1])
def test_a_journal_that_fails_delays_the_job_and_never_prints_it_twice(
    tmp_path: Path, name: str, skip: int, took_effect: bool
) -> None:
    """`skip` 0: as the job begins; 1: as it ends."""

    async def main() -> None:
        async with counter(tmp_path) as one:
            if skip and name == "set_job":
                one.hub.print_s = 1000
                job = await one.submit()
                await until(lambda: one.hub.phase == messages.PHASE_ENDED)
                one.journal.fail(name, LATE if took_effect else BROKEN, took_effect=took_effect)
                one.hub.print_s = 0.05
                one.hub.finish_later()
            else:
                one.journal.fail(name, *[LATE if took_effect else BROKEN] * (1 + skip), took_effect=took_effect)
                job = await one.submit()
            following = await one.submit(b"next")
            assert await one.end(following) == ("printed", None)
            assert await one.end(job) == ("printed", None)
            assert one.printed(job) == 1
            assert one.service.state().queued_jobs == 0

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_job_that_could_not_be_kept_is_not_acknowledged_and_not_printed(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        for error, code in ((JournalFull("no room"), "journal_full"), (BROKEN, "journal_failed")):
            one.journal.fail("add_job", error)
            with pytest.raises(Refused) as refused:
                await one.submit()
            assert refused.value.code == code
        await seconds(5)
        assert one.hub.paper == []


@in_virtual_time
async def test_a_missing_warning_is_no_reason_to_refuse(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        one.journal.fail("recent_duplicate", BROKEN)
        assert await one.end(await one.submit()) == ("printed", None)


@in_virtual_time
async def test_a_job_whose_bytes_are_gone_fails_and_the_next_prints(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        found = iter((None, b"next"))
        one.journal.answers["job_data"] = lambda job_id: next(found)
        job, following = await one.submit(), await one.submit(b"next")
        one.hub.up()
        assert await one.end(job) == ("failed", "data_lost")
        assert await one.end(following) == ("printed", None)


# -- limits, cancelling, waiting, stopping --------------------------------------------------------------------------


@in_virtual_time
async def test_the_queue_takes_its_limit_and_not_one_more(tmp_path: Path) -> None:
    async with counter(tmp_path, PrinterOptions(max_queued_jobs=3), up=False) as one:
        told: list[bool] = []
        one.service.watch_accepting(lambda: told.append(one.service.accepting() is None))
        jobs = [await one.submit(b"%d" % number, key=f"k{number}") for number in range(3)]
        assert told == [False]
        with pytest.raises(Refused) as refused:
            await one.submit(b"3")
        assert refused.value.code == "queue_full"
        assert one.service.accepting().code == "queue_full"
        again = await one.service.submit(b"1", source="test", idempotency_key="k1")
        assert (again.job.job_id, again.replayed) == (jobs[1], True)
        with pytest.raises(Refused) as refused:
            await one.submit(b"other bytes", key="k1")
        assert refused.value.code == "idempotency_mismatch"

        one.hub.up()
        assert [await one.end(job) for job in jobs] == [("printed", None)] * 3
        assert one.service.accepting() is None
        assert told == [False, True]


@in_virtual_time
async def test_many_at_once_do_not_pass_the_limit(tmp_path: Path) -> None:
    async with counter(tmp_path, PrinterOptions(max_queued_jobs=3), up=False) as one:
        answers = await asyncio.gather(*(one.submit(b"%d" % number) for number in range(20)), return_exceptions=True)
        assert sum(isinstance(answer, str) for answer in answers) == 3
        assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"queue_full"}


@in_virtual_time
async def test_the_bytes_that_wait_are_limited_too(tmp_path: Path) -> None:
    async with counter(tmp_path, PrinterOptions(max_queued_bytes=1000, max_job_bytes=600), up=False) as one:
        await one.submit(b"x" * 600)
        with pytest.raises(Refused) as refused:
            await one.submit(b"y" * 601)
        assert refused.value.code == "job_too_large"
        await one.submit(b"z" * 500)
        with pytest.raises(Refused) as refused:
            await one.submit(b"!")
        assert refused.value.code == "queue_full"


@in_virtual_time
async def test_a_waiting_job_can_be_cancelled_wherever_it_stands(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        jobs = [await one.submit(b"%d" % number) for number in range(3)]
        for job in (jobs[0], jobs[2]):
            assert (await one.service.cancel(job)).state is JobState.CANCELLED
            assert (await one.service.cancel(job)).state is JobState.CANCELLED
        one.hub.up()
        assert await one.end(jobs[1]) == ("printed", None)
        await seconds(5)
        assert [data for _, data in one.hub.paper] == [b"1"]
        with pytest.raises(Refused) as refused:
            await one.service.cancel(jobs[1])
        assert refused.value.code == "job_not_cancellable"
        assert "printed" in refused.value.detail
        with pytest.raises(Refused) as refused:
            await one.service.cancel("0" * 16)
        assert refused.value.code == "job_unknown"


@pytest.mark.parametrize("after_ms", range(0, 40, 2))
def test_a_cancelled_job_never_prints_and_a_refused_cancel_never_loses_it(tmp_path: Path, after_ms: int) -> None:
    async def main() -> None:
        async with counter(tmp_path) as one:
            job = await one.submit()
            await seconds(after_ms / 1000)
            try:
                await one.service.cancel(job)
                cancelled = True
            except Refused as refused:
                assert refused.code == "job_not_cancellable"
                assert "is queued" not in refused.detail
                cancelled = False
            following = await one.submit(b"next")
            assert await one.end(following) == ("printed", None)
            assert await one.end(job) == (("cancelled", "cancelled") if cancelled else ("printed", None))
            assert one.printed(job) == (0 if cancelled else 1)

    run_in_virtual_time(main())


@in_virtual_time
async def test_whoever_waits_for_a_job_is_told_before_and_after_its_end(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        job = await one.submit()
        waiters = [asyncio.create_task(one.service.wait_final(job)) for _ in range(5)]
        impatient = asyncio.create_task(one.service.wait_final(job))
        await seconds(1)
        impatient.cancel()
        one.hub.up()
        assert {(await waiter).state for waiter in waiters} == {JobState.PRINTED}
        assert (await one.service.wait_final(job)).state is JobState.PRINTED
        with pytest.raises(Refused):
            await one.service.wait_final("0" * 16)
        assert one.service._waiters == {}


@in_virtual_time
async def test_a_stopping_service_takes_no_job_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        job = await one.submit()
        await one.service.stop()
        with pytest.raises(Refused) as refused:
            await one.submit()
        assert refused.value.code == "stopping"
        await one.journal.close()
        await one.start()
        one.hub.up()
        assert await one.end(job) == ("printed", None)


@in_virtual_time
async def test_the_state_tells_no_more_than_is_known(tmp_path: Path) -> None:
    async with counter(tmp_path, up=False) as one:
        assert one.service.state().status == "unknown"
        assert one.service.status_bytes() is None
        one.hub.up()
        assert (one.service.state().status, one.service.state().paper) == ("ready", "ok")
        one.hub.status(asb=b"\x10\x00\x03\x00")
        assert (one.service.state().status, one.service.state().paper) == ("ready", "near_end")
        one.hub.status(asb=b"\x38\x08\x0f\x00")
        state = one.service.state()
        assert (state.status, state.paper, state.cover_open, state.cutter_error) == ("fault", "end", True, True)
        one.hub.status(2, b"\0\0\0\0")
        assert (one.service.state().status, one.service.status_bytes()) == ("fault", None)
        one.hub.down()
        assert one.service.state().status == "unknown"
        one.hub.up(boot=BOOT)
