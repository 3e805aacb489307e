"""A process that ends with the one that started it, however that one ended: its standard input reaches its end."""

from __future__ import annotations

import os
import runpy
import sys
import threading

ABANDONED = 1


def to_parent() -> None:
    """From now on. What stood on standard input has been read."""
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    while os.read(0, 1):
        pass
    os._exit(ABANDONED)


def main() -> None:
    """`python -m tests.emulator.tied MODULE ARGUMENTS…`"""
    to_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
