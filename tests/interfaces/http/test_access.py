"""Who may ask: no web page but the bridge's own and the configured ones."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.address import Address
from host_bridge.interfaces.http.access import Access, parse_host, parse_origin
from tests.interfaces.http.conftest import Running, Start
from tests.interfaces.http.test_api import problem

TILL = "https://pos.example.com"
EVERYWHERE = [
    ("GET", "/healthz"),
    ("GET", "/api/v1/state"),
    ("POST", "/api/v1/print"),
    ("GET", "/api/v1/jobs"),
    ("POST", "/api/v1/drawer/open"),
    ("GET", "/api/v1/scans"),
    ("GET", "/api/v1/events"),
    ("GET", "/virtual/receipts"),
    ("POST", "/virtual/scan"),
    ("GET", "/api"),
    ("GET", "/api/openapi.json"),
    ("GET", "/no/such/thing"),
    ("OPTIONS", "/api/v1/print"),
]


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
async def test_every_address_judges_host_origin_and_site(server: Running, method: str, path: str) -> None:
    for headers, code in (
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Origin": "https://evil.example"}, "origin_not_allowed"),
        ({"Origin": "null"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin_not_allowed"),
    ):
        await problem(await server.client.request(method, path, headers=headers), 403, code)
    assert server.bridge.drawers.kicks == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:9180",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.8.9.10",
        "[::1]",
        "[::1]:80",
    ],
)
async def test_loopback_names_are_allowed(server: Running, host: str) -> None:
    assert (await server.client.get("/healthz", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:9180",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "192.168.1.5",
        "[::2]",
        "[::1",
        "::1",
        "localhost:99999",
        "localhost:port",
        "user@localhost",
        "localhost/",
        "localhost, evil.example",
        "",
    ],
)
async def test_other_names_are_refused_with_the_setting_to_change(server: Running, host: str) -> None:
    answer = await server.exchange(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer
    assert b"http.allowed_hosts" in answer or b"malformed_request" in answer


async def test_two_hosts_or_none_are_refused(server: Running) -> None:
    for headers in ("Host: localhost\r\nHost: localhost\r\n", ""):
        for version in ("1.0", "1.1"):
            answer = await server.exchange(
                f"GET /healthz HTTP/{version}\r\n{headers}Connection: close\r\n\r\n".encode()
            )
            assert b" 403 " in answer[:20] or b" 400 " in answer[:20], answer


async def test_an_absolute_target_does_not_stand_in_for_the_host(server: Running) -> None:
    request = b"GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b"host_not_allowed" in await server.exchange(request)


async def test_configured_hosts_are_allowed_with_and_without_their_port(start: Start) -> None:
    running = await start(allowed_hosts=["till-1.lan", "till-2.lan:9180"])
    for host, status in (
        ("till-1.lan", 200),
        ("till-1.lan:80", 200),
        ("TILL-1.lan:9180", 200),
        ("till-2.lan:9180", 200),
        ("till-2.lan:80", 403),
        ("till-3.lan", 403),
    ):
        assert (await running.client.get("/healthz", headers={"Host": host})).status == status, host


async def test_with_a_wildcard_listener_the_address_that_was_called_is_a_name(start: Start) -> None:
    running = await start(listen=Address("0.0.0.0", 0))
    own = f"127.0.0.1:{running.port}"
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"http://{own}/healthz")).status == 200
        answer = await client.get(f"http://{own}/healthz", headers={"Host": "192.0.2.7"})
        await problem(answer, 403, "host_not_allowed")


async def test_ipv6_loopback_works(start: Start) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    running = await start(listen=Address("::1", 0))
    assert running.interface.url.startswith("http://[::1]:")
    assert (await running.client.get("/healthz")).status == 200


async def test_the_bridges_own_page_is_allowed(server: Running) -> None:
    headers = {"Origin": server.interface.url, "Sec-Fetch-Site": "same-origin"}
    answer = await server.client.get("/api/v1/state", headers=headers)
    assert answer.status == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}/",
        "file://",
        "null",
        "*",
        "",
        "http://",
        "http://evil.example http://127.0.0.1:{port}",
        "chrome-extension://abcdef",
    ],
)
async def test_another_origin_is_refused(server: Running, origin: str) -> None:
    headers = {"Origin": origin.replace("{port}", str(server.port))}
    await problem(await server.client.post("/api/v1/drawer/open", headers=headers), 403, "origin_not_allowed")
    assert server.bridge.drawers.kicks == []


async def test_the_refusal_says_what_to_configure(server: Running) -> None:
    answer = await server.client.get("/api/v1/state", headers={"Origin": TILL})
    body = await problem(answer, 403, "origin_not_allowed")
    assert f'http.allowed_origins = ["{TILL}"]' in body["detail"]
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_configured_origin_gets_its_cors_headers(start: Start) -> None:
    running = await start(allowed_origins=[TILL.upper()])
    headers = {"Origin": TILL, "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
    answer = await running.client.post("/api/v1/print", data="x", headers=headers)
    assert answer.status == 202
    assert answer.headers["Access-Control-Allow-Origin"] == TILL
    assert "Idempotency-Replayed" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    missing = await running.client.get("/api/v1/jobs/none", headers={"Origin": TILL})
    assert missing.headers["Access-Control-Allow-Origin"] == TILL  # so that the till's page can read the problem
    other = await running.client.get("/api/v1/state", headers={"Origin": "https://pos.example.com:444"})
    await problem(other, 403, "origin_not_allowed")


async def test_preflight_is_answered_for_allowed_origins_only(start: Start) -> None:
    running = await start(allowed_origins=[TILL])
    headers = {
        "Origin": TILL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = await running.client.options("/api/v1/print", headers=headers)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == TILL
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    refused = await running.client.options("/api/v1/print", headers=headers | {"Origin": "https://evil.example"})
    await problem(refused, 403, "origin_not_allowed")
    assert not any(name.startswith("Access-Control") for name in refused.headers)


async def test_a_websocket_from_a_foreign_page_is_refused_before_the_upgrade(start: Start) -> None:
    running = await start(allowed_origins=[TILL])
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await running.client.ws_connect("/api/v1/events", origin="https://evil.example")
    assert refused.value.status == 403
    async with running.client.ws_connect("/api/v1/events", origin=TILL) as allowed:
        assert (await allowed.receive_json(timeout=40))["type"] == "state"


async def test_a_person_may_follow_a_link_to_a_page_but_to_nothing_else(server: Running) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await server.client.get("/api", headers=headers)).status == 200
    await problem(await server.client.get("/api/v1/state", headers=headers), 403, "origin_not_allowed")
    framed = headers | {"Sec-Fetch-Dest": "iframe"}
    await problem(await server.client.get("/api", headers=framed), 403, "origin_not_allowed")


async def test_every_answer_carries_the_security_headers(server: Running) -> None:
    for path in ("/healthz", "/api/v1/state", "/api", "/nothing"):
        headers = (await server.client.get(path)).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    assert (await server.client.get("/api/v1/state")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://", "pos.example.com", "https://pos.example.com/till", "https://*.example.com", ""]
)
def test_an_origin_that_would_open_everything_or_nothing_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match=r"http\.allowed_origins"):
        Access(listen_host="127.0.0.1", allowed_origins=[origin])


@pytest.mark.parametrize("host", ["*", "", "http://till", "till/1", "till:port"])
def test_a_host_that_is_none_is_refused_at_the_start(host: str) -> None:
    with pytest.raises(ValueError, match=r"http\.allowed_hosts"):
        Access(listen_host="127.0.0.1", allowed_hosts=[host])


@given(st.text(max_size=60))
def test_parsing_any_text_never_fails_otherwise(text: str) -> None:
    host = parse_host(text)
    assert host is None or host.name == host.name.lower()
    origin = parse_origin(text)
    assert origin is None or "/" not in origin.name


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{2,5})?", fullmatch=True), st.integers(0, 65535))
def test_names_and_ports_come_apart_as_they_were_put_together(name: str, port: int) -> None:
    assert parse_host(f"{name.upper()}:{port}") == (name, port)
    assert parse_origin(f"HTTPS://{name}:{port}") == ("https", name, port)
    assert parse_origin(f"https://{name}") == ("https", name, 443)
