"""The receipt printer: takes a job's bytes off the link, feeds them to the printer at its pace, reads its status.

The hub knows only as much ESC/POS as its own LED needs: Automatic Status Back, and whether the printer answers at all.
What the bytes of a job mean, and what counts as proof of printing, the bridge knows.
"""

from micropython import const
import asyncio
import time

from machine import Pin
from hublink.frame import PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED
from hublink.messages import (
    NO_JOB,
    PHASE_ABORTED,
    PHASE_ENDED,
    PHASE_NONE,
    PHASE_PROVEN,
    PHASE_RECEIVING,
    PHASE_WRITTEN,
    PRINTER,
)

from hub import transport
from hub.printer_power import PowerLines

_ENABLE_ASB = b"\x1d\x61\x0f"  # GS a: drawer, online, error, paper
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8, real time: forget what is buffered or half received
_CLEARED = b"\x37\x25"  # how the answer to it begins
_CLEAR_MS = const(100)  # what comes before that answer may be cleared as well
_POWER_NOTICE = b"\x3b\x30"  # how a printer begins that was set to tell when it gets its power (memory switch 1-1)
_PROCESS_ID = b"\x37\x22"  # how the answer to GS ( H begins
_PROBE = b"\x10\x04\x01"  # DLE EOT 1, real time: any printer that has power answers one byte
_POWER_MS = const(100)  # until then a loss of power that the chip noticed has been acted on
_PROBES_FOR_SILENCE = const(2)
_STALL_MS = const(1500)  # the printer takes nothing and has not said why: a busy one moves within a few hundred ms
_FULL_BYTES = (PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_OFFERED)  # of a job's message; any other ends where a command ends
_FAST_BAUD = const(38_400)  # from here on the longer messages: one takes such a printer 195 ms, a faster one less
_KICK_TAKEN_MS = const(40)  # five bytes take 6 ms at 9600 baud; a kick that is stuck for so long is taken back
_KICK_WANTED_MS = const(100)  # since a kick was asked for: so long the line is kept free for it where a command ends
_KICK_POLL_MS = const(5)
_COMPLETES_KICK = b"\0\0"  # whatever part of a kick the printer got, with these it is none
_REPLY_BYTES_MAX = const(80)
_GS_H, _GS_H_BYTES = b"\x1d\x28\x48", 11  # this enquiry ends with four bytes, which its answer repeats; GS r does not
_LONE_MS = const(20)  # three bytes in a row are no answers to GS r but a status that lost its first byte
_STATUS_TAIL_BYTES = const(3)
_ASB_ATTEMPTS = const(3)  # asked for again while it does not come; some printers have none
_REFRESH_PROBES = const(4)  # each so many probes ASB is asked for: a moment without power, and it is forgotten
_READ_BYTES = const(64)
_XON = const(0x11)
_XOFF = const(0x13)
_TX_BUFFER_BYTES = const(1536)  # what a feeder keeps ahead at 115200 baud
_RX_BUFFER_BYTES = const(256)  # a printer says little
_CONDITION_UNKNOWN = const(0)
_CONDITION_ANSWERING = const(1)
_CONDITION_SILENT = const(2)
_REASON_POWER = const(1)
_REASON_REPLACED = const(2)
_REASON_OVERRUN = const(3)


