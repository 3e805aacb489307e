"""Transports over real pseudo-terminals: what they promise when the other end vanishes, jams or floods."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import serial

from host_bridge.hub import worker
from host_bridge.hub.direct import DirectTransport, transport_class
from host_bridge.hub.transport import (
    Lines,
    LineStep,
    SerialTransport,
    TransportError,
    TransportFull,
    TransportLimits,
    lost_error,
    open_error,
)
from tests.hub.peers import Pty, until, within

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
# Where nothing hangs, a machine that holds the test up for a moment must not look like a driver that does.
PATIENT = TransportLimits(
    write_timeout_ms=10_000, open_deadline_ms=10_000, close_deadline_ms=10_000, drain_limit_ms=10_000
)
QUICK = TransportLimits(write_timeout_ms=50, open_deadline_ms=200, close_deadline_ms=200, drain_limit_ms=50)
BOUND_S = 5.0  # far above what QUICK allows, far below what a driver that hangs would take (10 s here, 30 s for a tty)
TRIES = 20  # of what a busy machine may delay: one that is quick enough shows that it can be


KINDS = [
    pytest.param(SerialTransport, id="threads"),
    pytest.param(
        DirectTransport, id="direct", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux does so")
    ),
]


class Sink:
    """Remembers what a transport tells."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.errors: list[TransportError] = []
        self.drains = 0

    def data_received(self, data: bytes) -> None:
        self.data += data

    def drained(self) -> None:
        self.drains += 1

    def lost(self, error: TransportError) -> None:
        self.errors.append(error)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Pty]:
    pair = Pty(tmp_path / "hub")
    yield pair
    pair.vanish()


@pytest.fixture
async def sink() -> Sink:
    return Sink()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[SerialTransport]:
    """Each way to carry bytes keeps the same promises."""
    found: type[SerialTransport] = request.param
    return found


@pytest.fixture
async def transport(kind: type[SerialTransport], line: Pty, sink: Sink) -> AsyncIterator[SerialTransport]:
    made = kind(str(line.path), limits=PATIENT)
    await made.open(sink)
    yield made
    await made.close()


async def test_bytes_arrive_unchanged_in_both_directions(line: Pty, transport: SerialTransport, sink: Sink) -> None:
    every_byte = bytes(range(256))
    line.write(every_byte)
    transport.write(every_byte)
    got = bytearray()

    def arrived() -> bool:
        got.extend(line.read())
        return len(got) >= 256 and len(sink.data) >= 256

    await until(arrived)
    assert bytes(got) == every_byte
    assert bytes(sink.data) == every_byte


