"""Who may ask: judges `Host`, `Origin` and `Sec-Fetch-Site` of each request, before anything else looks at it.

A till's browser can be made to send requests to 127.0.0.1 by any web page it shows. Three things stop such a page:
`Host` must name this machine, so a page can't reach the bridge under a name of its own (DNS rebinding); `Origin` must
be the bridge's own page or a configured one; and what a browser itself marks as cross-site is refused even where it
sends no `Origin`. Programs that are no browser send none of these headers and pass.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from host_bridge.interfaces.http.problem import Problem

HOST_KEY = "http.allowed_hosts"
ORIGIN_KEY = "http.allowed_origins"

PREFLIGHT_MAX_AGE_S = 600
ALLOWED_METHODS = "GET, POST, OPTIONS"
ALLOWED_HEADERS = "Content-Type, Idempotency-Key"
EXPOSED_HEADERS = "Location, Idempotency-Replayed, Retry-After, ETag"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
SHOWN_CHARACTERS = 200  # of a refused header, in the answer

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_WILDCARDS = ("", "*", "0.0.0.0", "::")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CORS_ORIGIN: web.RequestKey[str] = web.RequestKey("cors_origin", str)

PAGES = ("/", "/api")  # a link on another page may lead a person here; nothing else may be opened across sites


class Host(NamedTuple):
    name: str  # lower case, no brackets, no trailing dot
    port: int | None


class Origin(NamedTuple):
    scheme: str
    name: str
    port: int | None


def parse_host(text: str) -> Host | None:
    """Take `name[:port]` apart; None if it isn't that."""
    match = _HOST.fullmatch(text.strip().lower())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 0xFFFF:
        return None
    name = match["name"].strip("[]").removesuffix(".")
    return Host(name, port) if name else None


def parse_origin(text: str) -> Origin | None:
    """Take `scheme://name[:port]` apart; None for `null`, a path, or anything else."""
    scheme, separator, rest = text.strip().lower().partition("://")
    if not separator or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) or urlsplit(f"{scheme}://{rest}").netloc != rest:
        return None
    host = parse_host(rest)
    if host is None:
        return None
    return Origin(scheme, host.name, host.port if host.port is not None else _DEFAULT_PORTS.get(scheme))


class Access:
    """The judge. `allowed_hosts` are names with or without a port; `allowed_origins` are `scheme://name[:port]`.

    Raises ValueError for an entry that could never match, or that would allow every page.
    """

    def __init__(
        self, *, listen_host: str, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = ()
    ) -> None:
        self._hosts: set[Host] = set()
        for entry in allowed_hosts:
            host = parse_host(entry)
            if host is None:
                raise ValueError(f"{HOST_KEY}: expected a name like till-1.lan or till-1.lan:9180, got {entry!r}")
            self._hosts.add(host)
        listening = parse_host(f"[{listen_host}]" if ":" in listen_host else listen_host)
        if listen_host not in _WILDCARDS and listening is not None:
            self._hosts.add(Host(listening.name, None))
        self._origins: set[Origin] = set()
        for entry in allowed_origins:
            origin = parse_origin(entry)
            if origin is None:
                raise ValueError(
                    f"{ORIGIN_KEY}: expected a page's origin like https://pos.example.com, got {entry!r} "
                    "(wildcards and 'null' would let every web page print and open the drawer)"
                )
            self._origins.add(origin)

    def judge(self, request: web.Request) -> str | None:
        """Return the origin to answer with CORS headers, if any; raise Problem for a request that may not pass."""
        host = self._judge_host(request)
        origin = self._judge_origin(request, host)
        if origin is None and _sent_across_sites(request):
            raise Problem(
                "origin_not_allowed",
                "The browser marks this request as sent by another site (Sec-Fetch-Site: cross-site) and names no "
                f"origin that is allowed. A till's page must call with fetch() or WebSocket, and be listed in "
                f"{ORIGIN_KEY}.",
            )
        return origin

    def _judge_host(self, request: web.Request) -> Host:
        headers = request.headers.getall(hdrs.HOST, [])
        shown = ", ".join(headers)[:SHOWN_CHARACTERS]
        host = parse_host(headers[0]) if len(headers) == 1 else None
        if host is not None and self._host_allowed(host, request):
            return host
        suggestion = host.name if host is not None else "the name you use"
        raise Problem(
            "host_not_allowed",
            f"The request was sent to {shown!r}, which is none of this bridge's names. Use 127.0.0.1 or localhost; "
            f'if this name really is meant for the bridge, set {HOST_KEY} = ["{suggestion}"].',
        )

    def _host_allowed(self, host: Host, request: web.Request) -> bool:
        if host.name == "localhost" or host in self._hosts or Host(host.name, None) in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(host.name)
        except ValueError:
            return False
        return address.is_loopback or address == _own_address(request)

    def _judge_origin(self, request: web.Request, host: Host) -> str | None:
        headers = request.headers.getall(hdrs.ORIGIN, [])
        if not headers:
            return None
        origin = parse_origin(headers[0]) if len(headers) == 1 else None
        if origin is not None:
            scheme = request.scheme
            port = host.port if host.port is not None else _DEFAULT_PORTS.get(scheme)
            if origin == Origin(scheme, host.name, port):
                return None
            if origin in self._origins:
                return headers[0]
        shown = ", ".join(headers)[:SHOWN_CHARACTERS]
        advice = f'If that is your till, set {ORIGIN_KEY} = ["{shown}"].'
        if origin is None:
            advice = "A page without an origin of its own (a local file, a sandboxed frame) can't be allowed."
        raise Problem("origin_not_allowed", f"The request came from a page of {shown!r}. {advice}")


def middleware(access: Access) -> Middleware:
    @web.middleware
    async def judge(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = access.judge(request)
        if origin is not None:
            request[_CORS_ORIGIN] = origin
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            return _preflight(request)
        return await handler(request)

    return judge


async def add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Signal handler: security headers on every answer, CORS headers where the origin is allowed."""
    headers = answer.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")
    headers["Vary"] = "Origin"
    headers["Server"] = "Counterhub"
    origin = request.get(_CORS_ORIGIN)
    if origin is not None:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS


def _preflight(request: web.Request) -> web.Response:
    answer = web.Response(status=204)
    if request.get(_CORS_ORIGIN) is None:
        return answer
    answer.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
    answer.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    answer.headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)
    # Browsers treat 127.0.0.1 and the shop's network as other address spaces and ask before they go there.
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        answer.headers["Access-Control-Allow-Private-Network"] = "true"
    return answer


def _sent_across_sites(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "").strip().lower() != "cross-site":
        return False
    person_follows_link = (
        request.method == hdrs.METH_GET
        and request.path in PAGES
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    return not person_follows_link


def _own_address(request: web.Request) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that this connection arrived at: with a wildcard listener it is what a till must name."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    try:
        address = ipaddress.ip_address(str(name[0]).partition("%")[0]) if name else None
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