class Printer:
    def __init__(self, port, uplink, faults, on_printing):
        """`port`: the board file's `printer` section. `on_printing()`: a job begins to print."""
        port.setdefault("tx_buffer_bytes", _TX_BUFFER_BYTES)
        port.setdefault("rx_buffer_bytes", _RX_BUFFER_BYTES)
        self._port = port
        self.payload_bytes = PAYLOAD_BYTES_OFFERED if port["baud_rate"] >= _FAST_BAUD else PAYLOAD_BYTES_MAX
        self._flow = None
        if port.get("flow") == "xon_xoff":
            from hub.xon_xoff import XonXoff  # a kilobyte that few boards need

            self._uart = transport.open_uart(port)
            self._feeder = self._flow = XonXoff(self._uart, port, self._begin_anew)
        else:
            self._uart, self._feeder = transport.open_fed_uart(port)
        self._power = PowerLines(port, self._uart)
        self._busy = self._flow or (Pin(port["cts"]) if "cts" in port else _NeverBusy())
        self._uplink = uplink
        self._faults = faults
        self._on_printing = on_printing
        on_flow = self._flow.take if self._flow else None
        self._status = StatusReader(self._on_asb, self._on_online, self._on_reply, on_flow)
        self.asb = None
        self.condition = _CONDITION_UNKNOWN
        self._probes_unanswered = 0
        self._probes_to_refresh = _REFRESH_PROBES
        self._moved_at = time.ticks_ms()
        self._writing = False
        self._chunks = []  # of the job, taken from the link and not yet written; the link's credit bounds them
        self._queries = []  # of the bridge; they wait while a job is under way
        self._clear_due = True  # an earlier life of the hub may have left it in the middle of a picture
        self._asb_due = False
        self._asb_attempts = 0
        self._wake = asyncio.Event()
        self._idle = False  # the feeding task waits for that
        self._kick_asked_at = None
        self._kicking = False  # the line belongs to a kick
        self._kick_torn = False  # one was taken back: a part of it may have gone
        self.kick_taken = True
        self.drawer_high = None  # the drawer's switch at the kick port, as last told
        self.on_drawer = None  # called when that changes
        self._writer_task = self._task = None
        # What could not be told for want of room. Each apart: a job's end told twice would be taken for that of its
        # second attempt.
        self._job_due = self._status_due = False
        self._begin(NO_JOB, 0, b"")
        self.phase = PHASE_NONE
        uplink.on("job_begin", self._on_job_begin)
        uplink.on("job_data", self._on_job_data)
        uplink.on("job_end", self._on_job_end)
        uplink.on("job_forget", self._on_job_forget)
        uplink.on("printer_query", self._on_query)
        uplink.attach(self)
        from hub.roomy import spread  # the start's alone

        for owner in (Printer, self, self._feeder):
            spread(owner)

    # -- the link ------------------------------------------------------------------------------------------------

    def link_up(self):
        self._chunks_allowed = None
        self._wake.set()
        self._tell_status()
        self._tell_job()

    def link_down(self):
        """Print on to where a command ends, and all that is here if none does; HELLO tells the bridge how far it is."""
        if self.phase == PHASE_RECEIVING:
            ends = [number + 1 for number, chunk in enumerate(self._chunks) if len(chunk) not in _FULL_BYTES]
            if ends or self._at_boundary:
                self._chunks_allowed = ends[-1] if ends else 0

    def link_writable(self, channel):
        if channel == PRINTER and self._status_due:
            self._tell_status()
        if channel == PRINTER and self._job_due:
            self._tell_job()

    def _on_job_begin(self, job, total_bytes, proof):
        self._uplink.grant(PRINTER)
        if self.phase in (PHASE_RECEIVING, PHASE_ENDED):
            self._abort(_REASON_REPLACED)
        self._queries[:] = []  # nobody waits for their answers any more
        self._begin(job, total_bytes, proof)
        if proof and self.condition == _CONDITION_SILENT:  # it lost its power while this was on its way
            self._abort(_REASON_POWER)
            return
        self._on_printing()
        self._tell_job()

    def _on_job_data(self, data):
        received_bytes = self.received_bytes + len(data)
        if self.phase != PHASE_RECEIVING:  # of a job that was given up here: the bridge has been told
            self._uplink.grant(PRINTER)
        elif received_bytes > self._total_bytes:
            self._uplink.grant(PRINTER)
            self._abort(_REASON_OVERRUN)
        else:
            self.received_bytes = received_bytes
            self._chunks.append(data)
            if self._idle:
                self._wake.set()

    def _on_job_end(self, job):
        self._uplink.grant(PRINTER)
        if self.phase == PHASE_RECEIVING and job == self.job:
            self.phase = PHASE_ENDED
            self._wake.set()

    def _on_job_forget(self, job):
        self._uplink.grant(PRINTER)
        if job == self.job and self.phase not in (PHASE_RECEIVING, PHASE_ENDED):
            self.phase = PHASE_NONE  # its name stays: so a bridge knows whether another has used the hub since

    def _on_query(self, query):
        self._uplink.grant(PRINTER)
        if self.phase not in (PHASE_RECEIVING, PHASE_ENDED) and len(self._queries) < 4:
            self._queries.append(query)
            self._wake.set()

    def _begin(self, job, total_bytes, proof):
        self.job = job
        self.phase = PHASE_RECEIVING
        self.received_bytes = 0
        self.written_bytes = 0
        self._total_bytes = total_bytes
        self._proof = proof
        self._at_boundary = True  # what was written last ends where a command ends
        self._chunks_allowed = None  # while the link is down; None: all
        self._reply = b""
        self._reason = 0

    def _tell_job(self):
        self._job_due = self.job != NO_JOB and not self._uplink.send(
            "job_status",
            self.job,
            self.phase,
            self._reason,
            self.received_bytes,
            self.written_bytes,
            self._reply,
        )

    def _tell_status(self):
        self._status_due = not self._uplink.send("printer_status", self.condition, self.asb or b"\0\0\0\0")

    # -- writing -------------------------------------------------------------------------------------------------

    async def write(self, task):
        """Task: feed the printer. A job given up on is cancelled inside, with what the UART still holds."""
        self._task = task
        while True:
            self._writer_task = task.turn = asyncio.create_task(self._feed(task))
            try:
                await self._writer_task
            except asyncio.CancelledError:
                # The rest of a job must not come out when the printer does: empty the UART as well.
                self._writing = False
                task.work("clear")
                self._empty_uart()
            task.rest()

    async def _feed(self, task):
        while True:
            if self._power.lost:  # what comes now would be the rest of a job, for a printer that knows nothing of it
                await asyncio.sleep_ms(_POWER_MS)
            elif self._clear_due:  # or it would take the next job for the rest of what it waits for
                self._clear_due = False
                await self._write(_CLEAR)
                await asyncio.sleep_ms(_CLEAR_MS)
            elif self._kick_has_the_line():
                await asyncio.sleep_ms(_KICK_POLL_MS)
            elif self._kick_torn:
                self._kick_torn = False
                await self._write(_COMPLETES_KICK)
            elif self._chunks and self._chunks_allowed != 0:
                wait_ms, rest = self._write_chunks(task)
                if rest is not None:
                    await self._hand_over(rest)
                    self._uplink.grant(PRINTER, self._chunk_is_written())
                elif wait_ms:
                    await asyncio.sleep_ms(wait_ms)  # what is to be done may be another thing then
            elif self.phase == PHASE_ENDED and not self._chunks:
                await self._write(self._proof)
                self.phase = PHASE_WRITTEN
                self._tell_job()
            elif self._asb_due and self.phase != PHASE_RECEIVING:  # inside a job it could fall into a picture
                self._asb_due = False
                await self._write(_ENABLE_ASB)
            elif self._queries and self.phase != PHASE_RECEIVING:
                await self._write(self._queries.pop(0))
            else:
                self._wake.clear()
                self._idle = True
                await self._wake.wait()
                self._idle = False

    def _write_chunks(self, task):
        """Hand over all that there is room for; how long to wait for more, and what the UART refused of a chunk."""
        chunks, feeder = self._chunks, self._feeder
        allowed = 1 if self._kick_asked_at is not None else self._chunks_allowed  # then what is to be done may change
        wait_ms = written = 0
        rest = None
        task.work("write")
        while chunks and written != allowed:
            chunk = chunks[0]
            size = len(chunk)
            self.written_bytes += size  # before: of a job with written_bytes 0 nothing can have reached the printer
            count = feeder.put(chunk)
            if count < size:
                wait_ms = 0 if count else feeder.room(size)
                if wait_ms:
                    self.written_bytes -= size
                else:
                    rest = chunk[count:]
                break
            chunks.pop(0)
            written += 1
            self._at_boundary = size not in _FULL_BYTES
        if rest is not None:
            self._at_boundary = False
        task.rest()
        if written:
            self._moved_at = time.ticks_ms()
            if self._chunks_allowed:
                self._chunks_allowed -= written
            self._uplink.grant(PRINTER, written)
        return wait_ms, rest

    def _chunk_is_written(self):
        """All of the first one; counts as 1."""
        self._at_boundary = len(self._chunks.pop(0)) not in _FULL_BYTES
        if self._chunks_allowed:
            self._chunks_allowed -= 1
        return 1

    async def _write(self, data):
        self._writing = True
        self._moved_at = time.ticks_ms()
        await self._feeder.wait(len(data))
        await self._hand_over(data)

    async def _hand_over(self, data):
        """Give data to the UART, which has room for it unless the printer holds the line."""
        self._writing = True
        self._moved_at = time.ticks_ms()
        while data:
            self._task.work("write")
            count = self._feeder.put(data)
            self._task.rest()
            if count:
                self._moved_at = time.ticks_ms()
            data = data[count:]
            if data:
                await self._feeder.wait(len(data))
        self._writing = False

    # -- kicks ---------------------------------------------------------------------------------------------------

    @property
    def is_silent(self):
        """It has no power, or no cable."""
        return self.condition == _CONDITION_SILENT

    def kick(self, command):
        """Send a command that the printer obeys in real time; False: not now, ask again.

        Only where a command ends, and with nothing on its way to the printer: else it might fall into a picture, or
        wait for longer than a kick may.
        """
        self._kick_asked_at = time.ticks_ms()
        free = self._at_boundary or self.phase not in (PHASE_RECEIVING, PHASE_ENDED)
        if not free or self._writing or self._kicking or self._kick_torn or self._power.lost or self._clear_due:
            return False
        if not self._feeder.all_sent() or (self._busy.value() and not self._offline()):
            return False
        self._kicking, self.kick_taken = True, True
        self._kick_asked_at = None
        asyncio.create_task(self._see_kick_off(command))
        return True

    def _set_drawer(self, high):
        changed, self.drawer_high = high != self.drawer_high, high
        if changed and self.on_drawer:
            self.on_drawer()

    def _kick_has_the_line(self):
        if self._kicking:
            return True
        asked_at = self._kick_asked_at
        if asked_at is None:
            return False
        if not 0 <= time.ticks_diff(time.ticks_ms(), asked_at) < _KICK_WANTED_MS:
            self._kick_asked_at = None
            return False
        return self._at_boundary

    async def _see_kick_off(self, command):
        """One that the printer does not take at once is taken back: a drawer must not open later."""
        task = self._task
        try:
            task.work("pulse")
            offline = self._offline()  # it takes real-time commands all the same, whatever its busy line says
            if offline and not self._flow:
                transport.mind_busy(self._uart, self._port, False)
            self._uart.write(command)
            task.rest()
            await asyncio.sleep_ms(_KICK_TAKEN_MS)
            task.work("pulse")
            if not self._feeder.all_sent():
                self._kick_torn, self.kick_taken = True, False
                self._empty_uart()
            elif offline and not self._flow:
                self._empty_uart()
            if self.asb is None and self.phase not in (PHASE_RECEIVING, PHASE_ENDED):
                self._uart.write(_PROBE)  # else its next status comes too late to say that the drawer is open
        finally:
            task.rest()
            self._kicking = False
            self._wake.set()

    def _empty_uart(self):
        self._feeder.forget()
        transport.empty_uart(self._uart, self._port)
        self._power.watch_line()

    def _abort(self, reason):
        """Give the job up; nothing of it that is still here will be printed."""
        for _ in self._chunks:
            self._uplink.grant(PRINTER)
        self._chunks[:] = []
        self._queries[:] = []
        self.phase = PHASE_ABORTED
        self._reason = reason
        self._asb_due = self.condition == _CONDITION_ANSWERING  # it may have been in what is thrown away
        if self._writer_task:
            self._writer_task.cancel()
        self._tell_job()

    # -- reading -------------------------------------------------------------------------------------------------

    async def read(self, task):
        """Task: what the printer says."""
        reader = transport.UartReader(self._uart)
        buffer = bytearray(_READ_BYTES)
        while True:
            count = await reader.readinto(buffer)
            task.work("status")
            self._look_at_power()
            if count:
                self._status.feed(buffer, count)
            task.rest()
            if self._status.undecided:
                await asyncio.sleep_ms(_LONE_MS)
                if not self._uart.any():
                    self._status.decide()

    def _on_online(self, byte):
        """The answer to DLE EOT 1."""
        self._on_sign_of_life()
        self._set_drawer(bool(byte & 0x04))

    def _on_sign_of_life(self):
        self._probes_unanswered = 0
        self._moved_at = time.ticks_ms()
        if self.condition != _CONDITION_ANSWERING:
            self.condition = _CONDITION_ANSWERING
            self._faults.set("printer_power", False)
            # If it was without power it has forgotten all settings, and what came in the middle of a command since may
            # have begun another one: clear that away, and ask for its status again.
            self._clear_due = self.phase not in (PHASE_RECEIVING, PHASE_ENDED)
            self._asb_attempts = 0
            self._ask_for_asb()
            self._tell_status()

    def _ask_for_asb(self):
        if self.asb is None and self._asb_attempts < _ASB_ATTEMPTS:
            self._asb_attempts += 1
            self._asb_due = True
            self._wake.set()

    def _on_asb(self, asb):
        self._on_sign_of_life()
        if asb == self.asb:
            return
        self.asb = asb
        self._set_drawer(bool(asb[0] & 0x04))
        self._faults.set("cover_open", bool(asb[0] & 0x20))
        self._faults.set("cutter", bool(asb[1] & 0x08))
        self._faults.set("printer_error", bool(asb[1] & 0x24))
        self._faults.set("paper_end", bool(asb[2] & 0x0C))
        self._faults.set("paper_near_end", bool(asb[2] & 0x03) and not asb[2] & 0x0C)
        self._tell_status()

    def _on_reply(self, reply):
        self._on_sign_of_life()
        if reply.startswith(_CLEARED):
            return
        if reply.startswith(_POWER_NOTICE):
            self._begin_anew()
            return
        if self.phase == PHASE_WRITTEN and len(reply) > 1 and reply.startswith(_PROCESS_ID):
            self._reply = (self._reply + reply)[-_REPLY_BYTES_MAX:]  # the bridge judges by all of them
        if self.phase == PHASE_WRITTEN and self._is_proof(reply) and self._offline():
            # Offline it can't have printed, and it would have told that it is online: it was switched off and on.
            self._begin_anew()
        elif self.phase == PHASE_WRITTEN and self._is_proof(reply):
            self.phase = PHASE_PROVEN
            self._reply = self._reply or reply
            self._tell_job()
        else:
            self._uplink.send("printer_reply", reply)

    def _is_proof(self, reply):
        """Whether it answers the last enquiry of this job, and not an earlier one."""
        if self._proof[-_GS_H_BYTES:].startswith(_GS_H):
            return reply.startswith(_PROCESS_ID) and reply[2:-1] == self._proof[-4:]
        return len(reply) == 1 and len(self._proof) > 0

    # -- watching ------------------------------------------------------------------------------------------------

    async def watch(self, task):
        """Task: does the printer still answer? Asked between jobs; during one, silence is read from a stall."""
        ticked = True
        while True:
            task.work("probe")
            self._power.arm()
            self._look_at_power()
            if ticked:
                self._ask()
            task.rest()
            ticked = await self._power.wait()

    def _ask(self):
        if self._writing:
            self._judge_stall()
        elif not self._kicking and not self._chunks and self.phase not in (PHASE_RECEIVING, PHASE_ENDED):
            self._probe()

    def _probe(self):
        if not self._feeder.all_sent() or (self._flow and self._flow.value()):  # it is busy, so it can't be asked
            self._judge_stall()
            return
        if self._offline():
            # It has told why, and need not answer meanwhile. But if it was switched off and on it has forgotten to
            # tell.
            self._uart.write(_ENABLE_ASB)
            return
        if self._probes_unanswered >= _PROBES_FOR_SILENCE:
            self._fall_silent()
        else:
            self._probes_unanswered += 1
        if self.condition == _CONDITION_ANSWERING:
            self._ask_for_asb()
        self._uart.write(_PROBE)
        self._probes_to_refresh -= 1
        if self._probes_to_refresh <= 0:
            self._probes_to_refresh = _REFRESH_PROBES
            self._uart.write(_ENABLE_ASB)

    def _look_at_power(self):
        """Act on what the chip noticed: what it answers from now on says nothing of what was sent before."""
        if self._power.take_loss() or (self._power.is_off and self.condition != _CONDITION_SILENT):
            self._fall_silent()

    def _begin_anew(self):
        """It was without power, and is back already."""
        self._fall_silent()
        self._on_sign_of_life()

    def _judge_stall(self):
        if self._feeder.moved():
            self._moved_at = time.ticks_ms()
        stalled_ms = time.ticks_diff(time.ticks_ms(), self._moved_at)
        if stalled_ms >= _STALL_MS and not self._offline():
            self._fall_silent()

    def _offline(self):
        return self.asb is not None and bool(self.asb[0] & 0x08)

    def _fall_silent(self):
        """No power, or no cable: what it knew of the job is gone."""
        if self.condition == _CONDITION_SILENT:
            return
        self.condition = _CONDITION_SILENT
        if self._flow:
            self._flow.restart()
        self.asb = None
        self._set_drawer(None)
        for code in ("cover_open", "cutter", "printer_error", "paper_end", "paper_near_end"):
            self._faults.set(code, False)
        self._faults.set("printer_power", True)
        if self.phase in (PHASE_RECEIVING, PHASE_ENDED, PHASE_WRITTEN):
            self._abort(_REASON_POWER)
        self._tell_status()


