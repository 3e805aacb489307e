"""The message dictionary: what can be said on each channel, and how it is laid out.

One byte names a message: channel in the high four bits, number in the low four. A layout is a struct format for the
fixed part; "*" at its end stands for one more field, the rest of the payload. The dictionary's hash travels in HELLO,
so that both sides know whether they speak the same one.
"""

import struct
from binascii import crc32

# Channels, in the order of their priority on the link.
CONTROL, DRAWER, SCANNER, INDICATOR, PRINTER, UPDATE = range(6)
CHANNEL_NAMES = ("control", "drawer", "scanner", "indicator", "printer", "update")

# code, name, layout, fields
DICTIONARY = (
    (0x00, "credit", "<BH", "channel limit"),  # either way: messages the sender of this will take in all, mod 2**16
    (0x01, "faults", "*", "numbers"),  # hub: its active faults, one byte each; replaces what it said before
    (0x02, "blame", "*", "text"),  # hub: a task failed and was started again; its traceback's last lines
    (0x03, "problems", "*", "text"),  # hub: what its board file and file system lack, a line each; sent once a session
    (0x10, "kick", "<IBHI", "kick drawer on_ms deadline_ms"),  # bridge: deadline in the hub's own milliseconds
    (0x11, "kick_done", "<IB", "kick outcome"),  # hub: see KICK_OUTCOMES
    (0x12, "drawer", "<B", "state"),  # hub: see DRAWER_STATES
    (0x20, "scan", "<IIB*", "sequence age_ms flags data"),  # hub: SCAN_ bits; data as the scanner sent it
    (0x21, "scan_taken", "<I", "sequence"),  # bridge: it and all before it are in the journal
    (0x22, "scanner_enable", "<BI", "enabled for_ms"),  # bridge: 0 switches it off, for so long at most
    (0x23, "scanner", "<BB", "state can_switch"),  # hub: see SCANNER_STATES; whether it can switch the scanner off
    (0x30, "shown", "<BB", "pattern fault"),  # hub: what the LED shows now, see PATTERNS
    (0x31, "show", "*", "numbers"),  # bridge: faults it knows of, for the LED; replaces what it said before
    (0x40, "job_begin", "<8sI*", "job total_bytes proof"),  # bridge: `proof` will ask the printer if it is on paper
    (0x41, "job_data", "*", "data"),  # bridge: the next bytes of the job begun
    (0x42, "job_end", "<8s", "job"),  # bridge: that was all of it
    (0x43, "job_forget", "<8s", "job"),  # bridge: its outcome is in the journal
    (0x44, "job_status", "<8sBBII*", "job phase reason received_bytes written_bytes reply"),  # hub
    (0x45, "printer_status", "<B4s", "condition asb"),  # hub: see PRINTER_CONDITIONS; the last ASB bytes
    (0x46, "printer_query", "*", "query"),  # bridge: ask the printer something between jobs
    (0x47, "printer_reply", "*", "reply"),  # hub: what came back
    (0x50, "prompt", "*", "why"),  # flasher: restart into MicroPython's prompt; obeyed where the link is the console
)

KICK_OUTCOMES = ("opened", "unverified", "drawer_stuck", "expired", "repeated", "duty", "invalid", "printer_power")
DRAWER_STATES = ("unknown", "closed", "open")
SCANNER_STATES = ("reading", "off", "held")  # held: the ring is nearly full
SCAN_HAS_SYMBOLOGY, SCAN_REPEAT, SCAN_CONTINUES = 1, 2, 4
PATTERNS = ("off", "ready", "waiting", "fault", "safe_mode", "starting")
JOB_PHASES = ("none", "receiving", "ended", "written", "proven", "aborted")
PHASE_NONE, PHASE_RECEIVING, PHASE_ENDED, PHASE_WRITTEN, PHASE_PROVEN, PHASE_ABORTED = range(6)
ABORT_REASONS = ("", "printer_power", "job_replaced", "job_overrun")
PRINTER_CONDITIONS = ("unknown", "answering", "silent")

NO_JOB = b"\0" * 8


class Message:
    """One entry of the dictionary."""

    def __init__(self, code, name, layout):
        self.code = code
        self.name = name
        self.channel = code >> 4
        self._has_rest = layout.endswith("*")
        self._layout = layout[:-1] if self._has_rest else layout
        self._fixed_bytes = struct.calcsize(self._layout) if self._layout else 0

    def pack(self, values):
        """The payload. ValueError or struct.error if the values are not those of the layout."""
        if not self._layout:
            return bytes(values[0])
        if not self._has_rest:
            return struct.pack(self._layout, *values)
        return struct.pack(self._layout, *values[:-1]) + bytes(values[-1])

    def unpack(self, payload):
        """The tuple of values, or None if the payload has another length than the layout."""
        if not self._layout:
            return (bytes(payload),)
        length = len(payload)
        if length < self._fixed_bytes or (length > self._fixed_bytes and not self._has_rest):
            return None
        values = struct.unpack_from(self._layout, payload, 0)
        return values + (bytes(payload[self._fixed_bytes :]),) if self._has_rest else values


BY_NAME = {}
BY_CODE = {}
for _code, _name, _layout, _fields in DICTIONARY:
    BY_NAME[_name] = BY_CODE[_code] = Message(_code, _name, _layout)


def dictionary_hash():
    """CRC-32 over the dictionary's canonical text, one line a message: code, name, layout, fields."""
    checksum = 0
    for code, name, layout, fields in DICTIONARY:
        checksum = crc32(("%d %s %s %s\n" % (code, name, layout, fields)).encode(), checksum)
    return checksum
