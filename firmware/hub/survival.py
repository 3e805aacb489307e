"""What outlives a reset: how often the hub booted, the crumb that a dying program left for the next one, a traceback.

Boots and crumb are kept where the chip keeps memory over a reset, guarded by a checksum; a power cut clears it. An
RP2040 or RP2350 has four words for it, so a crumb goes in as numbers of its words. A traceback goes into a file, by a
program that is about to end: no other may write to the flash.
"""

from micropython import const
import io
import os
import struct
import sys
import time
from binascii import crc32

import machine

_QUICK_BOOTS_FOR_SAFE_MODE = const(5)
_CRASH_PAUSE_MS = const(1000)  # between a crash at the start and the next try
_TRACEBACK_FILE = "traceback.txt"
_TRACEBACK_BYTES_MAX = const(200)  # its last lines: what a message on the link carries
_LAYOUT = "<HB3sIH"  # boots, boots in quick succession, numbers of the crumb's words, its seconds + 1, its count
_LAYOUT_BYTES = const(12)
_UNREAD = const(0x8000)  # in the count: the crumb is of the life that just ended
_COUNT_MAX = const(999)
_FOR_PROMPT = "prompt"
_boots = None  # None: this boot is not counted yet
_quick_boots = 1
_crumb = ""
_words = b"\0\0\0"
_count = 0  # how often in a row a life ended with these words
_memory = None
watched = False  # this life's watchdog has begun: nothing stops it any more, and at the prompt nobody feeds it


class _RtcMemory:
    """RTC().memory(), 2048 bytes on an ESP32."""

    def read(self):
        return machine.RTC().memory()

    def write(self, data):
        machine.RTC().memory(data)


class _ScratchMemory:
    """The watchdog's scratch registers 0 to 3 (the chip's boot code uses 4 to 7)."""

    _SCRATCH0 = {"RP2040": 0x4005800C, "RP2350": 0x400D800C}

    def __init__(self, chip):
        self._first = self._SCRATCH0[chip]

    def read(self):
        return b"".join(struct.pack("<I", machine.mem32[self._first + at] & 0xFFFFFFFF) for at in range(0, 16, 4))

    def write(self, data):
        for at, word in zip(range(0, 16, 4), struct.unpack("<IIII", data)):
            machine.mem32[self._first + at] = word


# What crumbs are made of; a word's number is its place, and one that is not here becomes "?". Append only: an update
# may come between a crumb and its reading. One text: a list of words would take 4 KB.
_WORDS = (
    "  ? hang late reset failing "
    "link_read link_write link_time indicator drawer drawer_switch scanner scanner_sense "
    "printer_write printer_read printer_watch "
    "receive send timer light blip switch scan sense status probe update asked "
    "pulse write trigger forced backup link_read2 link_write2 link_time2 backup_read backup_write backup_time "
    "link link2 printer main boot board supervisor crash start read wait feed feeder hold pause resume flow power "
    "clear alarm open left_open choose console usb uart tcp drawer_pulse drawer_alarm scanner_trigger "
    "printer_feed printer_power safe_mode prompt witness "
    "MemoryError OSError ImportError ValueError TypeError KeyError IndexError AttributeError RuntimeError "
    "NameError SyntaxError OverflowError ZeroDivisionError NotImplementedError AssertionError UnicodeError "
    "check "
)
_NO_WORD = const(0)
_UNKNOWN_WORD = const(1)


def _number_of(word):
    """A word's number, as a crumb keeps it."""
    if not word:
        return _NO_WORD
    found = _WORDS.find(" %s " % word)
    return _UNKNOWN_WORD if found < 1 or " " in word else _WORDS.count(" ", 0, found)


def _crumb_numbers(crumb):
    """ "hang:scanner:scan:61s" as (three numbers of words, 62); 0 seconds: it has none."""
    seconds = 0
    parts = crumb.split(":")
    if parts[-1].endswith("s") and parts[-1][:-1].isdigit():
        seconds = int(parts.pop()[:-1]) + 1
    parts = (parts + ["", "", ""])[:3]
    return bytes([_number_of(part) for part in parts]), seconds & 0xFFFFFFFF


def _crumb_text(words, seconds, count):
    known = _WORDS[1:-1].split(" ")
    parts = [known[number] if number < len(known) else "?" for number in words]
    if seconds:
        parts.append("%ds" % (seconds - 1))
    if count > 1:
        parts.append("%dx" % count)
    return ":".join([part for part in parts if part])


def _open():
    """The memory that this chip has."""
    global _memory
    if _memory is None:
        _memory = _RtcMemory()
        if not hasattr(machine.RTC(), "memory"):
            name = getattr(sys.implementation, "_machine", "")
            _memory = _ScratchMemory("RP2350" if "RP2350" in name else "RP2040")
    return _memory


