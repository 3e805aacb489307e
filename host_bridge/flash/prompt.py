"""MicroPython's prompt on a board, by way of mpremote's transport: who the board is, and its files.

mpremote's functions take paths and bytes; what it raises becomes FlashError here, and what it prints is thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import io
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from host_bridge.flash.errors import FlashError, missing_tool
from host_bridge.flash.payload import MPY_VERSION, LaidFile
from host_bridge.hub.transport import RESET_PULSE, TransportError, open_error
from host_bridge.state import Text

PROMPT_TIMEOUT_S: Final = 3
BREAK_IN_S: Final = 1.6  # the hub leaves Ctrl-C to a technician for its first second
CTRL_C_EVERY_S: Final = 0.05
INTERRUPT: Final = b"\r\x03\x02"  # Ctrl-B leaves a raw prompt that somebody left open
PROMPT: Final = b">>> "
SEEN_BYTES: Final = 64
CHUNK_BYTES: Final = 512
FILES_LIMIT: Final = 500  # a board with more than that is no hub of ours
MICROPYTHON_MIN: Final = (1, 24)
NEW: Final = ".new"  # a file being written; renamed when it is whole

_IDENTIFY = """
import sys, os
try:
    import machine
    _id = machine.unique_id()
except (ImportError, AttributeError):
    _id = b''
_i = sys.implementation
print(repr((tuple(_i.version[:3]), getattr(_i, '_machine', os.uname()[4]), getattr(_i, '_build', ''),
    getattr(_i, '_mpy', 0) & 0xff, bytes(_id))))
"""
# (path, size, sha256) of each file below the folders and of the files named.
_LIST = """
import os, hashlib, binascii
def _file(p, size):
    h = hashlib.sha256()
    f = open(p, 'rb')
    while True:
        b = f.read(512)
        if not b:
            break
        h.update(b)
    f.close()
    print(repr((p, size, binascii.hexlify(h.digest()).decode())) + ',')
def _walk(d):
    for e in os.ilistdir(d or '/'):
        p = d + '/' + e[0] if d else e[0]
        if e[1] & 0x4000:
            _walk(p)
        else:
            _file(p, os.stat(p)[6])
_walk('')
"""

# Ctrl-C may have come before the hub had read that it was asked for the prompt: its next start would give it again.
# Whatever firmware is there, none, damaged or of another version, may fail at this in any way: it is about to be
# replaced or was just verified, and what follows, the reset, must not depend on it.
_GIVEN = """
try:
    from hub import survival
    survival.forgive_boot()
except Exception:
    pass
"""

# The block size of what is mounted as /; 0 if nothing is.
_MOUNTED = "import os\nprint(os.statvfs('/')[0])"
# What MicroPython does at its first start. An ESP32 does it only where its flash is blank: else it repeats until Ctrl-C
# that the file system is damaged (inisetup.py), and has none. One that can be mounted is left as it is.
_MOUNT_OR_FORMAT = """
import vfs
try:
    from flashbdev import bdev
    _kind, _how = (vfs.VfsFat if bdev.info()[4] == 'ffat' else vfs.VfsLfs2), {}
except ImportError:
    import rp2
    bdev, _kind, _how = rp2.Flash(), vfs.VfsLfs2, {'progsize': 256}
try:
    vfs.mount(_kind(bdev, **_how), '/')
except OSError:
    _kind.mkfs(bdev, **_how)
    vfs.mount(_kind(bdev, **_how), '/')
