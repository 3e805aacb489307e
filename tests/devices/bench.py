"""One device service on its own: a link that the test holds in its hand, a real journal that fails when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host_bridge.escpos.commands import CommandParser
from host_bridge.events import Event, EventBus
from host_bridge.journal import Journal
from hublink import messages
from tests.firmware.virtual_time import the_loop, until

HUB_ID = "4855420000000000"
BOOT, NEXT_BOOT = "b000000000000001", "b000000000000002"
ONLINE, OFFLINE = b"\x10\x00\x00\x00", b"\x18\x00\x0c\x00"
EPOCH_S = 1_800_000_000.0


class WallClock:
    """The till's clock: goes with the loop's until somebody sets it. Read from the journal's thread too."""

    def __init__(self) -> None:
        self._loop = the_loop()
        self.offset_s = EPOCH_S

    def __call__(self) -> float:
        return self.offset_s + self._loop.now_s


class Link:
    """Implements `devices.link.DeviceLink`. `hub` gets what is sent, a moment later."""

    def __init__(self) -> None:
        self.is_up = self.told = False
        self.session = 0
        self.hub_id, self.boot_id = HUB_ID, BOOT
        self.sent: list[tuple[Any, ...]] = []
        self.full = False
        self.clock_ms: int | None = None
        self.hub: Callable[..., None] = lambda name, *values: None

    def send(self, name: str, *values: object) -> bool:
        if not self.is_up or self.full:
            return False
        self.sent.append((name, *values))
        session = self.session
        the_loop().call_soon(lambda: self.hub(name, *values) if session == self.session else None)
        return True

    def room(self, channel: int) -> int:
        return 8 if self.is_up and not self.full else 0

    def hub_clock_ms(self) -> int | None:
        return self.clock_ms if self.is_up else None

    def names(self) -> list[str]:
        return [message[0] for message in self.sent]


class UnreliableJournal:
    """The real journal; `fail(name, error)` makes the next call of a method fail, before or after it took effect."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._before: dict[str, list[Exception]] = {}
        self._after: dict[str, list[Exception]] = {}
        self.answers: dict[str, Callable[..., Any]] = {}  # in the place of a method
        self.calls: list[str] = []
        self.hold: asyncio.Event | None = None  # while set and unset: calls wait here before they begin
        self.crash_in: int | None = None  # half calls from now: odd before one takes effect, even after
        self.on_crash: Callable[[], None] = lambda: None
        call = journal._worker.call

        async def counted(*arguments: Any, **keywords: Any) -> Any:
            with the_loop().waiting_for_a_thread():
                return await call(*arguments, **keywords)

        journal._worker.call = counted  # type: ignore[method-assign]

    def fail(self, name: str, *errors: Exception, took_effect: bool = False) -> None:
        (self._after if took_effect else self._before).setdefault(name, []).extend(errors)

    async def close(self) -> None:
        with the_loop().waiting_for_a_thread():
            await self._journal.close()

    async def _half(self) -> None:
        """Where a process may die: a call that has died never returns."""
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in == 0:
                self.on_crash()
            if self.crash_in <= 0:
                await the_loop().create_future()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._journal, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **keywords: Any) -> Any:
            self.calls.append(name)
            if self.hold:
                await self.hold.wait()
            if self._before.get(name):
                raise self._before[name].pop(0)
            if name in self.answers:
                return self.answers[name](*arguments)
            await self._half()
            result = await method(*arguments, **keywords)
            await self._half()
            if self._after.get(name):
                raise self._after[name].pop(0)
            return result

        return call


async def open_journal(folder: Path, clock: WallClock | None = None) -> Any:
    """An UnreliableJournal, as what the services take it for."""
    with the_loop().waiting_for_a_thread():
        return UnreliableJournal(await Journal.open(folder / "journal.sqlite3", clock=clock or WallClock()))


class Events:
    """A bus and all that was published on it."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.seen: list[Event] = []
        publish = self.bus.publish

        def keep(event: Event) -> None:
            self.seen.append(event)
            publish(event)

        self.bus.publish = keep  # type: ignore[method-assign]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]


