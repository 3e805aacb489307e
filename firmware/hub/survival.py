"""What outlives a reset: how often the hub booted, and the crumb that a dying program left for the next one.

Kept where the chip keeps memory over a reset, guarded by a checksum; a power cut clears it.
"""

import struct
from binascii import crc32

import machine

_LAYOUT = "<HB40s"  # boots, boots in quick succession, crumb
_QUICK_BOOTS_FOR_SAFE_MODE = 5
_boots = 1
_quick_boots = 1
_crumb = ""


def _read():
    """(boots, quick boots, crumb) as the last life left it."""
    kept = machine.RTC().memory()
    body_bytes = struct.calcsize(_LAYOUT)
    if len(kept) != body_bytes + 4 or struct.unpack("<I", kept[body_bytes:])[0] != crc32(kept[:body_bytes]):
        return 0, 0, ""
    boots, quick, crumb = struct.unpack(_LAYOUT, kept[:body_bytes])
    return boots, quick, str(crumb.rstrip(b"\0"), "utf-8")


def _write(crumb):
    body = struct.pack(_LAYOUT, _boots & 0xFFFF, min(_quick_boots, 255), crumb.encode()[:40])
    machine.RTC().memory(body + struct.pack("<I", crc32(body)))


def count_boot():
    """Called by boot.py. Takes the last life's crumb and clears it."""
    global _boots, _quick_boots, _crumb
    boots, quick, _crumb = _read()
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
