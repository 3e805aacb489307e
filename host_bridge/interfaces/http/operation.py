"""What the router and the OpenAPI document know of one address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from host_bridge.interfaces.http import examples
from host_bridge.interfaces.http.context import HUB, hub_path
from host_bridge.state import Text

JSON = "application/json"

# Any request may meet these.
COMMON_PROBLEMS = (
    "malformed_request",
    "host_not_allowed",
    "origin_not_allowed",
    "request_timeout",
    "internal",
    "stopping",
    "too_many_connections",
    "service_timeout",
)
BODY_PROBLEMS = ("body_malformed", "body_too_large", "media_type_unsupported", "busy")
JSON_PROBLEMS = (*BODY_PROBLEMS, "body_invalid")
VIRTUAL_PROBLEMS = ("not_virtual", "virtual_hub_unavailable")
KEY_PROBLEMS = ("idempotency_key_invalid", "idempotency_mismatch")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    name: str
    place: str  # "path" or "query"
    schema: dict[str, Any]
    text: Text


@dataclass(frozen=True, kw_only=True)
class Media:
    """A body: of a Struct, or (`shape` None) of bytes."""

    content_type: str
    shape: Any = None
    text: Text | None = None
    example: object = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    text: Text
    media: Media | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Operation:
    method: str
    path: str
    operation_id: str
    tag: str
    summary: Text
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    answers: tuple[Answer, ...]
    description: Text | None = None
    parameters: tuple[Parameter, ...] = ()
    bodies: tuple[Media, ...] = ()
    body_required: bool = True
    acts: bool = False  # takes an Idempotency-Key
    problems: tuple[str, ...] = ()
    curl: tuple[str, ...] = ()  # {base} stands for http://host:port
    websocket: bool = False
    of_hub: bool = True  # also at /api/v1/hubs/{hub}/…, and only there if there are several hubs
    short: str | None = None  # where the same is to be had of a bridge with one hub

    def named(self) -> Operation:
        """The same with the hub in the address."""
        return replace(
            self,
            path=hub_path(self.path),
            operation_id=f"hub_{self.operation_id}",
            short=self.path,
            parameters=(_HUB, *self.parameters),
            curl=tuple(
                line.replace(f"base}}{self.path.partition('{')[0]}", f"base}}{_example_path(self.path)}")
                for line in self.curl
            ),
        )

    @property
    def route(self) -> str:
        """The path with each parameter's pattern, as the router wants it."""
        path = self.path
        for parameter in self.parameters:
            if parameter.place == "path" and "pattern" in parameter.schema:
                pattern = parameter.schema["pattern"].strip("^$")
                path = path.replace(f"{{{parameter.name}}}", f"{{{parameter.name}:{pattern}}}")
        return path

    @property
    def all_problems(self) -> tuple[str, ...]:
        hub = ("hub_stopped", "journal_failed", "hub_not_named" if self.short is None else "hub_unknown")
        found = (*self.problems, *(hub if self.of_hub else ()), *(KEY_PROBLEMS if self.acts else ()), *COMMON_PROBLEMS)
        return tuple(dict.fromkeys(found))


_HUB = Parameter(
    name=HUB,
    place="path",
    schema={"type": "string", "examples": [examples.HUBS.hubs[0].name]},
    text=Text("the hub's name in the configuration, or its id", "配置中的集线盒名称，或其 ID"),
)


def _example_path(path: str) -> str:
    return hub_path(path.partition("{")[0]).replace(f"{{{HUB}}}", examples.HUBS.hubs[0].name)
