"""The log says each thing once, on one line, without secrets, and never holds the bridge up."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_bridge import log as logs
from host_bridge.log import LogFile, Running

ROOT = Path(__file__).resolve().parents[1]


class Bench:
    """A log that writes into memory, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stream = io.StringIO()
        self.running: Running | None = None

    def start(self, **options) -> None:
        self.running = logs.start(stream=self.stream, monotonic=lambda: self.now, **options)

    def lines(self) -> list[str]:
        """Everything written; ends the log."""
        assert self.running is not None
        self.running.stop()
        return self.stream.getvalue().splitlines()

    def objects(self) -> list[dict]:
        return [json.loads(line) for line in self.lines()]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    if made.running is not None:
        made.running.stop()


def test_a_line_reads_time_level_component_message_and_fields(bench):
    bench.start()
    logs.of("host_bridge.hub.reconnect").warning(
        "link down", port="/dev/ttyACM0", reason="no answer", tries=3, up=False
    )
    [line] = bench.lines()
    at, rest = line.split(" ", 1)
    assert datetime.fromisoformat(at).tzinfo is not None
    assert rest == 'WARNING hub.reconnect: link down port=/dev/ttyACM0 reason="no answer" tries=3 up=false'


def test_json_lines_are_objects_with_the_same(bench):
    bench.start(form="json")
    logs.of("host_bridge.hub").info("链路恢复", n=1, nested={"a": [1, None, "茶"]}, raw=b"\x1b@")
    [line] = bench.objects()
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "info",
        "component": "hub",
        "message": "链路恢复",
        "fields": {"n": 1, "nested": {"a": [1, None, "茶"]}, "raw": "1b40"},
    }


def test_plain_logging_of_any_library_comes_out_too_with_its_extras(bench):
    bench.start()
    logging.getLogger("aiohttp.access").error("got %d of %s", 3, "five", extra={"peer": "127.0.0.1"})
    assert bench.lines()[0].endswith("ERROR   aiohttp.access: got 3 of five peer=127.0.0.1")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_keeps_its_traceback(bench, form):
    bench.start(form=form)
    try:
        raise ValueError("no paper\x1b[2J")
    except ValueError:
        logs.of("host_bridge.x").exception("printing failed", job="j1")
    if form == "json":
        [line] = bench.objects()
        assert line["message"] == "printing failed" and "ValueError: no paper" in line["exception"]
    else:
        first, *trace = bench.lines()
        assert first.endswith("printing failed job=j1")
        assert all(part.startswith("    ") for part in trace)
        assert trace[-1] == "    ValueError: no paper\\x1b[2J"


def test_levels_below_the_chosen_one_are_not_written(bench):
    bench.start(level="warning")
    log = logs.of("x")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line.split(": ")[1] for line in bench.lines()] == ["c", "d"]


# Secrets


@pytest.mark.parametrize(
    "name", ["key", "api_key", "apiKey", "API_KEY", "Idempotency-Key", "token", "accessToken", "password", "x.secret"]
)
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("value", ["hush", b"hush", ["hush"], {"a": "hush"}, 7005])
def test_a_secret_is_never_written(bench, form, name, value):
    bench.start(form=form)
    logs.of("x").info("asked", **{name: value})
    logs.of("x").info("asked", headers={name: value}, many=[{name: value}])
    logging.getLogger("x").info("asked", extra={name: value})
    text = "".join(bench.lines())
    assert "hush" not in text and "7005" not in text and "68757368" not in text
    assert text.count("***") == 4


def test_words_that_only_look_like_secrets_are_written(bench):
    bench.start()
    logs.of("x").info("asked", keyboard="zh", monkey="m", tokenizer="t", has_key=True, key=None)
    assert bench.lines()[0].endswith("keyboard=zh monkey=m tokenizer=t has_key=true key=null")


# Repeats


def test_the_same_warning_again_is_debug_and_later_shown_with_a_count(bench):
    bench.start()
    log = logs.of("x")
    for second in range(61):
        bench.now = float(second)
        log.warning("can't open", port="COM5", attempt=second)
    assert [line.split("x: ")[1] for line in bench.lines()] == [
        "can't open port=COM5 attempt=0",
        "can't open port=COM5 attempt=60 repeated=59",
    ]


def test_repeats_are_seen_where_debug_is_wanted(bench):
    bench.start(level="debug")
    logs.of("x").warning("can't open")
    logs.of("x").warning("can't open")
    assert [line.split()[1] for line in bench.lines()] == ["WARNING", "DEBUG"]


def test_what_differs_is_no_repeat_and_information_is_never_quietened(bench):
    bench.start()
    log = logging.getLogger("x")
    log.warning("can't open %s", "COM5")
    log.warning("can't open %s", "COM6")
    log.error("can't open %s", "COM5")
    logging.getLogger("y").warning("can't open %s", "COM5")
    log.info("scan")
    log.info("scan")
    assert len(bench.lines()) == 6


def test_the_messages_watched_for_repetition_are_bounded(bench):
    bench.start()
    for number in range(logs.MAX_REPEATS * 2):
        logging.getLogger("x").warning("error %d", number)
    assert len(bench.running._handler._seen) == logs.MAX_REPEATS
    assert len(bench.lines()) == logs.MAX_REPEATS * 2


