"""The messages as both sides pack and unpack them, by the dictionary (dictionary.py), and the numbers in them."""

import struct

from hublink import dictionary

# Channels, in the order of their priority on the link.
CONTROL, DRAWER, SCANNER, INDICATOR, PRINTER, UPDATE = range(6)

SCAN_HAS_SYMBOLOGY, SCAN_REPEAT, SCAN_CONTINUES = 1, 2, 4
PHASE_NONE, PHASE_RECEIVING, PHASE_ENDED, PHASE_WRITTEN, PHASE_PROVEN, PHASE_ABORTED = range(6)

NO_JOB = b"\0" * 8

# What `errors` tells, in its order; a link counts them with "error_" before: a name so long costs a hub 32 bytes each.
ERRORS = ("length", "checksum", "version", "echo", "session", "hello", "ack", "credit", "message")


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
for _code, _name, _layout, _fields in dictionary.DICTIONARY:
    BY_NAME[_name] = BY_CODE[_code] = Message(_code, _name, _layout)
DICTIONARY_HASH = dictionary.hash_of(dictionary.DICTIONARY)
dictionary = None  # type: ignore[assignment] # a hub lets go of it
