"""How a printer proves that a job is on paper: its process id response, or GS r, or not at all."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from host_bridge.devices.link import DeviceLink

_TRY_TOKEN = b"counter?"
_ANSWER_MS = 1000  # a printer with nothing to print answers within a few milliseconds


class Proof(msgspec.Struct, frozen=True):
    """One way to ask: the enquiry, with `{id}` where the job's id stands."""

    prefix: bytes
    with_id: bool = False

    @property
    def wanted(self) -> bool:
        """False: there is no proof to be had; the printer's jobs end unconfirmed."""
        return bool(self.prefix)

    def request(self, token: bytes) -> bytes:
        """The bytes that ask the printer, sent behind the job's last."""
        return self.prefix + (_process_id(token) if self.with_id else b"")


# GS ( H function 48: the printer repeats an id once what came before it is printed.
PROCESS_ID = Proof(b"\x1d\x28\x48\x06\x00\x30\x30", with_id=True)
# GS r 1: answered in the order of the print stream, so once what came before it is printed.
PAPER_SENSOR = Proof(b"\x1d\x72\x01")
NO_PROOF = Proof(b"")


def proves(token: bytes, reply: bytes) -> bool:
    """Whether the printer's reply says that this job is on paper, whichever way it was asked."""
    return reply == b"\x37\x22" + _process_id(token) + b"\0" or len(reply) == 1


def _process_id(token: bytes) -> bytes:
    """Four printable characters, as the manual wants them (GS ( H: 32 <= d <= 126)."""
    return token.hex()[-4:].encode()


class ProofFinder:
    """Which proof this printer gives: configured, or tried out once in each life of the printer."""

    def __init__(self, confirm: str, link: DeviceLink) -> None:
        self._link = link
        known = {"process_id": PROCESS_ID, "gs_r": PAPER_SENSOR, "none": NO_PROOF}
        self._configured = known.get(confirm)
        self._found: Proof | None = None
        self._reply: asyncio.Future[bytes] | None = None

    def forget(self) -> None:
        """The printer may be another one now."""
        self._found = None

    async def find(self) -> Proof | None:
        """The proof to use; None if the link went down meanwhile."""
        if self._configured or self._found:
            return self._configured or self._found
        reply = await self._ask(PROCESS_ID.request(_TRY_TOKEN))
        if reply is not None and len(reply) > 1 and proves(_TRY_TOKEN, reply):
            self._found = PROCESS_ID
            return self._found
        reply = await self._ask(PAPER_SENSOR.request(_TRY_TOKEN))
        if not self._link.is_up:
            return None
        if reply is not None and len(reply) == 1:
            self._found = PAPER_SENSOR
            return self._found
        return NO_PROOF  # not remembered: asked again for the next job

    def on_reply(self, reply: bytes) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_result(reply)

    async def _ask(self, query: bytes) -> bytes | None:
        """What the printer answers; None if nothing."""
        self._reply = asyncio.get_running_loop().create_future()
        try:
            if not self._link.send("printer_query", query):
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_MS / 1000):
                    return await self._reply
            return None
        finally:
            self._reply = None
