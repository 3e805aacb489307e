"""The scanner: finds each barcode in what the UART brings, and keeps it in a ring until the bridge owns it.

A scan ends with CR, LF, CR LF, or 50 ms of silence. Its symbology is the AIM identifier, where the scanner sends it.
Before the ring is full the scanner is held off by its trigger, if the board file names one. A till may switch it off,
for a time: a till or a bridge that goes away leaves no counter without its scanner.
"""

from micropython import const
import asyncio
import gc
import time

from hublink.messages import SCAN_CONTINUES, SCAN_HAS_SYMBOLOGY, SCAN_REPEAT, SCANNER
from machine import Pin

from hub import survival, transport
from hub.wake import Edge, Wake

RING_SCANS = const(64)
RING_BYTES = const(16_384)
SCAN_BYTES_MAX = const(7092)  # the most digits a QR code holds, and its AIM identifier
_HOLD_SCANS = const(RING_SCANS - 4)  # some are on their way when it is held off
_FREE_SCANS = const(RING_SCANS - 16)
_HOLD_BYTES = const(RING_BYTES - SCAN_BYTES_MAX)
_FREE_BYTES = const(RING_BYTES // 2)
_OFF_MS_MAX = const(3_600_000)  # as long as a till may switch it off without saying so again
_ARM_MS = const(2000)  # the shortest time that a scanner reads for after a command is a few seconds
_PART_BYTES_MAX = const(231)  # of a scan in one frame: 240 less the message's fixed part
_IDLE_END_MS = const(50)
_LOOK_MS = const(1)  # how often, in the middle of a scan: a character at 9600 baud
_SUFFIX_WAIT_MS = const(400)  # of a scanner that ends its scans with a suffix silence means a stalled line, not the end
_REPEAT_MS = const(400)
_BANNER_MS = const(1000)  # words that a scanner says within a second of getting power are its banner
_READ_BYTES = const(256)
_TX_BUFFER_BYTES = const(32)  # for the trigger's commands
_OLD_MS = const(3_600_000)  # older is told as this: the clock comes round after 12 days
_AGE_EVERY_MS = const(60_000)
_AIM_BYTES = const(3)
_COLLECT_MS = const(500)  # not more often: a collection takes 20 ms
_READING = const(0)
_OFF = const(1)
_HELD = const(2)
# The only control characters in barcodes: EOT and FS to US (GS1, ISO 15434), and TAB.
_SEPARATORS = (b"\x1d", b"\x1e", b"\x04", b"\t", b"\x1c", b"\x1f")


class NoTrigger:
    """The scanner reads when it likes. trigger.py has those that can keep it from reading."""

    can_switch = False
    answer = b""

    def set(self, on):
        pass


class Scanner:
    def __init__(self, port, uplink, faults, on_scan):
        """`port`: the board file's `scanner` section. `on_scan()`: one was read."""
        port.setdefault("tx_buffer_bytes", _TX_BUFFER_BYTES)
        self._uart = transport.open_uart(port)
        if port.get("trigger", "none") == "none":
            self._trigger = NoTrigger()
        else:
            from hub.trigger import open_trigger

            self._trigger = open_trigger(port, self._uart)
        self._banner = port["banner"].encode() if "banner" in port else None
        self._wake = Wake()
        self._sense = self._edge = None
        if "sense" in port:
            self._sense = Pin(port["sense"], Pin.IN, Pin.PULL_DOWN)
            self._edge = Edge(self._sense, Pin.IRQ_RISING | Pin.IRQ_FALLING, self._wake)
        self._uplink = uplink
        self._faults = faults
        self._on_scan = on_scan
        self._kept = False  # a scan, just now
        self._collected_at = time.ticks_ms()
        self._pending = bytearray()
        self._too_long = False
        self._suffixed = False  # the last scan ended with a suffix
        self._ring = []  # [sequence, read at, flags, data], oldest first
        self._ring_bytes = 0
        self._sent = 0  # how many of the ring were sent in this session
        self._part_at = 0  # how much of the next one
        self._old = 0  # how many of the ring are older than _OLD_MS
        self._last = (b"", 0)
        self._plugged = True
        self._powered_at = time.ticks_ms() if survival.reset_cause() == 1 else None
        self._held = False
        self._off_ms = 0  # switched off by the till for so long,
        self._off_since = 0  # from then on
        self._told = None  # the state that the bridge knows
        self._armed_at = time.ticks_ms()
        self._trigger.set(True)  # an earlier life may have left it off
        self.next_sequence = 1
        self.dropped_scans = 0
        uplink.on("scan_taken", self._on_taken)
        uplink.on("scanner_enable", self._on_enable)
        uplink.attach(self)

    @property
    def oldest_sequence(self):
        return self._ring[0][0] if self._ring else self.next_sequence

    # -- the link ------------------------------------------------------------------------------------------------

    def link_up(self):
        self._sent = self._part_at = 0
        self._told = None
        self._tell_state()
        self._send()

    def link_down(self):
        self._sent = self._part_at = 0
        if self._off_ms:  # nobody is there any more who could switch it on
            self._off_ms = 0
            self._steer()

    def link_writable(self, channel):
        if channel == SCANNER:
            self._tell_state()
            self._send()

    # -- on, off, held off ---------------------------------------------------------------------------------------

    def state(self):
        return _OFF if self._off_ms else _HELD if self._held and self._trigger.can_switch else _READING

    def _on_enable(self, enabled, for_ms):
        """The till switches it on, or off for `for_ms` at most."""
        if self._trigger.can_switch:
            self._off_ms = 0 if enabled else min(for_ms, _OFF_MS_MAX)
            self._off_since = time.ticks_ms()
        self._told = None  # whoever asked waits for what came of it
        self._steer()

    def _judge_ring(self):
        """Hold the scanner off before the ring is full, and let it go when there is room again."""
        scans, size_bytes = len(self._ring), self._ring_bytes
        if scans >= _HOLD_SCANS or size_bytes >= _HOLD_BYTES:
            held = True
        elif scans <= _FREE_SCANS and size_bytes <= _FREE_BYTES:
            held = False
        else:
            held = self._held
        if held != self._held:
            self._held = held
            self._faults.set("scans_waiting", held)
            self._steer()

    def _steer(self):
        """Let it read, or not; said again where it may have forgotten."""
        self._armed_at = time.ticks_ms()
        self._trigger.set(self.state() == _READING)
        self._tell_state()

    def _tell_state(self):
        state = self.state()
        if state != self._told and self._uplink.send("scanner", state, int(self._trigger.can_switch)):
            self._told = state

    def _on_taken(self, sequence):
        """The bridge has journaled it and all before it."""
        while self._ring and self._ring[0][0] <= sequence:
            entry = self._ring.pop(0)
            self._ring_bytes -= len(entry[3])
            self._old = max(0, self._old - 1)
            if self._sent:
                self._sent -= 1
            else:
                self._part_at = 0  # it was being sent again
        self._judge_ring()
        self._send()

    def _send(self):
        """Send what the bridge has not yet heard in this session; a long scan goes in parts."""
        while self._sent < len(self._ring):
            sequence, read_at, flags, data = self._ring[self._sent]
            part = data[self._part_at : self._part_at + _PART_BYTES_MAX]
            more = SCAN_CONTINUES if self._part_at + len(part) < len(data) else 0
            age_ms = _OLD_MS if self._sent < self._old else max(0, time.ticks_diff(time.ticks_ms(), read_at))
            if not self._uplink.send("scan", sequence, age_ms, flags | more, part):
                return
            self._part_at += len(part)
            if not more:
                self._sent += 1
                self._part_at = 0

    # -- the UART ------------------------------------------------------------------------------------------------

    async def read(self, task):
        """Task: take scans off the UART."""
        reader = transport.UartReader(self._uart)
        buffer = bytearray(_READ_BYTES)
        while True:
            if not self._pending and not self._too_long:
                count = await reader.readinto(buffer)
            else:
                end = time.ticks_add(time.ticks_ms(), _SUFFIX_WAIT_MS if self._suffixed else _IDLE_END_MS)
                while not self._uart.any() and time.ticks_diff(end, time.ticks_ms()) > 0:
                    await asyncio.sleep_ms(_LOOK_MS)
                count = reader.take(buffer)
            task.work("scan")
            if count:
                self._split(bytes(buffer[:count]))
            elif self._pending or self._too_long:
                self._end_in_silence()
            task.rest()
            if self._kept:
                self._kept = False
                self._collect()

    def _collect(self):
        """Garbage, right behind a scan: so soon nobody scans again, and the next scan meets no collection."""
        now = time.ticks_ms()
        if not 0 <= time.ticks_diff(now, self._collected_at) < _COLLECT_MS:
            self._collected_at = now
            gc.collect()

    async def watch(self, task):
        """Task: is the scanner plugged in, where the board senses it? Is its time off over? Which scans are old?"""
        while True:
            task.work("sense")
            if self._edge:
                self._edge.arm()
                self._look(bool(self._sense.value()))
            now = time.ticks_ms()
            while self._old < len(self._ring) and time.ticks_diff(now, self._ring[self._old][1]) >= _OLD_MS:
                self._old += 1
            if self._off_ms and time.ticks_diff(now, self._off_since) >= self._off_ms:
                self._off_ms = 0
                self._steer()
            elif self._trigger.can_switch and not 0 <= time.ticks_diff(now, self._armed_at) < _ARM_MS:
                self._steer()
            task.rest()
            if self._edge or self._trigger.can_switch:
                await self._wake.wait()
            else:
                await asyncio.sleep_ms(_AGE_EVERY_MS)

    def _look(self, plugged):
        if plugged == self._plugged:
            return
        self._plugged = plugged
        self._pending = bytearray()
        self._too_long = False
        if plugged:
            self._got_power()
        self._faults.set("scanner_unplugged", not plugged)

    def _got_power(self):
        """It has forgotten that it was off, and may say a banner."""
        self._powered_at = time.ticks_ms()
        self._suffixed = False
        self._steer()

    def _split(self, data):
        data = data.replace(b"\n", b"\r")
        start = 0
        while True:
            found = data.find(b"\r", start)
            end = len(data) if found < 0 else found
            if end > start:
                self._extend(data[start:end])
            if found < 0:
                return
            self._suffixed = True
            self._finish()
            start = found + 1

    def _extend(self, data):
        room = SCAN_BYTES_MAX - len(self._pending)
        if len(data) > room:
            self._too_long = True
        if self._too_long or (not self._trigger.answer and _is_rubbish(data)):
            self._faults.set("scanner_garbled", True)  # at once: what never pauses has no end
        self._pending.extend(data[:room])

    def _end_in_silence(self):
        """Of a scanner that sends suffixes what has none is half a scan: its plug was pulled, or it is another one."""
        data = self._without_answers()
        if self._too_long or data:
            greets = self._had_power_for_less(time.ticks_ms()) or (self._banner and self._banner in data)
            self._too_long = self._too_long or (self._suffixed and not greets)
            self._suffixed = False
        self._finish()

    def _without_answers(self):
        """What came, less what the scanner says to the trigger's commands."""
        data = bytes(self._pending)
        return data.replace(self._trigger.answer, b"") if self._trigger.answer else data

    def _finish(self):
        """The end of a scan, of a banner, of noise, or of nothing."""
        data = self._without_answers()
        self._pending = bytearray()
        too_long = self._too_long
        self._too_long = False
        now = time.ticks_ms()
        if too_long:
            self.dropped_scans += 1
            self._faults.set("scanner_garbled", True)
        elif self._banner and self._banner in data:
            if not self._had_power_for_less(now):
                self._faults.set("scanner_restarted", True)
            self._got_power()
        elif data and not self._is_banner(data, now):
            self._keep(data, now)

    def _had_power_for_less(self, now):
        """Less than a banner takes."""
        if self._powered_at is None:
            return False
        if not 0 <= time.ticks_diff(now, self._powered_at) < _BANNER_MS:
            self._powered_at = None
            return False
        return True

    def _is_banner(self, data, now):
        """Words, right after the scanner got power. A number or an identified symbol is somebody's article."""
        return self._had_power_for_less(now) and not data.isdigit() and not _has_aim_identifier(data)

    def _keep(self, data, now):
        self._faults.set("scanner_garbled", _is_rubbish(data))
        self._faults.set("scanner_restarted", False)
        flags = SCAN_HAS_SYMBOLOGY if _has_aim_identifier(data) else 0
        if data == self._last[0] and 0 <= time.ticks_diff(now, self._last[1]) < _REPEAT_MS:
            flags |= SCAN_REPEAT
        self._last = (data, now)
        if len(self._ring) >= RING_SCANS or self._ring_bytes + len(data) > RING_BYTES:
            self.dropped_scans += 1
            return
        self._ring.append((self.next_sequence, now, flags, data))
        self._ring_bytes += len(data)
        self.next_sequence += 1
        self._send()  # before all else: the till waits for it
        self._judge_ring()
        self._on_scan()
        self._kept = True
        if self._trigger.can_switch:
            self._steer()  # a command lets it read once


def _has_aim_identifier(data):
    """ "]", a letter, a letter or digit (ISO/IEC 15424)."""
    return len(data) > _AIM_BYTES and data[0] == 0x5D and bytes(data[1:2]).isalpha() and 0x30 <= data[2] <= 0x7A


def _is_rubbish(data):
    """Of a wrong baud rate or a bad contact. It is delivered all the same; somebody should look at the plug."""
    if min(data) >= 0x20:
        return False
    for separator in _SEPARATORS:
        data = data.replace(separator, b"")
    return not data or min(data) < 0x20