async def test_a_megabyte_each_way_at_once_arrives_whole(line: Pty, transport: SerialTransport, sink: Sink) -> None:
    total = 1 << 20
    pattern = bytes(i * 7 & 0xFF for i in range(4093))
    data = (pattern * (total // len(pattern) + 1))[:total]
    outbound, inbound, got = 0, 0, bytearray()
    async with asyncio.timeout(30):
        while len(got) < total or len(sink.data) < total:
            if outbound < total:
                try:
                    transport.write(data[outbound : outbound + 8192])
                    outbound += 8192
                except TransportFull:
                    pass
            inbound += line.write(data[inbound : inbound + 8192])
            got += line.read()
            await asyncio.sleep(0)
    assert bytes(got) == data
    assert bytes(sink.data) == data
    assert not sink.errors


async def test_a_vanished_port_is_reported_within_100_ms_and_once(kind: type[SerialTransport], line: Pty) -> None:
    for _ in range(TRIES):
        sink, made = Sink(), kind(str(line.path), limits=PATIENT)
        await made.open(sink)
        began = time.monotonic()
        line.vanish()
        await until(lambda sink=sink: sink.errors)  # type: ignore[misc]
        took_s = time.monotonic() - began
        await made.close()
        assert [error.code for error in sink.errors] == ["port_vanished"]
        if took_s < 0.1:
            return
        line.plug_in()
    pytest.fail(f"never within 100 ms; at last after {took_s * 1000:.0f} ms")


async def test_what_came_before_the_port_vanished_is_delivered_first(
    line: Pty, transport: SerialTransport, sink: Sink
) -> None:
    line.write(b"last words")
    await until(lambda: sink.data)
    line.vanish()
    await until(lambda: sink.errors)
    assert bytes(sink.data) == b"last words"


async def test_a_port_that_vanishes_while_writing_is_reported(
    line: Pty, transport: SerialTransport, sink: Sink
) -> None:
    transport.write(bytes(60_000))
    await until(line.read)
    line.vanish()
    await until(lambda: sink.errors)
    assert sink.errors[0].code == "port_vanished"
    with pytest.raises(TransportError) as refused:
        transport.write(b"more")
    assert refused.value.code == "port_vanished"


async def test_a_hung_up_port_costs_no_processor_time(line: Pty, transport: SerialTransport, sink: Sink) -> None:
    line.vanish()
    await until(lambda: sink.errors)
    for _ in range(TRIES):
        used = time.process_time()
        await asyncio.sleep(0.05)
        used_s = time.process_time() - used
        if used_s < 0.025:
            break
    assert used_s < 0.025
    await until(lambda: not [t for t in threading.enumerate() if t.name == f"read {line.path}"])


async def test_a_peer_that_never_reads_blocks_nobody(line: Pty, transport: SerialTransport) -> None:
    began = time.monotonic()
    with pytest.raises(TransportFull) as full:
        while True:
            transport.write(bytes(8192))
            await asyncio.sleep(0)
            assert time.monotonic() - began < BOUND_S
    assert "65536" in str(full.value)


async def test_a_peer_that_never_reads_is_reported_and_does_not_hold_the_close_up(
    kind: type[SerialTransport], line: Pty, sink: Sink
) -> None:
    transport = kind(str(line.path), limits=msgspec.structs.replace(PATIENT, write_timeout_ms=50))
    await transport.open(sink)
    transport.write(bytes(60_000))
    await until(lambda: sink.errors)
    assert sink.errors[0].code == "io_error"
    assert "takes no more bytes" in sink.errors[0].detail
    began = time.monotonic()
    await transport.close()
    assert time.monotonic() - began < BOUND_S


async def test_write_queue_takes_exactly_its_bound(kind: type[SerialTransport], line: Pty) -> None:
    limits = msgspec.structs.replace(PATIENT, write_queue_bytes=100)
    made = kind(str(line.path), limits=limits)
    await made.open(Sink())
    made.write(bytes(100))
    with pytest.raises(TransportFull):
        made.write(bytes(101))
    await until(lambda: made.queued_bytes == 0)
    made.write(bytes(100))
    await made.close()


async def test_a_loop_that_is_behind_holds_the_reader_back(line: Pty, transport: SerialTransport, sink: Sink) -> None:
    written = 0
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:  # the loop stands still meanwhile
        written += line.write(bytes(4096))
    assert written < 1 << 20
    await until(lambda: len(sink.data) == written)


async def test_an_orderly_close_lets_the_last_bytes_go(line: Pty, transport: SerialTransport) -> None:
    transport.write(b"goodbye")
    await transport.close(drain=True)
    assert line.read() == b"goodbye"


async def test_an_orderly_close_gives_the_driver_time_to_send_and_a_stalled_one_is_emptied() -> None:
    class SlowDriver(HangingPort):
        out_waiting = 3

        def reset_output_buffer(self) -> None:
            emptied.append(self.out_waiting)

    emptied: list[int] = []
    for stalls in (False, True):
        port = SlowDriver("")
        limits = msgspec.structs.replace(PATIENT, drain_limit_ms=50 if stalls else PATIENT.drain_limit_ms)
        made = SerialTransport("slow", limits=limits, open_port=lambda *_, port=port, **__: port)
        await made.open(Sink())
        if not stalls:
            threading.Timer(0.01, setattr, (port, "out_waiting", 0)).start()
        await made.close(drain=True)
        assert port.closed.is_set()
    assert emptied == [3]


async def test_nothing_is_told_after_close(line: Pty, transport: SerialTransport, sink: Sink) -> None:
    await transport.close()
    line.vanish()
    await asyncio.sleep(0.02)
    assert not sink.errors
    with pytest.raises(TransportError) as refused:
        transport.write(b"x")
    assert refused.value.code == "closed"


async def test_a_transport_is_opened_once(transport: SerialTransport, sink: Sink) -> None:
    with pytest.raises(RuntimeError, match="opened once"):
        await transport.open(sink)


async def test_closing_before_opening_and_twice_is_harmless(kind: type[SerialTransport], line: Pty) -> None:
    made = kind(str(line.path))
    await made.close()
    await made.close()


async def open_code(port: str, limits: TransportLimits = PATIENT, **options: Any) -> TransportError:
    with pytest.raises(TransportError) as failed:
        await SerialTransport(port, limits=limits, **options).open(Sink())
    return failed.value


async def test_a_missing_port_is_named_so(tmp_path: Path) -> None:
    error = await open_code(str(tmp_path / "nothing"))
    assert error.code == "port_missing"
    assert error.remedy is not None and "counterhub ports" in error.remedy


async def test_a_dangling_link_is_a_missing_port(tmp_path: Path) -> None:
    (tmp_path / "hub").symlink_to(tmp_path / "gone")
    assert (await open_code(str(tmp_path / "hub"))).code == "port_missing"


async def test_a_port_in_use_is_busy_and_its_user_named(line: Pty, transport: SerialTransport) -> None:
    error = await open_code(str(line.path))
    assert error.code == "port_busy"
    assert f"(pid {os.getpid()})" in error.detail


async def test_a_forbidden_port_says_which_group_and_command(line: Pty) -> None:
    options: dict[str, Any] = {}
    if os.geteuid() == 0:  # root passes every mode: the system's answer has to be made up

        def forbidden(*_: object, **__: object) -> None:
            raise serial.SerialException(errno.EACCES, f"could not open port {line.path}: Permission denied")

        options["open_port"] = forbidden
    else:
        os.chmod(os.path.realpath(line.path), 0)
    error = await open_code(str(line.path), **options)
    assert error.code == "permission_denied"
    assert error.remedy is not None and "usermod -a -G" in error.remedy


@pytest.mark.parametrize("port", ["nonsense://x", "socket://", "socket://127.0.0.1:99999", "loop://?bad=1", "\0"])
async def test_a_port_that_is_none_is_an_error_with_the_port_in_it(port: str) -> None:
    error = await open_code(port)
    assert error.code in ("io_error", "port_missing")
    assert port in error.detail


async def test_a_plain_file_or_directory_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert (await open_code(str(tmp_path / "file"))).code == "io_error"
    assert (await open_code(str(tmp_path))).code == "io_error"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux does without threads")
def test_the_loop_itself_carries_a_local_port_and_threads_every_other() -> None:
    assert transport_class("/dev/ttyACM0") is DirectTransport
    assert transport_class("socket://till-hub:9181") is SerialTransport


async def test_a_port_that_takes_bytes_again_in_time_goes_on_where_it_stopped(
    kind: type[SerialTransport], line: Pty, sink: Sink
) -> None:
    made = kind(str(line.path), limits=PATIENT)
    await made.open(sink)
    data = bytes(range(256)) * 128  # more than a pseudo-terminal holds
    made.write(data)
    await until(lambda: 0 < made.queued_bytes < len(data))
    got = bytearray()

    def arrived() -> bool:
        got.extend(line.read())
        return len(got) == len(data)

    await until(arrived)
    await until(lambda: made.queued_bytes == 0 and sink.drains)
    assert bytes(got) == data
    await made.close()
    assert not sink.errors


async def test_nobody_listening_on_tcp_is_a_missing_port() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert (await open_code(f"socket://127.0.0.1:{port}")).code == "port_missing"


async def test_tcp_carries_bytes_and_its_end_is_a_vanished_port(sink: Sink) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    made = SerialTransport(f"socket://127.0.0.1:{server.getsockname()[1]}")
    await made.open(sink)
    peer, _ = server.accept()
    with server, peer:
        peer.sendall(b"hello" * 1000)
        await until(lambda: len(sink.data) == 5000)
        made.write(b"answer")
        await until(lambda: made.queued_bytes == 0)
        assert peer.recv(100) == b"answer"
    await until(lambda: sink.errors)
    assert sink.errors[0].code == "port_vanished"
    await made.close()


async def test_loop_url_gives_back_what_is_written(sink: Sink) -> None:
    made = SerialTransport("loop://")
    await made.open(sink)
    made.write(b"echo")
    await until(lambda: bytes(sink.data) == b"echo")
    await made.close()


class HangingPort:
    """A driver that never returns from one call."""

    in_waiting = 0

    def __init__(self, hang_in: str, lines: list[tuple[str, bool]] | None = None) -> None:
        self.release = threading.Event()
        self.closed = threading.Event()
        self._hang_in = hang_in
        self._lines = lines if lines is not None else []
        self.is_open = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("dtr", "rts"):
            self._lines.append((f"{name}{'' if self.is_open else ' before open'}", value))
        super().__setattr__(name, value)

    def _maybe_hang(self, where: str) -> None:
        if where == self._hang_in:
            self.release.wait(10)

    def open(self) -> None:
        self._maybe_hang("open")
        self.is_open = True

    def read(self, _size: int) -> bytes:
        self._maybe_hang("read")
        time.sleep(0.005)
        return b""

    def write(self, _data: bytes) -> None:
        self._maybe_hang("write")

    def reset_output_buffer(self) -> None: ...

    def close(self) -> None:
        self._maybe_hang("close")
        self.closed.set()


async def test_a_driver_that_hangs_while_opening_times_out_and_is_closed_when_it_returns() -> None:
    port = HangingPort("open")
    error = await open_code("hangs-opening", QUICK, open_port=lambda *_, **__: port)
    assert error.code == "open_timeout"
    again = await open_code("hangs-opening", QUICK, open_port=lambda *_, **__: pytest.fail("a second thread was spent"))
    assert again.code == "open_timeout"
    assert "earlier call" in again.detail
    port.release.set()
    await until(port.closed.is_set)
    await until(lambda: not worker.stuck.holds("hangs-opening"))


@pytest.mark.parametrize("where", ["read", "write", "close"])
async def test_close_returns_within_its_bound_whatever_hangs(where: str, caplog: pytest.LogCaptureFixture) -> None:
    port = HangingPort(where)
    limits = msgspec.structs.replace(QUICK, open_deadline_ms=PATIENT.open_deadline_ms)
    made = SerialTransport(f"hangs-{where}", limits=limits, open_port=lambda *_, **__: port)
    await made.open(Sink())
    made.write(b"x")
    began = time.monotonic()
    await made.close()
    assert time.monotonic() - began < BOUND_S
    if where == "close":
        assert "driver hangs" in caplog.text
    port.release.set()
    await until(lambda: not worker.stuck.holds(f"hangs-{where}"))


async def test_cancelling_an_open_leaves_no_port_open() -> None:
    port = HangingPort("open")
    made = SerialTransport("cancelled", open_port=lambda *_, **__: port)
    task = asyncio.create_task(made.open(Sink()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    port.release.set()
    await until(port.closed.is_set)


async def test_dtr_and_rts_are_set_before_the_port_opens_and_a_pulse_ends_as_it_began() -> None:
    seen: list[tuple[str, bool]] = []
    port = HangingPort("", seen)
    made = SerialTransport("lines", lines=Lines(dtr=True, rts=False), open_port=lambda *_, **__: port)
    await made.open(Sink())
    assert seen == [("dtr before open", True), ("rts before open", False)]
    seen.clear()
    await made.pulse((LineStep(False, True, 1), LineStep(False, False, 1)))
    assert seen == [("dtr", False), ("rts", True), ("dtr", False), ("rts", False), ("dtr", True), ("rts", False)]
    await made.close()


async def test_a_pulse_on_a_port_without_lines_does_nothing(transport: SerialTransport, sink: Sink, line: Pty) -> None:
    await transport.pulse((LineStep(False, True, 1),))
    line.write(b"still here")
    await until(lambda: bytes(sink.data) == b"still here")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("could not open port 'COM9': FileNotFoundError(2, 'not found', None, 2)", "port_missing"),
        ("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)", "port_busy"),
        ("could not open port 'COM3': OSError(22, 'semaphore timeout', None, 121)", "io_error"),
    ],
)
def test_windows_errors_are_told_from_pyserials_text(text: str, code: str) -> None:
    assert open_error("COM3", serial.SerialException(text)).code == code


def test_windows_access_denied_on_an_open_port_means_it_is_gone() -> None:
    assert lost_error("COM3", serial.SerialException("ClearCommError failed (PermissionError(13, ...))")).code == (
        "port_vanished"
    )


def test_an_unexpected_exception_is_an_io_error_that_names_it() -> None:
    error = lost_error("x", ZeroDivisionError())
    assert (error.code, error.detail) == ("io_error", "x: ZeroDivisionError")
