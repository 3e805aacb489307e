"""A client of the bridge's HTTP API. Every request has a deadline; every failure is a CommandError with a remedy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

import host_bridge
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words
from host_bridge.devices.gs1 import Gs1
from host_bridge.hub.plugged import PluggedPort
from host_bridge.interfaces.services import Duplicate
from host_bridge.journal.records import Job, Kick
from host_bridge.plain_text import plain
from host_bridge.state import FaultState, ScannerState, State

DEADLINE_S = 10.0
UPLOAD_DEADLINE_S = 60.0  # 16 MiB, composed and journaled on a slow till
ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
MESSAGE_LIMIT_BYTES = 1024 * 1024
HEARTBEAT_S = 15.0
API = "/api/v1"
REPLAYED_HEADER = "Idempotency-Replayed"

T = TypeVar("T")


class Refusal(CommandError):
    """The bridge answered with a problem document."""

    def __init__(
        self, words: Words, status: int, code: str, detail: str, kick: Kick | None = None, hubs: list[str] | None = None
    ) -> None:
        remedy = words(f"{code}.remedy", names=", ".join(hubs)) if hubs else None
        message = words(code) if hubs else words("refused", detail=f"{detail} [{code}]")
        super().__init__(ExitCode.REFUSED, message, remedy)
        self.hubs = hubs or []
        self.kick = kick
        self.status = status
        self.code = code
        self.detail = detail


class Unreachable(CommandError):
    """No bridge answered, or it went away while it did."""


class _ProblemDocument(msgspec.Struct):
    detail: str = ""
    title: str = ""
    title_zh: str = ""
    code: str = ""
    kick: Kick | None = None
    hubs: list[str] | None = None


class Accepted(msgspec.Struct, kw_only=True):
    job_id: str
    state: str = "queued"
    warning: str | None = None
    duplicate: Duplicate | None = None
    replayed: bool = False


class HubRow(msgspec.Struct, kw_only=True):
    """One of the hubs that the bridge serves."""

    name: str
    id: str | None = None
    status: str = "unknown"
    worst_fault: FaultState | None = None


class HubList(msgspec.Struct):
    hubs: list[HubRow]


class PortList(msgspec.Struct):
    ports: list[PluggedPort]


class ScanRow(msgspec.Struct, kw_only=True):
    """A scan as the API lists it, or as an event tells it."""

    sequence: int
    data: str
    data_hex: str = ""
    symbology: str | None = None
    check_digit_ok: bool | None = None
    repeat: bool = False
    read_at: str = ""
    gs1: Gs1 | None = None
    state: str = "waiting"


class _ScanPage(msgspec.Struct):
    scans: list[ScanRow]


def parse_url(url: str, words: Words) -> str:
    """Return the bridge's base address; `127.0.0.1:9180` will do too. Raises CommandError."""
    text = url.strip()
    if text and "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        _ = parts.port  # raises ValueError if it isn't a number up to 65535
    except ValueError:
        sound = False
    if not sound:
        raise CommandError(ExitCode.USAGE, words("url.invalid", url=url))
    return text.rstrip("/")