def _read():
    """(boots, quick boots, words, seconds, count) as the last life left them; nothing after a power cut."""
    kept = _open().read()
    body = kept[:_LAYOUT_BYTES]
    if len(kept) != _LAYOUT_BYTES + 4 or struct.unpack("<I", kept[_LAYOUT_BYTES:])[0] != crc32(body):
        return 0, 0, _words, 0, 0
    return struct.unpack(_LAYOUT, body)


def _write(seconds, count):
    body = struct.pack(_LAYOUT, _boots & 0xFFFF, min(_quick_boots, 255), _words, seconds, count)
    _open().write(body + struct.pack("<I", crc32(body)))


def count_boot():
    """Count this boot, once, and take the last life's crumb. What asks here does it first, if main.py did not."""
    global _boots, _quick_boots, _crumb, _words, _count
    if _boots is not None:
        return
    boots, quick, _words, seconds, count = _read()
    _boots = boots + 1
    _quick_boots = quick + 1
    _count = count & ~_UNREAD
    if count & _UNREAD:
        _crumb = _crumb_text(_words, seconds, _count)
    _write(0, _count)


def boots():
    count_boot()
    return _boots


def last_crumb():
    """What the last life left, "" if it ended in order or by power: "what:where:step:uptime:how often".

    The times are those in a row since power came, from the second on: "hang:scanner:scan:61s:2x".
    """
    count_boot()
    return _crumb


def wants_safe_mode():
    """Five boots with none that lived for a minute."""
    count_boot()
    return _quick_boots >= _QUICK_BOOTS_FOR_SAFE_MODE


def has_settled():
    """This life is a minute old: the next reset starts the count anew."""
    global _quick_boots
    count_boot()
    _quick_boots = 0
    _write(0, _count)


def forgive_boot():
    """This boot ended at the prompt, by a technician's will: whatever he does there leads to no safe mode."""
    has_settled()


def leave_crumb(text):
    """For the next life: what ended this one, three words of _WORDS and the uptime, as "hang:scanner:scan:61s"."""
    global _words, _count
    count_boot()
    words, seconds = _crumb_numbers(text)
    _count = min(_count + 1, _COUNT_MAX) if words == _words else 1
    _words = words
    _write(seconds, _count | _UNREAD)


def crash(error):
    """The program could not start: keep why, and try again; in safe mode, which then helps nothing, give the prompt,
    in the next life where this one's watchdog would bite who works there."""
    sys.print_exception(error)
    keep_traceback(error)
    leave_crumb("crash:main:" + type(error).__name__)
    if not wants_safe_mode():
        time.sleep_ms(_CRASH_PAUSE_MS)
        machine.reset()
    if watched:
        restart_into_prompt()


def reset(why, error=None):
    """Reset on purpose, leaving the reason for the next life."""
    if error is not None:
        keep_traceback(error)
    leave_crumb("reset:" + why)
    machine.reset()


def restart_into_prompt():
    """A technician wants it: the next life gives it instead of starting. Does not return."""
    reset(_FOR_PROMPT)


def wants_prompt():
    """The last life ended to give it."""
    return last_crumb().startswith("reset:" + _FOR_PROMPT)


def traceback(error):
    """The last lines of an exception's traceback, as text."""
    text = io.StringIO()
    sys.print_exception(error, text)
    return text.getvalue()[-_TRACEBACK_BYTES_MAX:]


def keep_traceback(error):
    """For the next life, which tells it to the bridge. On a full file system it is lost; the crumb is not."""
    try:
        with open(_TRACEBACK_FILE, "w") as file:
            file.write(traceback(error))
    except OSError:
        return


def take_traceback():
    """What `keep_traceback` left, once; "" for nothing. Writes to the flash: to be called before any device is open."""
    try:
        with open(_TRACEBACK_FILE) as file:
            text = file.read(_TRACEBACK_BYTES_MAX)
        os.remove(_TRACEBACK_FILE)
    except (OSError, ValueError):  # none, or one that is no text
        return ""
    return text


def reset_cause():
    """The place of the cause in hublink.words.RESET_CAUSES."""
    cause = machine.reset_cause()
    if cause == machine.PWRON_RESET:
        return 1
    if cause == machine.WDT_RESET:
        # rp2 reads a deliberate reset as the watchdog's too: that one leaves a mark.
        return 3 if last_crumb().startswith(("reset:", "crash:")) else 2
    if cause == getattr(machine, "SOFT_RESET", -1):
        return 5
    return 3 if cause == getattr(machine, "HARD_RESET", -1) else 0
