"""The native API's requests, one by one."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
import pytest
from PIL import Image

from host_bridge.interfaces.services import Refused
from host_bridge.journal.records import JobState, KickState, ScanState
from tests.interfaces.http.conftest import Running

TEXT = {"Content-Type": "text/plain"}
RAW = {"Content-Type": "application/octet-stream"}


async def problem(answer: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """Assert that the answer is this problem, in the one form that all problems have."""
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = await answer.json(content_type=None)
    assert (answer.status, body["code"]) == (status, code), body
    assert body["status"] == status
    assert body["type"].endswith(code)
    assert body["title"] and body["detail"]
    return body


def png(size: tuple[int, int] = (20, 10)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "black").save(buffer, "PNG")
    return buffer.getvalue()


async def test_health_is_about_the_service_and_names_the_link(server: Running) -> None:
    assert await (await server.client.get("/healthz")).json() == {"status": "ok", "link": "up"}
    server.bridge.link_status = "down"
    answer = await server.client.get("/healthz")
    assert answer.status == 200
    assert await answer.json() == {"status": "ok", "link": "down"}


async def test_state_has_the_shape_that_the_page_and_the_command_line_read(server: Running) -> None:
    state = await (await server.client.get("/api/v1/state")).json()
    assert state["link"]["status"] == "up"
    assert state["devices"]["printer"]["paper"] == "ok"
    assert state["devices"]["scanner"]["expire_ms"] == 10_000
    assert state["faults"] == []


async def test_head_answers_like_get_without_a_body(server: Running) -> None:
    answer = await server.client.head("/healthz")
    assert answer.status == 200
    assert await answer.read() == b""


async def test_a_failure_in_the_bridge_is_a_500_that_gives_nothing_away(server: Running) -> None:
    server.bridge.state_fails = True
    body = await problem(await server.client.get("/api/v1/state"), 500, "internal")
    assert "made to fail" not in str(body)


async def test_escpos_bytes_are_journaled_as_they_came(server: Running) -> None:
    data = b"\x1b@Hello\n\x1dVA\x00"
    answer = await server.client.post("/api/v1/print", data=data, headers=RAW)
    assert answer.status == 202
    body = await answer.json()
    assert body["state"] == "queued"
    assert "warning" not in body
    assert answer.headers["Location"] == body["links"]["self"] == f"/api/v1/jobs/{body['job_id']}"
    assert await server.bridge.printing.job_data(body["job_id"]) == data
    assert server.bridge.printing.sources == ["api"]


@pytest.mark.parametrize(
    ("content_type", "data", "expected"),
    [
        ("text/plain", "Tea 茶".encode(), "茶".encode("gb18030")),
        ("text/plain; charset=gb18030", "茶".encode("gb18030"), "茶".encode("gb18030")),
        ("text/plain; charset=UTF-8", b"\xef\xbb\xbfHello", b"Hello"),
        ("image/png", png(), b"\x1dv0"),
    ],
)
async def test_text_and_pictures_become_printer_commands(
    server: Running, content_type: str, data: bytes, expected: bytes
) -> None:
    answer = await server.client.post("/api/v1/print", data=data, headers={"Content-Type": content_type})
    assert answer.status == 202
    job = await server.bridge.printing.job_data((await answer.json())["job_id"])
    assert job is not None
    assert expected in job


@pytest.mark.parametrize(
    ("content_type", "data", "status", "code"),
    [
        ("application/octet-stream", b"", 422, "job_empty"),
        ("text/plain", b"  \n", 422, "job_empty"),
        ("application/octet-stream", b"%PDF-1.7 ...", 415, "not_printable"),
        ("application/octet-stream", b"PK\x03\x04....", 415, "not_printable"),
        ("application/octet-stream", b"\x7fELF\x02\x01\x01", 415, "not_printable"),
        ("application/octet-stream", b"\x1b@Hi\n\x1dv0\x00\x10\x00\x10\x00abc", 422, "truncated_command"),
        ("image/png", b"\x89PNG\r\n\x1a\ncut off", 422, "image_invalid"),
        ("image/png", png()[:-20], 422, "image_invalid"),
        ("image/png", b"\xff\xd8\xff\xe0 a JPEG", 422, "image_invalid"),
        ("text/plain", b"\xff\xfe\xfa", 422, "text_undecodable"),
        ("text/plain; charset=idna", b"a", 415, "media_type_unsupported"),
        ("text/plain; charset=zip", b"a", 415, "media_type_unsupported"),
        ("application/pdf", b"%PDF", 415, "media_type_unsupported"),
        ("application/x-www-form-urlencoded", b"a=b", 415, "media_type_unsupported"),
        ("multipart/form-data; boundary=x", b"--x--", 415, "media_type_unsupported"),
        ("nonsense", b"a", 415, "not_printable"),
    ],
)
async def test_what_is_no_receipt_is_refused_with_what_is_accepted(
    server: Running, content_type: str, data: bytes, status: int, code: str
) -> None:
    if content_type == "nonsense":  # no type at all is taken for bytes; noise is no receipt
        data = bytes(range(1, 32)) * 40
    answer = await server.client.post("/api/v1/print", data=data, headers={"Content-Type": content_type})
    body = await problem(answer, status, code)
    assert "image/png" in body["detail"] or code in ("truncated_command", "text_undecodable", "job_empty")
    assert server.bridge.printing.stored == {}


async def test_a_compressed_body_is_refused_and_never_unpacked(server: Running) -> None:
    headers = RAW | {"Content-Encoding": "gzip"}
    answer = await server.client.post("/api/v1/print", data=b"\x1f\x8b...", headers=headers)
    await problem(answer, 415, "media_type_unsupported")


@pytest.mark.parametrize(
    ("code", "status"),
    [("queue_full", 503), ("journal_full", 507), ("job_too_large", 413), ("stopping", 503), ("new_reason", 503)],
)
async def test_the_bridges_refusals_keep_their_code_and_words(server: Running, code: str, status: int) -> None:
    server.bridge.printing.refuse = Refused(code, "Words for a technician.")
    answer = await server.client.post("/api/v1/print", data="x", headers=TEXT)
    body = await problem(answer, status, code)
    assert body["detail"] == "Words for a technician."
    assert ("Retry-After" in answer.headers) == (status == 503)


async def test_a_warning_reaches_the_till(server: Running) -> None:
    server.bridge.printing.warning = "The same content was printed as job 7 12 s ago."
    body = await (await server.client.post("/api/v1/print", data="x", headers=TEXT)).json()
    assert "job 7" in body["warning"]


async def test_jobs_are_listed_newest_first_and_looked_up(server: Running) -> None:
    ids = []
    for text in ("one", "two", "three"):
        ids.append((await (await server.client.post("/api/v1/print", data=text, headers=TEXT)).json())["job_id"])
    listed = (await (await server.client.get("/api/v1/jobs?limit=2")).json())["jobs"]
    assert [job["job_id"] for job in listed] == [ids[2], ids[1]]
    one = await (await server.client.get(listed[0]["links"]["self"])).json()
    assert one == listed[0]
    assert one["state"] == "queued"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=501", "limit=x", "limit=", "limit=1&limit=2", "limit=²"]
)
async def test_a_wrong_limit_is_refused(server: Running, query: str) -> None:
    await problem(await server.client.get(f"/api/v1/jobs?{query}"), 400, "query_invalid")


@pytest.mark.parametrize(
    "job_id", ["0000000000000009", "short", "00000000000000ZZ", "..%2F..%2Fetc", "%00", "1' OR '1"]
)
async def test_an_unknown_or_malformed_job_is_a_404(server: Running, job_id: str) -> None:
    for method, suffix in (("GET", ""), ("GET", "/receipt.png"), ("POST", "/cancel")):
        answer = await server.client.request(method, f"/api/v1/jobs/{job_id}{suffix}")
        await problem(answer, 404, "job_unknown")


async def test_a_queued_job_is_cancelled_and_another_is_not(server: Running) -> None:
    path = (await (await server.client.post("/api/v1/print", data="x", headers=TEXT)).json())["links"]["cancel"]
    cancelled = await server.client.post(path)
    assert cancelled.status == 200
    assert (await cancelled.json())["state"] == "cancelled"
    await problem(await server.client.post(path), 409, "job_not_cancellable")


async def test_a_job_is_drawn_once_and_then_remembered(server: Running) -> None:
    links = (await (await server.client.post("/api/v1/print", data="Hello", headers=TEXT)).json())["links"]
    answer = await server.client.get(links["receipt"])
    assert answer.content_type == "image/png"
    picture = Image.open(io.BytesIO(await answer.read()))
    assert picture.width > 100
    again = await server.client.get(links["receipt"], headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    server.bridge.printing.forget_data(links["self"].rpartition("/")[2])
    assert (await server.client.get(links["receipt"])).status == 200  # from the cache


async def test_a_receipt_whose_bytes_are_gone_says_so(server: Running) -> None:
    body = await (await server.client.post("/api/v1/print", data="Hello", headers=TEXT)).json()
    server.bridge.printing.forget_data(body["job_id"])
    await problem(await server.client.get(body["links"]["receipt"]), 404, "receipt_gone")


async def test_the_drawer_opens_without_a_body(server: Running) -> None:
    answer = await server.client.post("/api/v1/drawer/open")
    assert answer.status == 200
    kick = await answer.json()
    assert (kick["state"], kick["drawer"], kick["source"]) == ("opened", 1, "api")


async def test_the_drawers_wishes_are_passed_on(server: Running) -> None:
    wish = {"drawer": 2, "on_ms": 200, "time_to_live_ms": 900}
    assert (await server.client.post("/api/v1/drawer/open", json=wish)).status == 200
    assert server.bridge.drawers.asked == [(2, 200, 900)]


async def test_a_drawer_without_a_switch_is_no_failure(server: Running) -> None:
    server.bridge.drawers.outcome = (KickState.UNVERIFIED, None)
    answer = await server.client.post("/api/v1/drawer/open", json={})
    assert answer.status == 200
    assert (await answer.json())["state"] == "unverified"


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("expired", 504, "expired"),
        ("link_down", 503, "link_down"),
        ("drawer_stuck", 409, "drawer_stuck"),
        ("duty", 409, "duty"),
        ("link_lost", 503, "link_lost"),
        ("no_answer", 504, "no_answer"),
        ("something_new", 409, "kick_failed"),
        (None, 409, "kick_failed"),
    ],
)
async def test_a_drawer_that_did_not_open_is_a_problem_with_the_kick_in_it(
    server: Running, reason: str | None, status: int, code: str
) -> None:
    server.bridge.drawers.outcome = (KickState.FAILED, reason)
    answer = await server.client.post("/api/v1/drawer/open")
    assert "Retry-After" not in answer.headers  # the same request would get the same answer for ever
    body = await problem(answer, status, code)
    assert body["kick"]["reason"] == reason
    assert body["kick"]["state"] == "failed"
    assert ("Nobody can know" in body["detail"]) == (code in ("link_lost", "no_answer"))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "body_malformed"),
        (b"\xff\xfe", 400, "body_malformed"),
        (b'{"drawer":' + b"[" * 20_000, 422, "body_invalid"),
        (b'{"x":1,"drawer":1', 422, "body_invalid"),
        (b"[]", 422, "body_invalid"),
        (b'"2"', 422, "body_invalid"),
        (b'{"drawer":3}', 422, "body_invalid"),
        (b'{"drawer":"1"}', 422, "body_invalid"),
        (b'{"on_ms":511}', 422, "body_invalid"),
        (b'{"on_ms":1e99}', 422, "body_invalid"),
        (b'{"time_to_live_ms":30001}', 422, "body_invalid"),
        (b'{"drawr":1}', 422, "body_invalid"),
    ],
)
async def test_a_wrong_drawer_body_opens_nothing(server: Running, body: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await server.client.post("/api/v1/drawer/open", data=body, headers=headers)
    await problem(answer, status, code)
    assert server.bridge.drawers.kicks == []


async def test_json_under_another_content_type_is_refused(server: Running) -> None:
    answer = await server.client.post("/api/v1/drawer/open", data=b'{"drawer":2}', headers=TEXT)
    await problem(answer, 415, "media_type_unsupported")
    assert server.bridge.drawers.kicks == []


async def test_scans_are_paged_upwards_whatever_became_of_them(server: Running) -> None:
    for data in ("a", "b", "c"):
        server.bridge.scans.add(data)
    server.bridge.scans.settle(2, ScanState.EXPIRED)
    page = await (await server.client.get("/api/v1/scans?after=1&limit=1")).json()
    assert [(scan["sequence"], scan["data"], scan["state"]) for scan in page["scans"]] == [(2, "b", "expired")]
    assert page["scans"][0]["data_hex"] == b"b".hex()
    assert page["scans"][0]["read_at"].endswith("+00:00")
    rest = await (await server.client.get(f"/api/v1/scans?after={page['next_after']}")).json()
    assert [scan["sequence"] for scan in rest["scans"]] == [3]
    assert (await (await server.client.get("/api/v1/scans?after=3")).json()) == {"scans": [], "next_after": 3}
    await problem(await server.client.get(f"/api/v1/scans?after={2**63}"), 400, "query_invalid")


async def test_the_newest_scans_come_oldest_first(server: Running) -> None:
    assert await (await server.client.get("/api/v1/scans?newest=2")).json() == {"scans": [], "next_after": 0}
    for data in ("a", "b", "c"):
        server.bridge.scans.add(data)
    page = await (await server.client.get("/api/v1/scans?newest=2")).json()
    assert ([scan["data"] for scan in page["scans"]], page["next_after"]) == (["b", "c"], 3)


@pytest.mark.parametrize("query", ["newest=0", "newest=501", "newest=", "newest=1&newest=2", "newest=1&after=0"])
async def test_what_can_not_be_meant_by_newest_is_refused(server: Running, query: str) -> None:
    await problem(await server.client.get(f"/api/v1/scans?{query}"), 400, "query_invalid")


class TestIdempotency:
    async def test_the_same_key_prints_once_and_is_answered_the_same(self, server: Running) -> None:
        headers = TEXT | {"Idempotency-Key": "sale-17"}
        first = await server.client.post("/api/v1/print", data="x", headers=headers)
        body = await first.read()
        server.bridge.printing.become("0000000000000001", JobState.PRINTED)
        second = await server.client.post("/api/v1/print", data="x", headers=headers)
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        assert (second.status, await second.read()) == (first.status, body)
        assert len(server.bridge.printing.stored) == 1

    async def test_two_at_once_print_once(self, server: Running) -> None:
        headers = TEXT | {"Idempotency-Key": "sale-17"}
        answers = await asyncio.gather(
            *(server.client.post("/api/v1/print", data="x", headers=headers) for _ in range(8))
        )
        assert len({await answer.read() for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7
        assert len(server.bridge.printing.stored) == 1

    async def test_the_same_key_with_other_content_is_a_mismatch(self, server: Running) -> None:
        headers = TEXT | {"Idempotency-Key": "sale-17"}
        await server.client.post("/api/v1/print", data="x", headers=headers)
        answer = await server.client.post("/api/v1/print", data="y", headers=headers)
        await problem(answer, 422, "idempotency_mismatch")

    async def test_the_same_key_opens_the_drawer_once(self, server: Running) -> None:
        headers = {"Idempotency-Key": "sale-18"}
        answers = await asyncio.gather(*(server.client.post("/api/v1/drawer/open", headers=headers) for _ in range(4)))
        assert len({await answer.read() for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 3
        assert len(server.bridge.drawers.kicks) == 1

    async def test_a_failed_kick_stays_failed_under_its_key(self, server: Running) -> None:
        headers = {"Idempotency-Key": "sale-19"}
        server.bridge.drawers.outcome = (KickState.FAILED, "link_down")
        await problem(await server.client.post("/api/v1/drawer/open", headers=headers), 503, "link_down")
        server.bridge.drawers.outcome = (KickState.OPENED, None)
        again = await server.client.post("/api/v1/drawer/open", headers=headers)
        assert again.headers["Idempotency-Replayed"] == "true"
        await problem(again, 503, "link_down")

    async def test_a_kick_from_before_a_restart_is_marked_as_replayed(self, server: Running) -> None:
        headers = {"Idempotency-Key": "sale-20"}
        await server.bridge.drawers.kick(source="api", idempotency_key="sale-20")
        server.bridge.clock.now += 60
        answer = await server.client.post("/api/v1/drawer/open", headers=headers)
        assert answer.headers["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "\x7f"])
    async def test_an_unusable_key_does_nothing(self, server: Running, key: str) -> None:
        for path in ("/api/v1/print", "/api/v1/drawer/open"):
            data = b"x" if path.endswith("print") else b""
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            raw = head.encode() + b"Idempotency-Key: " + key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(data)
            answer = await server.exchange(raw + data)
            assert answer[8:13] in (b" 422 ", b" 400 "), answer
        assert server.bridge.printing.stored == {}
        assert server.bridge.drawers.kicks == []

    async def test_two_keys_in_one_request_are_refused(self, server: Running) -> None:
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        await problem(await server.client.post("/api/v1/drawer/open", headers=headers), 422, "idempotency_key_invalid")


async def test_the_scanner_is_switched_off_for_a_time_and_on(server: Running) -> None:
    off = await server.client.post("/api/v1/scanner", json={"enabled": False, "for_ms": 60_000})
    assert (off.status, (await off.json())["status"]) == (200, "off")
    on = await server.client.post("/api/v1/scanner", json={"enabled": True})
    assert (on.status, (await on.json())["status"]) == (200, "ready")
    assert server.bridge.scans.switched == [(False, 60_000), (True, None)]


@pytest.mark.parametrize(
    "wish",
    [{}, {"enabled": 0}, {"enabled": False, "for_ms": 999}, {"enabled": False, "for_ms": 3_600_001}, {"on": True}],
)
async def test_a_wish_for_the_scanner_that_can_not_be_is_refused(server: Running, wish: dict[str, Any]) -> None:
    await problem(await server.client.post("/api/v1/scanner", json=wish), 422, "body_invalid")
    assert server.bridge.scans.switched == []


@pytest.mark.parametrize(
    ("code", "status"), [("scanner_not_switchable", 409), ("link_down", 503), ("hub_no_answer", 504)]
)
async def test_why_the_scanner_was_not_switched_is_said(server: Running, code: str, status: int) -> None:
    server.bridge.scans.refusal = Refused(code, "why")
    await problem(await server.client.post("/api/v1/scanner", json={"enabled": False}), status, code)