class HubPrinter:
    """The hub's half of a printer: what it holds, and a printer that prints and proves. Lives through sessions."""

    def __init__(self, service: Any, link: Link) -> None:
        self._service, self._link = service, link
        link.hub = self.take
        self.boot = BOOT
        self.job, self.phase, self.total, self.data = messages.NO_JOB, messages.PHASE_NONE, 0, b""
        self.reason = self.written = 0
        self.reply, self.proof = b"", b""
        self.answers = "process_id"
        self.macros = True
        self.forgets = False  # its macro, over a job
        self._macro = b""
        self.condition, self.asb = 1, ONLINE
        self.print_s = 0.05
        self.frozen = False  # takes messages and does nothing with them
        self.paper: list[tuple[bytes, bytes]] = []  # (job, data) that came out

    def up(self, *, told: bool = True, boot: str | None = None, safe_mode: bool = False) -> None:
        """A session begins. With another boot id everything is forgotten."""
        if boot and boot != self.boot:
            self.boot = boot
            self.job, self.phase, self.data, self.written = messages.NO_JOB, messages.PHASE_NONE, b"", 0
        link = self._link
        link.is_up, link.told, link.boot_id = True, False, self.boot
        link.session += 1
        self._service.link_up(
            {
                "job": self.job,
                "job_phase": self.phase,
                "job_received_bytes": len(self.data),
                "flags": 1 if safe_mode else 0,
            }
        )
        link.told = told
        if not safe_mode:
            self.status()
            if self.job != messages.NO_JOB:
                self.tell()

    def down(self) -> None:
        self._link.is_up = False
        self._service.link_down()

    def status(self, condition: int | None = None, asb: bytes | None = None) -> None:
        self.condition = self.condition if condition is None else condition
        self.asb = self.asb if asb is None else asb
        self._service.on_printer_status(self.condition, self.asb)

    def tell(self) -> None:
        if self._link.is_up:
            self._service.on_job_status(self.job, self.phase, self.reason, len(self.data), self.written, self.reply)

    def set(self, phase: int, *, reason: int = 0, written: int | None = None, reply: bytes = b"") -> None:
        self.phase, self.reason, self.reply = phase, reason, reply
        self.written = len(self.data) if written is None else written
        self.tell()

    def hold(self, job: bytes, phase: int, data: bytes, *, reason: int = 0, written: int | None = None) -> None:
        """Hold a job from before."""
        self.job, self.phase, self.data, self.reason = job, phase, data, reason
        self.written = len(data) if written is None else written

    def take(self, name: str, *values: Any) -> None:
        if self.frozen:
            return
        if name == "job_begin":
            if self.phase in (messages.PHASE_RECEIVING, messages.PHASE_ENDED):
                self.set(messages.PHASE_ABORTED, reason=2)
            self.job, self.total, self.proof = values
            self.data, self.reply, self.reason, self.written = b"", b"", 0, 0
            self.phase = messages.PHASE_RECEIVING
            self.tell()
        elif name == "job_data" and self.phase == messages.PHASE_RECEIVING:
            self.data += values[0]
            self.written = len(self.data)
        elif name == "job_end" and self.phase == messages.PHASE_RECEIVING and values[0] == self.job:
            self.phase = messages.PHASE_ENDED
            self.finish_later()
        elif name == "job_forget" and values[0] == self.job:
            self.phase = messages.PHASE_NONE
        elif name == "printer_query":
            for answer in self._answers(values[0]):
                the_loop().call_later(0.005, self._service.on_printer_reply, answer)

    def finish_later(self) -> None:
        the_loop().call_later(self.print_s, self._finish, self.job, self.boot)

    def _finish(self, job: bytes, boot: str) -> None:
        if (job, boot, self.phase) != (self.job, self.boot, messages.PHASE_ENDED) or self.frozen:
            return
        self.paper.append((self.job, self.data))
        self.set(messages.PHASE_WRITTEN)
        if self.forgets:
            self._macro = b""
        answers = self._answers(self.proof)
        if answers:
            self.set(messages.PHASE_PROVEN, reply=b"".join(answers))

    def _answers(self, question: bytes) -> list[bytes]:
        """What the printer says to a few commands."""
        answers = []
        defining: bytes | None = None
        for command in CommandParser().feed(question):
            if command.name == "GS :" and self.macros:
                defining, self._macro = (b"", b"") if defining is None else (None, defining)
            elif command.name == "GS ^" and self.macros:
                if defining is not None:
                    defining, self._macro = None, b""
                else:
                    answers += self._answers(self._macro) * command.data[2]
            else:
                answers += self._answer(command.data)
                defining = None if defining is None else defining + command.data
        return answers

    def _answer(self, question: bytes) -> list[bytes]:
        if question.startswith(b"\x1d\x28\x48") and self.answers == "process_id":
            return [b"\x37\x22" + question[-4:] + b"\0"]
        if question.startswith(b"\x1dr") and self.answers in ("gs_r", "process_id"):
            return [b"\x00"]
        return []


__all__ = [
    "BOOT",
    "NEXT_BOOT",
    "Events",
    "HubPrinter",
    "Link",
    "UnreliableJournal",
    "WallClock",
    "open_journal",
    "until",
]
