"""The C library's memory: one arena for all threads, and what the start needed given back.

glibc gives every thread that allocates an arena of its own, and hardly ever takes one back. A bridge has a thread for
each hub's journal and one for each port that is being opened: measured, a further hub costs 3.4 MB with them and 0.8 MB
with one arena. What they would be good for, many threads that allocate at the same time, the interpreter's lock hardly
allows anyway.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

ARENAS = 1
_M_ARENA_MAX = -8  # malloc.h of glibc


def share_arena() -> bool:
    """Before the first thread starts. Whether it took effect: not with another C library."""
    mallopt = _function("mallopt")
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, ARENAS))


def give_back() -> None:
    """Once everything is started: the system gets what was needed for that only."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
