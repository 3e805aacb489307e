"""What keeps a scanner from reading: its trigger, in the way the board file's `scanner.trigger` says.

A command lets it read one barcode, or read for some seconds (manuals of Honeywell's N86 and of the GM65): whoever wants
it to go on gives it again, which does no harm while it reads.
"""

from machine import Pin

_SYN_ON, _SYN_OFF = b"\x16T\r", b"\x16U\r"
_GM65_ON = b"\x7e\x00\x08\x01\x00\x02\x01\xab\xcd"  # write 1 to zone 0002; AB CD stands for "no checksum"
_GM65_OFF = b"\x7e\x00\x08\x01\x00\x02\x00\xab\xcd"
_GM65_ANSWER = b"\x02\x00\x00\x01\x00\x33\x31"  # "done"; it comes on the line of the scans


def open_trigger(port, uart):
    """The trigger of the board file's `scanner` section. ValueError if its kind is not known."""
    kind = port["trigger"]
    if kind == "pin":
        return PinTrigger(port["trigger_pin"], port.get("trigger_on_level", 0))
    if kind == "serial_syn":
        return CommandTrigger(uart, _SYN_ON, _SYN_OFF, b"")
    if kind == "gm65":
        return CommandTrigger(uart, _GM65_ON, _GM65_OFF, _GM65_ANSWER)
    raise ValueError("trigger: expected gm65, none, pin or serial_syn, found %r" % kind)


class PinTrigger:
    """A line that lets it read while it has one level."""

    can_switch = True
    answer = b""

    def __init__(self, number, on_level):
        self._on_level = on_level
        self._pin = Pin(number, Pin.OUT, value=on_level)

    def set(self, on):
        self._pin.value(self._on_level if on else 1 - self._on_level)


class CommandTrigger:
    """Commands on the scanner's own UART; `answer` is what it says to each."""

    can_switch = True

    def __init__(self, uart, on, off, answer):
        self._uart = uart
        self._on = on
        self._off = off
        self.answer = answer

    def set(self, on):
        self._uart.write(self._on if on else self._off)