# Hostile text


@given(message=st.text(), value=st.text(), name=st.text(min_size=1))
def test_whatever_the_text_a_line_stays_a_line(message, value, name):
    for form in ("text", "json"):
        bench = Bench()
        bench.start(form=form)
        logs.of("x").info(message, value=value)
        logs.of("x").info("second", nested={name: value})
        assert len(bench.lines()) == 2, "no character but the last ends a line"
        text = bench.stream.getvalue()
        assert text.count("\n") == 2 and text.endswith("\n")
        assert "\x1b" not in text and "\x07" not in text
        text.encode()  # no lone surrogate
        if form == "json":
            assert [set(json.loads(line)) for line in text.splitlines()]


def test_a_huge_message_and_a_huge_field_are_cut(bench):
    bench.start()
    logs.of("x").info("m" * 1_000_000, data=b"\x00" * 1_000_000, text="t" * 1_000_000, many=list(range(100_000)))
    [line] = bench.lines()
    assert len(line) < 20_000 and "(1000000 characters)" in line


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_odd_values_do_not_cost_the_line(bench):
    loop: dict[str, object] = {}
    loop["self"] = loop
    bench.start(form="json")
    logs.of("x").info("odd", a=Unprintable(), b=loop, c=1 << 100, d=float("nan"), e=object, f=Path("x"), g={1: 2})
    wrong = logging.makeLogRecord({"name": "x", "levelno": logging.INFO, "msg": "%d of %s", "args": ("not a number",)})
    assert bench.running is not None
    bench.running._handler.handle(wrong)  # pytest's own handler would raise
    first, second = bench.objects()
    assert first["fields"]["c"] == str(1 << 100) and first["fields"]["g"] == {"1": 2}
    assert "no words" in first["fields"]["a"]
    assert second["message"].startswith("%d of %s ('not a number',)")


@pytest.mark.parametrize("name", ["name", "level", "msg", "args", "message", "exc_info", "created", "fields"])
def test_a_field_may_have_any_name_but_those_of_the_call(bench, name):
    bench.start(form="json")
    fields = {name: "v"}
    fields.pop("message", None)
    logs.of("x").info("hello", **fields)
    assert bench.objects()[0]["fields"] == fields


# Outputs


def test_the_file_is_bounded_and_begins_anew(bench, tmp_path):
    path = tmp_path / "logs" / "counterhub.log"
    bench.start(file=LogFile(path=path, max_bytes=4096, kept_files=2))
    for number in range(500):
        logs.of("x").info("收据", n=number)
    bench.running.stop()
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["counterhub.log", "counterhub.log.1", "counterhub.log.2"]
    assert all(file.stat().st_size <= 4096 for file in files)
    assert path.read_text(encoding="utf-8").splitlines()[-1].endswith("收据 n=499")


def test_a_file_that_can_not_be_opened_is_an_error_at_the_start(bench, tmp_path):
    handlers = logging.getLogger().handlers[:]
    with pytest.raises(OSError):
        bench.start(file=LogFile(path=tmp_path))
    assert logging.getLogger().handlers == handlers


class Stuck(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.begun.set()
        assert self.go.wait(20)
        return super().write(text)


def test_a_terminal_that_takes_nothing_holds_nobody_up_and_the_loss_is_counted(mocker):
    mocker.patch.object(logs, "MAX_QUEUE_LINES", 100)
    mocker.patch.object(logs, "STOP_DEADLINE_S", 0.05)
    stream = Stuck()
    running = logs.start(stream=stream)
    log = logs.of("x")
    log.info("first")
    assert stream.begun.wait(20)
    for number in range(250):
        log.info("line", n=number)
    assert running.dropped_lines == 150
    running.stop()
    stream.go.set()


def test_a_terminal_that_is_gone_is_no_error(capsys):
    stream = io.StringIO()
    stream.close()
    running = logs.start(stream=stream)
    logs.of("x").info("hello")
    running.stop()
    assert capsys.readouterr().err == ""


def test_a_terminal_without_chinese_gets_escapes():
    raw = io.BytesIO()
    running = logs.start(stream=io.TextIOWrapper(raw, encoding="cp1252"))
    logs.of("x").info("缺纸 é")
    running.stop()
    assert raw.getvalue().decode("cp1252").rstrip().endswith("\\u7f3a\\u7eb8 é")


def test_stopping_puts_the_root_logger_back(bench):
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    bench.start(level="debug")
    bench.running.stop()
    bench.running.stop()
    assert (root.handlers, root.level) == before


def test_a_program_that_ends_without_stopping_the_log_has_written_its_last_line():
    program = "from host_bridge import log; log.start(); log.of('x').error('the last word')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stderr.endswith("the last word\n") and done.returncode == 0


def test_a_line_says_of_which_of_several_hubs_it_is_and_no_hub_quiets_another(bench):
    bench.start()
    for name in ("till-1", "till-2", "till-1"):
        token = logs.SERVED_HUB.set(name)
        logging.getLogger("host_bridge.watch.faults").warning("fault: paper_end")
        logs.SERVED_HUB.reset(token)
    lines = bench.lines()
    assert [line.rpartition(" ")[2] for line in lines] == ["hub=till-1", "hub=till-2"]
