"""The board file: which pin and UART carries what. Written by the flasher from board_configs/*.toml.

A copy of the last one that could be read lies beside it: a file that was damaged since, or is gone, then costs nothing,
and boot.py knows the drawers' pins all the same. Where there is no copy either, the hub starts with what any board has.
What is wrong is kept as `problems`, for the fault and for the technician.
"""

from micropython import const
import json
import os

from machine import Pin

BOARD_FILE = "board.json"
COPY_FILE = "board.kept.json"
_FILE_BYTES_MAX = const(8192)  # the largest file that is shipped has 600
_WATCHDOG_MS = const(8000)  # what an RP2040's watchdog can count
_WATCHDOG_MS_MIN = const(1000)
_WATCHDOG_MS_MAX = const(8388)
_ROOM_BYTES_MIN = const(32_768)  # an update lays each file beside the old one
_PIN_KEYS = (
    "tx",
    "rx",
    "cts",
    "sense",
    "trigger_pin",
    "kick",
    "switch",
    "pin",
    "red",
    "green",
    "blue",
)

problems = []  # texts: file, key, reason
_board = None
_text = None  # of the board file, where it could be read


def load():
    """The board file as a dict, read once; its copy if it can't be read, else what any board has."""
    global _board
    if _board is None:
        _board = _read_best()
    return _board


def section(name):
    """A section of the board file, empty where there is none or it is no section."""
    found = load().get(name)
    return found if isinstance(found, dict) else {}


def link_takes_console():
    """A way to the bridge is MicroPython's console: always, unless the board file gives each a UART."""
    return section("link").get("transport") != "uart" or section("backup_link").get("transport") == "usb"


def drive_to_rest():
    """Take the current off the drawers' solenoids: a pin keeps its level over a reset of the program."""
    pins = section("drawer").get("kick")
    for number in pins if isinstance(pins, list) else ():
        try:
            Pin(number, Pin.OUT, value=0)
        except (ValueError, TypeError):
            continue  # no such pin, so no drawer on it; the others still have to rest. The drawer's fault will name it


def keep_copy():
    """Lay the copy where it is absent or differs. Raises OSError if the file system is full or can't be written.

    To be called before any device is open: a write to the flash switches all interrupts off.
    """
    if _text is None:
        return
    try:
        if _read_text(COPY_FILE) == _text:
            return
    except (OSError, ValueError):  # absent, or damaged: it is laid anew
        pass
    with open(COPY_FILE, "w") as file:
        file.write(_text)


def check_room():
    """Raises OSError if the file system has too little room for an update."""
    statvfs = getattr(os, "statvfs", None)
    if statvfs is None:  # a simulated chip on a machine without it
        return
    found = statvfs("/")
    free_bytes = found[0] * found[3]
    if free_bytes < _ROOM_BYTES_MIN:
        raise OSError("%d bytes free, an update needs %d" % (free_bytes, _ROOM_BYTES_MIN))


def watchdog_ms():
    """After how long the watchdog bites; a time that no watchdog can count is a problem, not an end."""
    span_ms = load().get("watchdog_ms", _WATCHDOG_MS)
    if isinstance(span_ms, int) and _WATCHDOG_MS_MIN <= span_ms <= _WATCHDOG_MS_MAX:
        return span_ms
    limits = (BOARD_FILE, _WATCHDOG_MS_MIN, _WATCHDOG_MS_MAX, span_ms)
    problems.append("%s: watchdog_ms: expected %d to %d, found %r" % limits)
    return _WATCHDOG_MS


def explain(name, error):
    """What is wrong with a section that could not be opened: file, key, reason."""
    if isinstance(error, (ImportError, SyntaxError)):
        return "firmware: %s: %s" % (name, error)
    found = load().get(name)
    if not isinstance(found, dict):
        return "%s: %s: expected a section, found %r" % (BOARD_FILE, name, found)
    if isinstance(error, KeyError) and error.args and error.args[0] not in found:
        return "%s: %s.%s: missing" % (BOARD_FILE, name, error.args[0])
    for key in _PIN_KEYS:
        pins = found.get(key, ())
        for pin in pins if isinstance(pins, (list, tuple)) else (pins,):
            if not _is_pin(pin):
                return "%s: %s.%s: there is no pin %r" % (BOARD_FILE, name, key, pin)
    if "uart" in found and "UART" in str(error):  # as each port of MicroPython names a UART that it does not have
        return "%s: %s.uart: %s" % (BOARD_FILE, name, error)
    return "%s: %s: %s" % (BOARD_FILE, name, error)


def _is_pin(number):
    try:
        Pin(number)
    except (ValueError, TypeError):
        return False
    return True


def _read_best():
    global _text
    try:
        text = _read_text(BOARD_FILE)
        board = _parse(text)
        _text = text
        return board
    except OSError as error:
        problem = "%s: absent (%s)" % (BOARD_FILE, error)
    except Exception as error:  # whatever it is, the drawers' pins come first
        problem = "%s: %s" % (BOARD_FILE, error)
    try:
        board = _parse(_read_text(COPY_FILE))
        problems.append(problem + "; the hub goes on with the last one that could be read")
        return board
    except Exception:  # told below
        problems.append(problem + "; without it the hub knows of no devices")
        return {"name": "unknown", "link": {"transport": "usb"}}


def _read_text(path):
    """The file's text. Raises OSError if there is none, ValueError."""
    with open(path) as file:
        text = file.read(_FILE_BYTES_MAX + 1)
    if len(text) > _FILE_BYTES_MAX:
        raise ValueError("longer than %d bytes" % _FILE_BYTES_MAX)
    return text


def _parse(text):
    """The board of a text. Raises ValueError."""
    board = json.loads(text)
    if not isinstance(board, dict) or "name" not in board or "link" not in board:
        raise ValueError("expected an object with at least 'name' and 'link'")
    return board
