"""The WebSocket: everything that happens, and scans with acknowledgement.

A connection subscribes to the bus first and reads the waiting scans afterwards, so that no scan falls between the two.
A scan that shows up in both is sent once: sequence numbers only grow in the journal's order, so whatever is on the bus
at or below the highest waiting number was either sent already or settled by another till.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from typing import NoReturn

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from host_bridge.events import Event, Overflow, ScanEvent, Subscription
from host_bridge.interfaces.http.context import CONTEXT, Context, HubContext, asked_hub
from host_bridge.interfaces.http.problem import Problem
from host_bridge.interfaces.http.shapes import Ack, AckAnswer, ErrorMessage, StateMessage

log = logging.getLogger(__name__)

PATH = "/api/v1/events"
CLOSE_DEADLINE_S = 1.0  # for the client's answer to a close frame
FRESH_S = 1.0  # an older scan may have expired while this client was slow: ask the journal before offering it
CLOSE_REASON_BYTES = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, two of them the code
SHOWN_CHARACTERS = 100

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Ack)

Outgoing = Event | StateMessage | AckAnswer | ErrorMessage


class _Finished(Exception):
    """This connection is over: close it with this code and these words."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def events(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    asked = asked_hub(request)
    observe = request.query.get("observe", "0")
    if observe not in ("0", "1"):
        raise Problem("query_invalid", f"observe: expected 0 or 1, got {observe[:50]!r}.")
    limits = context.limits
    socket = web.WebSocketResponse(
        timeout=CLOSE_DEADLINE_S,
        heartbeat=limits.heartbeat_ms / 1000,
        compress=False,
        max_msg_size=limits.client_message_bytes,
    )
    if not _is_upgrade(socket, request):
        raise Problem(
            "upgrade_required",
            f"{request.path} is a WebSocket: connect to ws://{request.host}{request.path}.",
            headers={"Upgrade": "websocket"},
        )
    if context.stopping:
        raise Problem("stopping", "The bridge is stopping.")
    if len(context.streams) >= limits.websockets:
        raise Problem("too_many_websockets", f"{limits.websockets} WebSockets are open. Close one, then try again.")
    stream = EventStream(context, asked, socket, observe=observe == "1")
    context.streams.add(stream)
    try:
        await socket.prepare(request)
        await stream.run()
    finally:
        context.streams.discard(stream)
    return socket


def _is_upgrade(socket: web.WebSocketResponse, request: web.Request) -> bool:
    try:
        return bool(socket.can_prepare(request))
    except ValueError:  # aiohttp's decoder of the key on one with other characters than ASCII
        return False


class EventStream:
    """One client's WebSocket, from its first message to its close."""

    def __init__(self, context: Context, asked: HubContext, socket: web.WebSocketResponse, *, observe: bool) -> None:
        self._context = context
        self._asked = asked
        self._hub = asked.hub
        self._socket = socket
        self._observe = observe
        self._bad_messages = 0

    async def run(self) -> None:
        subscription = self._hub.events.subscribe()
        reader = asyncio.ensure_future(self._read())
        writer = asyncio.ensure_future(self._write(subscription))
        try:
            done, _ = await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            await self._close(done.pop().exception())
        finally:
            subscription.close()
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def stop(self) -> None:
        """The bridge stops."""
        await self._close(_Finished(WSCloseCode.GOING_AWAY, "the bridge is stopping; connect again"))

    async def _write(self, subscription: Subscription) -> NoReturn:
        """State, waiting scans, then what happens."""
        await self._send(StateMessage(state=self._hub.state()))
        newest = 0
        for scan in await self._hub.scans.waiting():
            redelivered = scan.sequence in self._asked.offered
            await self._offer(ScanEvent.of(scan, redelivered=redelivered))
            newest = scan.sequence
        try:
            async for event in subscription:
                if not isinstance(event, ScanEvent):
                    await self._send(event)
                elif event.sequence > newest and await self._still_wanted(event):
                    await self._offer(event)
        except Overflow as error:
            raise _Finished(WSCloseCode.TRY_AGAIN_LATER, f"too slow: {error}; connect again") from error
        raise AssertionError("a subscription ends with Overflow only")

    async def _read(self) -> None:
        """Take the client's messages until it closes."""
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is WSMsgType.BINARY:
                await self._refuse("message_malformed", "Expected a text message with JSON, got a binary one.")

    async def _take(self, text: str) -> None:
        try:
            ack = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            shown = text[:SHOWN_CHARACTERS]
            await self._refuse("message_malformed", f'Expected {{"type":"ack","sequence":N}}, got {shown!r}: {error}.')
            return
        if self._observe:
            await self._refuse("observer", "This connection only watches (?observe=1) and can't acknowledge scans.")
            return
        accepted = await self._hub.scans.acknowledge(ack.sequence)
        await self._send(AckAnswer(sequence=ack.sequence, accepted=accepted))

    async def _refuse(self, code: str, detail: str) -> None:
        self._bad_messages += 1
        limit = self._context.limits.bad_messages
        if self._bad_messages > limit:
            raise _Finished(WSCloseCode.POLICY_VIOLATION, f"more than {limit} messages could not be used")
        await self._send(msgspec.convert({"type": "error", "code": code, "detail": detail}, ErrorMessage))

    async def _still_wanted(self, event: ScanEvent) -> bool:
        read_at = datetime.fromisoformat(event.read_at).timestamp()
        if self._context.clock() - read_at < FRESH_S:
            return True
        return any(scan.sequence == event.sequence for scan in await self._hub.scans.waiting())

    async def _offer(self, event: ScanEvent) -> None:
        if not self._observe:
            self._asked.offered.add(event.sequence)
        await self._send(event)

    async def _send(self, message: Outgoing) -> None:
        deadline_s = self._context.limits.send_deadline_ms / 1000
        try:
            async with asyncio.timeout(deadline_s):
                await self._socket.send_str(_encoder.encode(message).decode())
        except TimeoutError:
            raise _Finished(WSCloseCode.TRY_AGAIN_LATER, f"nothing was read for {deadline_s:g} s") from None

    async def _close(self, error: BaseException | None) -> None:
        """Close in the way that fits how it ended."""
        if error is None or isinstance(error, ConnectionError):  # the client went
            finished = _Finished(WSCloseCode.OK, "")
        elif isinstance(error, _Finished):
            finished = error
            log.info("WebSocket closed: %s", finished.reason)
        else:
            log.error("WebSocket failed", exc_info=error)
            finished = _Finished(WSCloseCode.INTERNAL_ERROR, "the bridge met an error of its own; see its log")
        reason = finished.reason.encode()[:CLOSE_REASON_BYTES]
        # A client that doesn't read can't be told; the close frame stays behind what it left unread, and the
        # connection's own limit for stalled writes cuts it off.
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._socket.close(code=finished.code, message=reason)
