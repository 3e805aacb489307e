"""The simulated serial barcode scanner."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from host_bridge.interfaces.services import Refused

DATA_LIMIT_BYTES: Final = 7089  # the most digits a QR code holds
BUFFER_LIMIT_BYTES: Final = 32 * 1024  # scans waiting for a slow line
AIM_IDENTIFIER: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]\Z")
AIM_BY_NAME: Final = {
    "EAN13": "]E0",
    "UPCA": "]E0",
    "UPCE": "]E0",
    "EAN8": "]E4",
    "CODE128": "]C0",
    "GS1128": "]C1",
    "CODE39": "]A0",
    "CODE93": "]G0",
    "ITF": "]I0",
    "CODABAR": "]F0",
    "QR": "]Q1",
    "QRCODE": "]Q1",
    "GS1QR": "]Q3",
    "DATAMATRIX": "]d1",
    "GS1DATAMATRIX": "]d2",
    "DATABAR": "]e0",
    "PDF417": "]L0",
}
# Honeywell and Datalogic serial trigger: SYN T CR on, SYN U CR off.
TRIGGER_ON: Final = b"\x16T\r"
TRIGGER_OFF: Final = b"\x16U\r"


class VirtualScanner:
    """`send` puts bytes on the line, `waiting` says how many are on their way; `sense` is the plug's contact."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        waiting: Callable[[], int],
        sense: Callable[[bool], None],
        *,
        suffix: bytes = b"\r",
        aim_prefix: bool = True,
        banner: bytes = b"",
    ) -> None:
        self.plugged = True
        self.trigger_enabled = True
        self.scans = 0
        self._send = send
        self._waiting = waiting
        self._sense = sense
        self._suffix = suffix
        self._aim_prefix = aim_prefix
        self._banner = banner
        self._command = b""

    def scan(self, data: str, symbology: str | None) -> None:
        """Raises Refused: `scan_invalid`, `scanner_unplugged`, `scanner_held_off` or `scanner_busy`."""
        code = data.encode("utf-8", "replace")
        if not 0 < len(code) <= DATA_LIMIT_BYTES:
            raise Refused("scan_invalid", f"a barcode holds 1 to {DATA_LIMIT_BYTES} bytes, this one {len(code)}")
        prefix = aim_identifier(symbology)
        if not self.plugged:
            raise Refused("scanner_unplugged", "the virtual scanner is unplugged: clear the fault scanner_unplugged")
        if not self.trigger_enabled:
            raise Refused(
                "scanner_held_off",
                "the hub keeps the scanner from reading: a till switched it off, or its memory is nearly full",
            )
        message = (prefix if self._aim_prefix else b"") + code + self._suffix
        if self._waiting() + len(message) > BUFFER_LIMIT_BYTES:
            raise Refused("scanner_busy", "too many scans at once for the serial line: wait a moment")
        self.scans += 1
        self._send(message)

    def set_plugged(self, plugged: bool) -> None:
        if plugged == self.plugged:
            return
        self.plugged = plugged
        self.trigger_enabled = True  # a scanner that lost its power has forgotten the command
        self._command = b""
        self._sense(plugged)
        if plugged and self._banner:
            self._send(self._banner)

    def receive(self, data: bytes) -> None:
        """Commands from the hub; anything but the trigger commands is ignored."""
        if not self.plugged:
            return
        self._command += data
        while True:
            found = [(self._command.find(word), word) for word in (TRIGGER_ON, TRIGGER_OFF) if word in self._command]
            if not found:
                break
            at, word = min(found)
            self.trigger_enabled = word == TRIGGER_ON
            self._command = self._command[at + len(word) :]
        self._command = self._command[-(len(TRIGGER_ON) - 1) :]


def aim_identifier(symbology: str | None) -> bytes:
    """`]E0` or a name like `EAN-13` as the bytes a scanner sends first. Raises Refused(`scan_invalid`)."""
    if symbology is None or symbology == "":
        return b""
    if AIM_IDENTIFIER.match(symbology):
        return symbology.encode()
    name = re.sub(r"[^A-Z0-9]", "", symbology.upper())
    if name in AIM_BY_NAME:
        return AIM_BY_NAME[name].encode()
    raise Refused(
        "scan_invalid", f"symbology {symbology[:40]!r}: expected an AIM identifier like ]E0, or a name like EAN-13"
    )