class Client:
    """Talks to one bridge, and of several hubs to the one named. Use it in `async with`."""

    def __init__(self, url: str, words: Words, *, hub: str | None = None, deadline_s: float | None = None) -> None:
        self.url = parse_url(url, words)
        self.hub = hub
        self._words = words
        self._deadline_s = DEADLINE_S if deadline_s is None else deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No proxy from the environment: the bridge is on this machine or in this shop.
        self._session = aiohttp.ClientSession(
            trust_env=False, headers={"User-Agent": f"counterhub/{host_bridge.__version__}"}
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def hubs(self) -> list[HubRow]:
        """Return the hubs that the bridge serves."""
        return (await self._get(f"{API}/hubs", HubList)).hubs

    async def ports(self) -> list[PluggedPort]:
        """Return the serial ports of the bridge's machine."""
        return (await self._get(f"{API}/ports", PortList)).ports

    async def state(self) -> tuple[State, dict[str, Any]]:
        """Return the state, and the same as it was sent, with what a newer bridge may have added."""
        body, _ = await self._request("GET", self._at("state"))
        return self._decode(body, State), self._decode(body, dict[str, Any])

    async def print(self, data: bytes, content_type: str, idempotency_key: str) -> Accepted:
        """Hand over a job. A lost answer is asked for once more, under the same key: it can't print twice."""
        headers = {"Content-Type": content_type, "Idempotency-Key": idempotency_key}
        try:
            body, answer = await self._request("POST", self._at("print"), data, headers, UPLOAD_DEADLINE_S)
        except Unreachable as error:
            if isinstance(error.__cause__, aiohttp.ClientConnectorError):
                raise
            body, answer = await self._request("POST", self._at("print"), data, headers, UPLOAD_DEADLINE_S)
        accepted = self._decode(body, Accepted)
        accepted.replayed = answer.get(REPLAYED_HEADER) == "true"
        return accepted

    async def job(self, job_id: str) -> Job:
        return await self._get(self._at(f"jobs/{job_id}"), Job)

    async def open_drawer(self, drawer: int, time_to_live_ms: int, idempotency_key: str) -> Kick:
        """Ask for a kick once and never again: a drawer must not open late. A kick that failed is a Refusal with it."""
        body = msgspec.json.encode({"drawer": drawer, "time_to_live_ms": time_to_live_ms})
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        deadline_s = self._deadline_s + time_to_live_ms / 1000
        answer, _ = await self._request("POST", self._at("drawer/open"), body, headers, deadline_s)
        return self._decode(answer, Kick)

    async def switch_scanner(self, enabled: bool, for_ms: int | None) -> ScannerState:
        """Let the scanner read, or keep it from reading for a time; returns how it is then."""
        body = msgspec.json.encode({"enabled": enabled} | ({} if for_ms is None else {"for_ms": for_ms}))
        answer, _ = await self._request("POST", self._at("scanner"), body, {"Content-Type": "application/json"})
        return self._decode(answer, ScannerState)

    async def scans(self, after: int, limit: int) -> list[ScanRow]:
        """Return scans with a higher sequence than `after`, oldest first."""
        return (await self._get(self._at(f"scans?after={after}&limit={limit}"), _ScanPage)).scans

    async def newest_scans(self, count: int) -> list[ScanRow]:
        """Return the newest scans, oldest first."""
        return (await self._get(self._at(f"scans?newest={count}"), _ScanPage)).scans

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Watch as an observer, who takes no scan away from a till. Ends with Unreachable when the connection does."""
        session = self._live_session()
        try:
            async with asyncio.timeout(self._deadline_s):
                socket_ = await session.ws_connect(
                    self.url + self._at("events?observe=1"), heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_LIMIT_BYTES
                )
        except aiohttp.WSServerHandshakeError as error:
            raise Refusal(self._words, error.status, "handshake", f"{error.status} {error.message}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error, self._deadline_s) from error
        async with socket_:
            async for message in socket_:
                if message.type == aiohttp.WSMsgType.TEXT:
                    event = self._decode(message.data.encode(), dict[str, Any])
                    yield event
        raise self._unreachable(socket_.exception(), self._deadline_s)

    def scan_of(self, event: dict[str, Any]) -> ScanRow:
        """Return the scan that an event tells of."""
        try:
            return msgspec.convert(event, ScanRow)
        except msgspec.ValidationError as error:
            raise self._strange(str(error)) from error

    def _at(self, resource: str) -> str:
        return f"{API}/{resource}" if self.hub is None else f"{API}/hubs/{quote(self.hub, safe='')}/{resource}"

    async def _get(self, path: str, shape: type[T]) -> T:
        body, _ = await self._request("GET", path)
        return self._decode(body, shape)

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of a 2xx answer; raise Refusal or Unreachable."""
        deadline_s = deadline_s or self._deadline_s
        timeout = aiohttp.ClientTimeout(total=deadline_s, connect=min(deadline_s, self._deadline_s))
        try:
            async with self._live_session().request(
                method, self.url + path, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                content = await self._read(answer)
                if 200 <= answer.status < 300:
                    return content, answer.headers
                raise self._refusal(answer.status, content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error, deadline_s) from error

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        chunks = bytearray()
        async for chunk in answer.content.iter_chunked(64 * 1024):
            chunks += chunk
            if len(chunks) > ANSWER_LIMIT_BYTES:
                raise self._strange(f"an answer of more than {ANSWER_LIMIT_BYTES} bytes")
        return bytes(chunks)

    def _decode(self, body: bytes, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._strange(str(error)) from error

    def _refusal(self, status: int, body: bytes) -> CommandError:
        try:
            problem = msgspec.json.decode(body, type=_ProblemDocument)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._strange(f"HTTP {status} without a problem document")
        detail = plain(problem.detail or problem.title) or f"HTTP {status}"
        if problem.title_zh and self._words.language == "zh":
            detail = f"{plain(problem.title_zh)}（{detail}）"
        return Refusal(self._words, status, problem.code or f"http_{status}", detail, problem.kick, problem.hubs)

    def _strange(self, why: str) -> CommandError:
        remedy = self._words("strange.remedy", version=host_bridge.__version__)
        return CommandError(ExitCode.UNREACHABLE, self._words("strange", url=self.url, why=why), remedy)

    def _unreachable(self, error: BaseException | None, deadline_s: float) -> Unreachable:
        if isinstance(error, TimeoutError):
            why = self._words("why.late", seconds=deadline_s)
        elif isinstance(error, (aiohttp.ClientConnectorDNSError, socket.gaierror)):
            why = self._words("why.name")
        elif isinstance(error, aiohttp.ClientConnectorError):
            refused = isinstance(error.os_error, ConnectionRefusedError)
            why = self._words("why.refused") if refused else error.os_error.strerror or str(error)
        else:
            why = self._words("why.lost")
        return Unreachable(
            ExitCode.UNREACHABLE, self._words("unreachable", url=self.url, why=why), self._words("unreachable.remedy")
        )

    def _live_session(self) -> aiohttp.ClientSession:
        assert self._session is not None, "use the client in `async with`"
        return self._session
