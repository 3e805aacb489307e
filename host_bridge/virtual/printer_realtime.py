"""The commands that a printer obeys the moment their bytes arrive, wherever they stand: DLE EOT, DLE ENQ, DLE DC4."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# fn 1: kick; 2: power off; 7: ASB; 8: clear buffers, with the five bytes that guard against doing it by chance
_COMMAND: Final = re.compile(
    rb"\x10(?:(\x04[\x01-\x04])|(\x05[\x00-\x02])|(\x14\x01..|\x14\x07.|\x14\x08\x01\x03\x14\x01\x06\x02\x08))",
    re.DOTALL,
)
_BEGUN: Final = re.compile(
    rb"\x10(?:\Z|\x04\Z|\x05\Z|\x14(?:\Z|\x01(?:\Z|.\Z)|\x07\Z"
    rb"|\x08(?:\Z|\x01(?:\Z|\x03(?:\Z|\x14(?:\Z|\x01(?:\Z|\x06(?:\Z|\x02\Z))))))))",
    re.DOTALL,
)
_NAMES: Final = {0x04: "DLE EOT", 0x05: "DLE ENQ", 0x14: "DLE DC4"}


class RealTime(NamedTuple):
    name: str
    data: bytes


class RealTimeScanner:
    """Finds them in a stream that comes in any portions."""

    def __init__(self) -> None:
        self._begun = b""  # at most nine bytes of a command under way

    def feed(self, data: bytes) -> list[RealTime]:
        data = self._begun + data
        found = []
        end = 0
        for match in _COMMAND.finditer(data):
            found.append(RealTime(_NAMES[match.group()[1]], match.group()))
            end = match.end()
        begun = _BEGUN.search(data, max(end, len(data) - 9))
        self._begun = begun.group() if begun else b""
        return found
