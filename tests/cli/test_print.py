"""`counterhub print`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from host_bridge.cli import printing
from tests.cli.conftest import FAULT, Command, FakeBridge, make_job, make_state, problem

JOB = "00112233aabbccdd"
JOB_PATH = f"/api/v1/jobs/{JOB}"
PNG = printing.PNG_SIGNATURE + b"rest"


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "POLL_INTERVAL_S", 0.001)


@pytest.fixture
def printer(bridge: FakeBridge) -> FakeBridge:
    bridge.answers["/api/v1/print"] = [{"job_id": JOB, "state": "queued", "links": {}}]
    bridge.answers[JOB_PATH] = [make_job("queued"), make_job("sending"), make_job("printed")]
    return bridge


def receipt(tmp_path: Path, name: str = "receipt.txt", content: bytes = b"Tea 2.50\n") -> str:
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.txt", "茶 2.50\n".encode(), "text/plain; charset=utf-8"),
        ("a.TXT", b"Tea", "text/plain; charset=utf-8"),
        ("a.png", PNG, "image/png"),
        ("a.bin", b"\x1b@Tea\n", "application/octet-stream"),
        ("a.prn", b"\x1b@Tea\n", "application/octet-stream"),
        ("a.escpos", b"\x1b@Tea\n", "application/octet-stream"),
    ],
)
def test_the_suffix_says_what_is_sent(
    printer: FakeBridge, counterhub: Command, tmp_path: Path, name: str, content: bytes, content_type: str
) -> None:
    result = counterhub("print", receipt(tmp_path, name, content), url=printer.url)
    assert result.exit_code == 0
    sent = next(asked for asked in printer.asked if asked.path == "/api/v1/print")
    assert (sent.method, sent.body, sent.headers["Content-Type"]) == ("POST", content, content_type)
    assert "✔ printed" in result.out
    assert JOB in result.out


def test_waiting_says_each_state_once(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    printer.answers[JOB_PATH] = [make_job(state) for state in [*["queued"] * 3, *["sending"] * 3, "printed"]]
    result = counterhub("print", receipt(tmp_path), url=printer.url)
    assert [line.rpartition(": ")[2] for line in result.err.splitlines()] == ["queued", "sending", "printed"]


@pytest.mark.parametrize(("state", "code"), [("printed", 0), ("failed", 1), ("cancelled", 1), ("unconfirmed", 5)])
def test_the_exit_code_says_what_became_of_it(
    printer: FakeBridge, counterhub: Command, tmp_path: Path, state: str, code: int
) -> None:
    printer.answers[JOB_PATH] = [make_job(state, reason="hub_restarted")]
    result = counterhub("print", receipt(tmp_path), url=printer.url)
    assert result.exit_code == code
    assert state in result.out
    assert "the hub restarted meanwhile" in result.out


def test_unconfirmed_tells_to_look_before_printing_again(
    printer: FakeBridge, counterhub: Command, tmp_path: Path
) -> None:
    printer.answers[JOB_PATH] = [make_job("unconfirmed")]
    assert "Look at the printer before" in counterhub("print", receipt(tmp_path), url=printer.url).err


def test_when_the_time_is_over_the_active_faults_remedy_is_shown(
    printer: FakeBridge, counterhub: Command, tmp_path: Path
) -> None:
    printer.answers[JOB_PATH] = [make_job("queued")]
    printer.answers["/api/v1/state"] = [make_state(faults=[FAULT])]
    result = counterhub("print", receipt(tmp_path), "--timeout", "0.1", url=printer.url)
    assert result.exit_code == 6
    assert "still queued after 0.1 s" in result.err
    assert "Put in a new roll" in result.err


def test_no_wait_prints_the_job_id_alone(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    result = counterhub("print", receipt(tmp_path), "--no-wait", url=printer.url)
    assert (result.exit_code, result.out) == (0, f"{JOB}\n")
    assert JOB_PATH not in printer.paths()


def test_json_prints_the_job(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    waited = counterhub("print", receipt(tmp_path), "--json", url=printer.url)
    assert json.loads(waited.out)["state"] == "printed"
    handed_over = counterhub("print", receipt(tmp_path), "--json", "--no-wait", url=printer.url)
    assert json.loads(handed_over.out)["job_id"] == JOB


def test_a_lost_answer_is_asked_for_again_under_the_same_key(
    printer: FakeBridge, counterhub: Command, tmp_path: Path
) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    printer.answers["/api/v1/print"].insert(0, hang_up)
    assert counterhub("print", receipt(tmp_path), url=printer.url).exit_code == 0
    keys = [asked.headers["Idempotency-Key"] for asked in printer.asked if asked.path == "/api/v1/print"]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_the_callers_key_is_used_and_a_replay_is_told(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    async def replayed(request: web.Request) -> web.StreamResponse:
        assert request.headers["Idempotency-Key"] == "order-17"
        return web.json_response({"job_id": JOB}, status=202, headers={"Idempotency-Replayed": "true"})

    printer.answers["/api/v1/print"] = [replayed]
    result = counterhub("print", receipt(tmp_path), "--key", "order-17", url=printer.url)
    assert result.exit_code == 0
    assert "earlier job" in result.err


def test_a_bridge_that_restarts_while_waiting_is_waited_for(
    printer: FakeBridge, counterhub: Command, tmp_path: Path
) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    printer.answers[JOB_PATH] = [make_job("sending"), hang_up, hang_up, hang_up, make_job("printed")]
    result = counterhub("print", receipt(tmp_path), url=printer.url)
    assert result.exit_code == 0
    assert "went away" in result.err


def test_a_warning_of_the_bridge_is_passed_on(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    printer.answers["/api/v1/print"] = [{"job_id": JOB, "warning": "the same content was printed 12 s ago"}]
    assert "warning: the same content" in counterhub("print", receipt(tmp_path), url=printer.url).err


def test_a_refusal_exits_with_4(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    printer.answers["/api/v1/print"] = [problem(422, "not_printable", "Accepted: text, PNG, ESC/POS.")]
    result = counterhub("print", receipt(tmp_path), url=printer.url)
    assert result.exit_code == 4
    assert "Accepted: text, PNG, ESC/POS. [not_printable]" in result.err


def test_a_file_that_cannot_be_sent_exits_with_2_before_anything_is_sent(
    printer: FakeBridge, counterhub: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "FILE_LIMIT_BYTES", 1024 * 1024)
    cases = {
        str(tmp_path / "missing.txt"): "There is no file",
        str(tmp_path): "can't be read",
        receipt(tmp_path, "empty.txt", b""): "nothing to print",
        receipt(tmp_path, "huge.bin", bytes(1024 * 1024 + 1)): "larger than 1 MiB",
        receipt(tmp_path, "receipt.pdf", b"%PDF"): "Expected .txt",
        receipt(tmp_path, "receipt", b"x"): "--type text, png or escpos",
    }
    for path, words in cases.items():
        result = counterhub("print", path, url=printer.url)
        assert result.exit_code == 2, path
        assert words in result.err
    assert printer.asked == []


def test_type_goes_before_the_suffix(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    assert counterhub("print", receipt(tmp_path, "x.pdf"), "--type", "escpos", url=printer.url).exit_code == 0
    assert printer.asked[0].headers["Content-Type"] == "application/octet-stream"
    assert counterhub("print", receipt(tmp_path), "--type", "pdf", url=printer.url).exit_code == 2


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ("Tee\t2,50 €\r\n".encode(), "text/plain; charset=utf-8"),
        (b"\x1b@Tea\n", "application/octet-stream"),
        (PNG, "image/png"),
    ],
)
def test_standard_input_is_known_by_its_content(
    printer: FakeBridge, counterhub: Command, data: bytes, content_type: str
) -> None:
    assert counterhub("print", "-", url=printer.url, stdin=data).exit_code == 0
    assert printer.asked[0].body == data
    assert printer.asked[0].headers["Content-Type"] == content_type


@given(st.binary())
def test_what_has_printer_commands_is_never_taken_for_text(data: bytes) -> None:
    kind = printing.sniff(data)
    has_controls = any(byte < 32 and byte not in b"\t\n\r\f" for byte in data)
    assert (kind is printing.Kind.TEXT) == (not has_controls and not data.startswith(printing.PNG_SIGNATURE))


def test_a_missing_file_name_is_a_usage_error(counterhub: Command) -> None:
    assert counterhub("print").exit_code == 2


def test_a_receipt_that_came_before_is_said_in_the_readers_language(
    printer: FakeBridge, counterhub: Command, tmp_path: Path
) -> None:
    accepted = {"job_id": JOB_PATH.rpartition("/")[2], "warning": "the same content was sent as job ff 12 s before"}
    printer.answers["/api/v1/print"] = [accepted | {"duplicate": {"job_id": "ff", "ago_s": 12}}]
    english = counterhub("print", receipt(tmp_path), "--no-wait", url=printer.url)
    assert "warning: the same content was sent as job ff 12 s before" in english.err
    chinese = counterhub("print", receipt(tmp_path), "--no-wait", "--lang", "zh", url=printer.url)
    assert "警告：相同内容已在 12 秒前作为任务 ff 发送" in chinese.err


def test_a_refusal_is_named_in_the_readers_language(printer: FakeBridge, counterhub: Command, tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return problem(507, "journal_full", "the disk is full", title_zh="服务无法再保存新内容")

    printer.answers["/api/v1/print"] = [refuse]
    assert (
        "服务无法再保存新内容（the disk is full）"
        in counterhub("print", receipt(tmp_path), "--lang", "zh", url=printer.url).err
    )
    assert "服务" not in counterhub("print", receipt(tmp_path), url=printer.url).err