"""


class Identity(NamedTuple):
    """What MicroPython says about the board it runs on."""

    version: tuple[int, int, int]
    machine: str  # "Raspberry Pi Pico W with RP2040"
    build: str  # "RPI_PICO_W"; "" before MicroPython 1.25
    mpy_version: int
    unique_id: bytes


class FileOnBoard(NamedTuple):
    size: int
    sha256: str


class Prompt:
    """A board at MicroPython's prompt. Use `open_prompt`; close it with `with`."""

    def __init__(self, transport: Any, port: str) -> None:
        self._transport = transport
        self._port = port

    def __enter__(self) -> Prompt:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._transport.close()

    def identify(self) -> Identity:
        """Ask the board who it is. Raises FlashError if its MicroPython is too old."""
        version, machine, build, mpy_version, unique_id = self._value(_IDENTIFY)
        who = Identity(tuple(version), machine, build, mpy_version, unique_id)
        wanted = ".".join(map(str, MICROPYTHON_MIN))
        found = ".".join(map(str, who.version))
        if who.version[:2] < MICROPYTHON_MIN or who.mpy_version != MPY_VERSION:
            raise FlashError(
                Text(
                    f"expected MicroPython {wanted} or later, found {found}",
                    f"需要 MicroPython {wanted} 或更高，当前为 {found}",
                ),
                Text(
                    "Put a newer MicroPython on the board first: counterhub flash --image FILE",
                    "请先升级 MicroPython：counterhub flash --image 文件",
                ),
            )
        return who

    def has_file_system(self) -> bool:
        return bool(self._value(_MOUNTED))

    def make_file_system(self) -> None:
        """Mount the board's file system, or format it if it can't be mounted. Raises FlashError."""
        self._do(lambda: self._transport.exec(_MOUNT_OR_FORMAT), "/")

    def files(self) -> dict[str, FileOnBoard]:
        """Every file on the board, with its hash."""
        found = self._value(f"{_LIST}", wrap="[%s]")
        return {path: FileOnBoard(size, sha256) for path, size, sha256 in found[:FILES_LIMIT]}

    def read(self, path: str) -> bytes:
        return bytes(self._do(lambda: self._transport.fs_readfile(path, CHUNK_BYTES), path))

    def write(self, file: LaidFile, progress: Callable[[int], None]) -> None:
        """Write a file so that at each moment either the old one stands there, or the new one, or none; never half."""
        self._make_folder(file.path)
        new = file.path + NEW
        self._do(
            lambda: self._transport.fs_writefile(new, file.data, CHUNK_BYTES, lambda done, _total: progress(done)), new
        )
        # FAT, on old ESP32 boards, doesn't rename over a file.
        self._run(
            f"import os\ntry:\n os.rename({new!r}, {file.path!r})\n"
            f"except OSError:\n os.remove({file.path!r})\n os.rename({new!r}, {file.path!r})"
        )

    def remove(self, path: str) -> None:
        """Remove a file; one that isn't there is no error."""
        self._run(f"import os\ntry:\n os.remove({path!r})\nexcept OSError:\n pass")

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder; one that isn't there, or isn't empty, stays as it is."""
        self._run(f"import os\ntry:\n os.rmdir({path!r})\nexcept OSError:\n pass")

    def sync(self) -> None:
        self._run("import os\nif hasattr(os, 'sync'):\n os.sync()")

    def leave(self) -> None:
        """Back from the raw prompt to the one for people."""
        self._run(_GIVEN)
        self._do(self._transport.exit_raw_repl, "")

    def reset(self) -> None:
        """Start the board anew; the prompt is gone."""
        with contextlib.suppress(OSError), _silenced():
            self._transport.exec_raw_no_follow(_GIVEN + "import machine\nmachine.reset()\n")
            time.sleep(0.1)  # the bytes are under way; closing the port would throw them away

    def _make_folder(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            folder = "/".join(parts[:end])
            self._run(f"import os\ntry:\n os.mkdir({folder!r})\nexcept OSError:\n pass")

    def _run(self, code: str) -> bytes:
        return bytes(self._do(lambda: self._transport.exec(code), ""))

    def _value(self, code: str, wrap: str = "%s") -> Any:
        import ast

        said = self._run(code).decode("utf-8", "replace").strip()
        try:
            return ast.literal_eval(wrap % said)
        except (ValueError, SyntaxError) as error:
            raise FlashError(
                Text(
                    f"{self._port}: the board's answer makes no sense: {said[:80]!r}",
                    f"{self._port}：开发板应答异常：{said[:80]!r}",
                )
            ) from error

    def _do(self, action: Callable[[], Any], path: str) -> Any:
        from mpremote.transport import TransportError as PromptError
        from mpremote.transport import TransportExecError

        try:
            with _silenced():
                return action()
        except TransportExecError as error:
            raise self._said(error.error_output, path) from error
        except (PromptError, OSError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:  # the board's, which mpremote makes one of ours
                raise self._said("ENOSPC", path) from error
            raise lost(self._port, error) from error

    def _said(self, traceback: str, path: str) -> FlashError:
        last = (traceback.strip().splitlines() or [""])[-1]
        if "ENOSPC" in last or "Errno 28" in last:
            return FlashError(
                Text("the board's file system is full", "开发板存储空间已满"),
                Text(
                    "Remove files of your own from it, or counterhub erase it.",
                    "请删除其中的其他文件，或用 counterhub erase 清空。",
                ),
            )
        return FlashError(Text(f"the board reports about {path}: {last}", f"开发板报告 {path} 出错：{last}"))


def lost(port: str, error: BaseException) -> FlashError:
    """The board went away in the middle."""
    return FlashError(
        Text(f"{port}: the board stopped answering ({error})", f"{port}：开发板没有应答（{error}）"),
        Text(
            "Plug the cable in and give the same command again: it goes on.", "请插好线缆，再执行一次相同命令即可继续。"
        ),
    )


def open_prompt(port: str, *, pulse: bool = False) -> Prompt | None:
    """The prompt of the board on a port, or None if it doesn't show one.

    `pulse`: reset the board by RTS first, as an ESP32's auto-program circuit does. Raises FlashError if the port can't
    be opened.
    """
    if find_spec("mpremote") is None:
        raise missing_tool("mpremote")
    from mpremote.transport import TransportError as PromptError
    from mpremote.transport_serial import SerialTransport

    try:
        with _silenced():
            transport = SerialTransport(port, timeout=PROMPT_TIMEOUT_S)
    except (PromptError, OSError) as error:
        raise port_error(port) from error
    try:
        with _silenced():
            if pulse:
                _pulse(transport.serial)
            shown = _break_in(transport.serial)
            if shown:  # mpremote would wait for it without end on a port where something else is said all the time
                transport.enter_raw_repl(soft_reset=False, timeout_overall=PROMPT_TIMEOUT_S)
    except (PromptError, OSError):
        with contextlib.suppress(OSError):
            transport.close()
        return None
    if not shown:
        with contextlib.suppress(OSError):
            transport.close()
        return None
    return Prompt(transport, port)


def port_error(port: str) -> FlashError:
    """Why a port can't be opened, as the bridge would say it."""
    import serial

    try:
        serial.serial_for_url(port, exclusive=True, timeout=0).close()
    except (OSError, ValueError) as error:
        failed: TransportError = open_error(port, error)
        remedy = failed.remedy or ""
        if failed.code == "port_busy":
            remedy = f"{remedy} A running bridge holds the port: stop it first.".strip()
        return FlashError(Text(str(failed), f"{port} 无法打开：{failed}"), Text(remedy, remedy) if remedy else None)
    return FlashError(Text(f"{port} could not be opened", f"{port} 无法打开"))


def _pulse(port: Any) -> None:
    for step in RESET_PULSE:
        port.dtr, port.rts = step.dtr, step.rts
        time.sleep(step.hold_ms / 1000)
    port.dtr = port.rts = True


def _break_in(port: Any) -> bool:
    """Ctrl-C and Ctrl-B until the prompt shows; False if the hub's first second went by without it."""
    until = time.monotonic() + BREAK_IN_S
    seen = b""
    while time.monotonic() < until:
        port.write(INTERRUPT)
        time.sleep(CTRL_C_EVERY_S)
        seen = (seen + port.read(port.in_waiting))[-SEEN_BYTES:]
        if PROMPT in seen:
            return True
    return False


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """mpremote prints what it did not expect; an error here says it better."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
