"""What outlives a reset: how often the hub booted, and the crumb that a dying program left for the next one.

Kept where the chip keeps memory over a reset, guarded by a checksum; a power cut clears it. An ESP32 keeps text; an
RP2040 or RP2350 has four words for it, into which a crumb goes as numbers of its words.
"""

import struct
import sys
from binascii import crc32

import machine

_QUICK_BOOTS_FOR_SAFE_MODE = 5
_boots = 1
_quick_boots = 1
_crumb = ""
_memory = None


class _TextMemory:
    """RTC().memory(), 2048 bytes on an ESP32."""

    _LAYOUT = "<HB40s"  # boots, boots in quick succession, crumb

    def read(self):
        """(boots, quick boots, crumb) as the last life left it."""
        kept = machine.RTC().memory()
        body_bytes = struct.calcsize(self._LAYOUT)
        if len(kept) != body_bytes + 4 or struct.unpack("<I", kept[body_bytes:])[0] != crc32(kept[:body_bytes]):
            return 0, 0, ""
        boots, quick, crumb = struct.unpack(self._LAYOUT, kept[:body_bytes])
        return boots, quick, str(crumb.rstrip(b"\0"), "utf-8")

    def write(self, boots, quick, crumb):
        body = struct.pack(self._LAYOUT, boots, quick, crumb.encode()[:40])
        machine.RTC().memory(body + struct.pack("<I", crc32(body)))


class _WordMemory:
    """The watchdog's scratch registers 0 to 3 (the chip's boot code uses 4 to 7)."""

    _LAYOUT = "<HB3sIH"  # boots, boots in quick succession, numbers of the crumb's words, its seconds + 1, 0
    _SCRATCH0 = {"RP2040": 0x4005800C, "RP2350": 0x400D800C}

    def __init__(self, chip):
        self._first = self._SCRATCH0[chip]

    def read(self):
        kept = b"".join(struct.pack("<I", machine.mem32[self._first + at] & 0xFFFFFFFF) for at in range(0, 16, 4))
        if struct.unpack("<I", kept[12:])[0] != crc32(kept[:12]):
            return 0, 0, ""
        boots, quick, words, seconds, _ = struct.unpack(self._LAYOUT, kept[:12])
        return boots, quick, _crumb_text(words, seconds)

    def write(self, boots, quick, crumb):
        words, seconds = _crumb_numbers(crumb)
        body = struct.pack(self._LAYOUT, boots, quick, words, seconds, 0)
        for at, word in zip(range(0, 16, 4), struct.unpack("<IIII", body + struct.pack("<I", crc32(body)))):
            machine.mem32[self._first + at] = word


# What crumbs are made of, by number; a word that is not here becomes "?". Append only: an update may come between a
# crumb and its reading.
_WORDS = tuple(
    (
        " ? hang late reset failing "
        "link_read link_write link_time indicator drawer drawer_switch scanner scanner_sense "
        "printer_write printer_read printer_watch "
        "receive send timer light blip switch scan sense status probe update asked "
        "pulse write trigger forced backup link_read2 link_write2 link_time2 backup_read backup_write backup_time "
        "link link2 printer main boot board supervisor crash start read wait feed feeder hold pause resume flow power "
        "clear alarm open left_open choose console usb uart tcp drawer_pulse drawer_alarm scanner_trigger "
        "printer_feed printer_power safe_mode prompt witness"
    ).split(" ")
)


def _crumb_numbers(crumb):
    """ "hang:scanner:scan:61s" as (three numbers of words, 62); 0 seconds: it has none."""
    seconds = 0
    parts = crumb.split(":")
    if parts[-1].endswith("s") and parts[-1][:-1].isdigit():
        seconds = int(parts.pop()[:-1]) + 1
    parts = (parts + ["", "", ""])[:3]
    return bytes([_WORDS.index(part) if part in _WORDS else 1 for part in parts]), seconds & 0xFFFFFFFF


def _crumb_text(words, seconds):
    parts = [_WORDS[number] if number < len(_WORDS) else "?" for number in words]
    text = ":".join([part for part in parts if part])
    return "%s:%ds" % (text, seconds - 1) if seconds else text


def _open():
    """The memory that this chip has."""
    global _memory
    if _memory is None:
        _memory = _TextMemory()
        if not hasattr(machine.RTC(), "memory"):
            name = getattr(sys.implementation, "_machine", "")
            _memory = _WordMemory("RP2350" if "RP2350" in name else "RP2040")
    return _memory


def _write(crumb):
    _open().write(_boots & 0xFFFF, min(_quick_boots, 255), crumb)


def count_boot():
    """Called by boot.py. Takes the last life's crumb and clears it."""
    global _boots, _quick_boots, _crumb
    boots, quick, _crumb = _open().read()
    _boots = boots + 1
    _quick_boots = quick + 1
    _write("")


def boots():
    return _boots


def last_crumb():
    """What the last life left, "" if it ended in order or by power."""
    return _crumb


def wants_safe_mode():
    """Five boots with none that lived for a minute."""
    return _quick_boots >= _QUICK_BOOTS_FOR_SAFE_MODE


def has_settled():
    """This life is a minute old: the next reset starts the count anew."""
    global _quick_boots
    _quick_boots = 0
    _write("")


def leave_crumb(text):
    """A few words for the next life, at most 40 bytes: what was running, where, how long."""
    _write(text)


def reset_cause():
    """The place of the cause in hublink.hello.RESET_CAUSES."""
    cause = machine.reset_cause()
    if cause == machine.PWRON_RESET:
        return 1
    if cause == machine.WDT_RESET:
        # rp2 reads a deliberate reset as the watchdog's too: that one leaves a mark.
        return 3 if _crumb.startswith("reset:") else 2
    return 5 if cause == getattr(machine, "SOFT_RESET", -1) else 3
