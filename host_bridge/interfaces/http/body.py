"""Reading requests: bodies with a limit and a deadline, JSON into Structs, query numbers, idempotency keys."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web

from host_bridge.interfaces.http.limits import HttpLimits
from host_bridge.interfaces.http.problem import Problem

T = TypeVar("T")

KEY_HEADER = "Idempotency-Key"
KEY_CHARACTERS = 255
MAX_INTEGER = 2**63 - 1  # SQLite's largest
_TAKEN: web.RequestKey[int] = web.RequestKey("body_bytes", int)


class BodyBudget:
    """Memory that all request bodies under way may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    def take(self, size_bytes: int) -> bool:
        if self.used_bytes + size_bytes > self.limit_bytes:
            return False
        self.used_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        self.used_bytes -= size_bytes


class BodyReader:
    """Reads request bodies within the limits."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self.budget = BodyBudget(limits.bodies_under_way_bytes)

    async def read(self, request: web.Request, limit_bytes: int) -> bytes:
        """Return the whole body; raise Problem if it is too large, too slow, cut off or compressed."""
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise Problem(
                "media_type_unsupported", f"Expected a body that is not compressed, got Content-Encoding: {encoding}."
            )
        if request.content_length is not None and request.content_length > limit_bytes:
            raise _too_large(limit_bytes)
        deadline_s = self._limits.body_deadline_ms / 1000
        try:
            async with asyncio.timeout(deadline_s):
                return await self._read(request, limit_bytes)
        except TimeoutError:
            raise Problem(
                "request_timeout", f"The body was not complete {deadline_s:g} s after the header.", close=True
            ) from None
        except web.RequestPayloadError as error:
            raise Problem("body_malformed", f"The body's encoding is broken: {error}", close=True) from error

    async def read_json(self, request: web.Request, shape: type[T], *, default: T | None = None) -> T:
        """Decode a JSON body; `default` stands for an empty one. Raises Problem."""
        body = await self.read(request, self._limits.json_body_bytes)
        if not body.strip() and default is not None:
            return default
        # A browser sends other content types across sites without asking first.
        if request.content_type != "application/json":
            raise Problem(
                "media_type_unsupported",
                f"Expected Content-Type: application/json, got {request.content_type}.",
                accepted=["application/json"],
            )
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.ValidationError as error:
            raise Problem("body_invalid", f"{error}.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem("body_malformed", f"Expected JSON: {error}.") from error

    def release(self, request: web.Request) -> None:
        """The request is answered: its body no longer counts."""
        self.budget.give_back(request.get(_TAKEN, 0))

    async def _read(self, request: web.Request, limit_bytes: int) -> bytes:
        size_bytes = 0
        chunks: list[bytes] = []
        while chunk := await request.content.readany():
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise _too_large(limit_bytes)
            if not self.budget.take(len(chunk)):
                raise Problem("busy", "Too many large requests arrive at once. Send this one again.", close=True)
            request[_TAKEN] = size_bytes
            chunks.append(chunk)
        return b"".join(chunks)


def idempotency_key(request: web.Request) -> str | None:
    """Return the key, or None without one; raise Problem for one that can't be compared safely."""
    values = request.headers.getall(KEY_HEADER, [])
    if not values:
        return None
    key = values[0].strip()
    if len(values) > 1 or not 1 <= len(key) <= KEY_CHARACTERS or not all("!" <= character <= "~" for character in key):
        raise Problem(
            "idempotency_key_invalid",
            f"Expected one {KEY_HEADER} of 1 to {KEY_CHARACTERS} visible ASCII characters, for example a UUID.",
        )
    return key


def query_integer(request: web.Request, name: str, *, default: int, least: int, most: int) -> int:
    """Return an integer query parameter; raise Problem if it is no integer or out of range."""
    values = request.query.getall(name, [])
    if not values:
        return default
    text = values[0]
    if len(values) == 1 and text.isascii() and text.isdigit() and len(text) <= len(str(MAX_INTEGER)):
        value = int(text)
        if least <= value <= most:
            return value
    raise Problem("query_invalid", f"{name}: expected an integer from {least} to {most}, got {text[:50]!r}.")


def _too_large(limit_bytes: int) -> Problem:
    return Problem("body_too_large", f"The body may have {limit_bytes} bytes at most.", close=True)
