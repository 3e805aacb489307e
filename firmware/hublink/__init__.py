"""The wire between hub and bridge: one protocol, one copy, two interpreters.

Pure computation after h11 and aioquic: bytes and time go in; bytes, events and the next timer come out.
No clock, no I/O, no asyncio, and nothing that MicroPython 1.24 does not have. See docs/protocol.md.
"""


def const(value):
    """The value. MicroPython's compiler knows this name: it puts the number where the constant's name is read."""
    return value