class _NeverBusy:
    """In the place of a pin, where the printer has no line to signal busy."""

    def value(self):
        return 0


class StatusReader:
    """Sorts the bytes that a printer sends; manual: "Status transmission", the fixed bits of each kind."""

    def __init__(self, on_asb, on_realtime, on_reply, on_flow=None):
        """`on_realtime(byte)`: an answer to DLE EOT; `on_flow(byte)`: XON or XOFF, where the printer says those."""
        self._on_flow = on_flow
        self._on_asb = on_asb
        self._on_realtime = on_realtime
        self._on_reply = on_reply
        self._asb = bytearray()
        self._block = bytearray()
        self._lone = bytearray()

    @property
    def undecided(self):
        """Whether bytes wait that look like answers to GS r: call `decide` once the line is quiet."""
        return len(self._lone) > 0

    def decide(self):
        lone, self._lone = self._lone, bytearray()
        if len(lone) < _STATUS_TAIL_BYTES:
            for byte in lone:
                self._on_reply(bytes((byte,)))

    def feed(self, data, length):
        for index in range(length):
            self._take(data[index])

    def _take(self, byte):
        if self._on_flow and byte in (_XON, _XOFF):  # anywhere, and no byte of an answer: its fixed bits differ
            self._on_flow(byte)
        elif self._block:
            self._take_in_block(byte)
        elif self._asb:
            self._take_in_asb(byte)
        elif byte & 0x93 == 0x10:  # first byte of ASB
            self._asb.append(byte)
        elif byte & 0x93 == 0x12:  # answer to DLE EOT
            self._on_realtime(byte)
        elif byte in (0x37, 0x3B, 0x5F):  # block: process id response, power notice, identity; ends with NUL
            self._block.append(byte)
        elif byte & 0x90 == 0x00 and len(self._lone) < _STATUS_TAIL_BYTES:  # answer to GS r
            self._lone.append(byte)

    def _take_in_asb(self, byte):
        if byte & 0x90:  # no second to fourth byte of ASB: a byte was lost
            self._asb = bytearray()
            self._take(byte)
            return
        self._asb.append(byte)
        if len(self._asb) == 4:
            asb = bytes(self._asb)
            self._asb = bytearray()
            self._on_asb(asb)

    def _take_in_block(self, byte):
        if byte and not 0x20 <= byte < 0x7F:  # nothing of a block, which is text: its end was lost
            self._block = bytearray()
            self._take(byte)
            return
        self._block.append(byte)
        if byte == 0 or len(self._block) >= _REPLY_BYTES_MAX:
            block = bytes(self._block)
            self._block = bytearray()
            self._on_reply(block)
