"""Whether a missing port is back: cheap polling, and only while nobody has it open.

A file-system watch would be quicker by some milliseconds, at the price of a thread, a native dependency and
another way for every platform. One ``stat`` each 25 ms, while the link is down, costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import Protocol

from host_bridge.hub import ports
from host_bridge.hub.worker import in_thread

log = logging.getLogger(__name__)

POLL_MS = 25
LIST_POLL_MS = 1000  # where there is no file to look at: Windows, and "auto" outside of Linux
LIST_DEADLINE_MS = 5000
_DEVICES = "/dev"  # devtmpfs notes each new device in the directory's time

Fingerprint = tuple[object, ...]


class Watcher(Protocol):
    """Tells when it is worth trying a port again before the back-off is over."""

    def mark(self) -> None:
        """Remember how things are now, before trying."""

    async def changed(self) -> None:
        """Return when the port is there and is another, or may be used by others, than at the mark."""


class PortWatcher:
    """Watches one port as the configuration names it: "auto", a path, a name, or a URL (which can't be watched)."""

    def __init__(
        self,
        port: str,
        *,
        poll_ms: int = POLL_MS,
        list_poll_ms: int = LIST_POLL_MS,
        stat: Callable[[str], os.stat_result] = os.stat,
        comports: ports.ComPorts = ports.system_comports,
        platform: str = sys.platform,
    ) -> None:
        self._port = port
        self._poll_ms = poll_ms
        self._list_poll_ms = list_poll_ms
        self._stat = stat
        self._comports = comports
        automatic = port == ports.AUTO
        self._lists = not ports.is_url(port) and (platform == "win32" or (automatic and platform != "linux"))
        self._path = _DEVICES if automatic else port
        self._mark: Fingerprint | None = None

    def mark(self) -> None:
        """Remember how things are now, before trying."""
        if not self._lists:
            self._mark = self._fingerprint()

    async def changed(self) -> None:
        """Return when the port is there and is another, or may be used by others, than at the mark."""
        if ports.is_url(self._port):
            await asyncio.get_running_loop().create_future()  # never; the back-off ends it
        if self._lists:
            await self._listed()
            return
        while True:
            await asyncio.sleep(self._poll_ms / 1000)  # first: each attempt may itself change the port
            now = self._fingerprint()
            if now is not None and now != self._mark:
                return
            self._mark = now

    def _fingerprint(self) -> Fingerprint | None:
        try:
            seen = self._stat(self._path)
        except OSError:  # not there, or the link to it leads nowhere
            return None
        if self._path == _DEVICES:
            return (seen.st_mtime_ns,)
        # Who may use it counts too: udev sets group and mode some moments after the device has appeared.
        return (seen.st_dev, seen.st_ino, seen.st_rdev, seen.st_mode, seen.st_uid, seen.st_gid, seen.st_ctime_ns)

    async def _listed(self) -> None:
        before = await self._list()
        while True:
            await asyncio.sleep(self._list_poll_ms / 1000)
            now = await self._list()
            if now - before:
                return
            before = now

    async def _list(self) -> frozenset[str]:
        try:
            names = await in_thread(self._listing, LIST_DEADLINE_MS, "list ports", "")
        except (TimeoutError, OSError) as error:
            log.debug("listing the ports failed: %s", error)
            return frozenset()
        return names

    def _listing(self) -> frozenset[str]:
        automatic = self._port == ports.AUTO
        return frozenset(each.device for each in self._comports() if automatic or each.device == self._port)
