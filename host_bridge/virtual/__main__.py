"""The counter process: `python -m host_bridge.virtual`, started by control.py, which writes a Start to its stdin."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from host_bridge.virtual.server import CountingSelector, Server, Start

LOG_LIMIT_BYTES: Final = 512 * 1024


def new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()  # the proactor: pipes to a process need it
    return asyncio.SelectorEventLoop(CountingSelector())


def log_to(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_LIMIT_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def say_ready() -> None:
    """One line for whoever started this; nobody may be left to read it, and nobody reads more."""
    try:
        os.write(1, b"ready\n")
    except OSError:
        logging.getLogger(__name__).warning("whoever started the counter is gone already")


async def serve(start: Start, ready: Callable[[], None]) -> None:
    await Server(start).run(ready)


def main() -> None:
    start = msgspec.json.decode(sys.stdin.buffer.read(), type=Start)
    log_to(Path(start.directory) / "counter.log")
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve(start, say_ready))
    except Exception:
        logging.getLogger(__name__).exception("the virtual counter failed")
        raise


if __name__ == "__main__":
    main()
