"""A board on a pseudo-terminal: MicroPython's raw prompt, a file system in a folder, and a hub that greets.

The prompt's commands are run by CPython with the few modules of MicroPython's that flashing uses. What is tested
against it is the real mpremote, byte for byte.
"""

from __future__ import annotations

import binascii
import builtins
import errno
import hashlib
import io
import json
import os
import re
import shutil
import threading
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hublink.link import HUB, Link
from hublink.profile import PROFILES

PROMPT = b">>> "


class PowerCut(BaseException):
    """The plug was pulled: nothing after this happens."""


def _evaluated(line: str) -> str:
    try:
        return repr(eval(line, {}))
    except Exception as error:  # the last of the link's bytes, on a hub that has just left it
        return repr(error)


class FakeBoard:
    """Power it with `with`; `port` is what a program opens."""

    def __init__(self, folder: Path, machine: str = "Raspberry Pi Pico with RP2040", build: str = "RPI_PICO") -> None:
        self.root = folder
        self.root.mkdir(parents=True, exist_ok=True)
        self.machine, self.build = machine, build
        self.version: tuple[int, int, int] = (1, 28, 0)
        self.cut_after: int | None = None  # operations on the file system
        self.operations = 0
        self.renames_over = True
        self.full_after_bytes: int | None = None
        self.formatted = True  # else its flash holds what no file system is, and isn't blank
        self.mounted = True
        self.boots = 0
        self.running = False
        self.obeys = True  # its firmware knows how to give the prompt when it is asked
        self.interrupted = False  # Ctrl-C comes before its firmware has read that it was asked
        self._asked = False  # and the next start will read it
        self.flags = 0  # of its HELLO
        self.greets_as: str | None = None  # a board other than the one of its file
        self._link: Any = None
        self._raw = False
        self._line = ""  # typed at the prompt
        self._complains = False  # about its file system, until Ctrl-C
        self._globals: dict[str, Any] = {}
        self._stop = threading.Event()
        self._master, self._slave = os.openpty()
        self._plain()
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> FakeBoard:
        self._boot()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        os.close(self._slave)
        os.close(self._master)

    def replug(self, *, button: bool = False) -> None:
        """Pull the plug and put it back in; with the safe-mode button held down or not."""
        self._boot(button=button)

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes() for path in self.root.rglob("*") if path.is_file()
        }

    # -- the chip ------------------------------------------------------------------------------------------------

    def _plain(self) -> None:
        import termios
        import tty

        tty.setraw(self._slave)
        attributes = termios.tcgetattr(self._slave)
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)

    def _boot(self, *, button: bool = False) -> None:
        self.boots += 1
        self._raw = False
        self._globals = {}
        self.mounted = self.formatted
        self._complains = not self.formatted
        self.running = self.mounted and (self.root / "main.py").exists() and not button and not self._asked
        self._asked = False
        self._link = None
        if self._complains:
            self._say(b"The filesystem appears to be corrupted.\r\n")
        elif not self.running:
            self._say(b'\r\nMicroPython v1.28.0; Type "help()" for more information.\r\n' + PROMPT)

    def _live(self) -> None:
        os.set_blocking(self._master, False)
        buffer = bytearray()
        while not self._stop.is_set():
            try:
                buffer += os.read(self._master, 4096)
            except (BlockingIOError, OSError):
                time.sleep(0.002)
            if self.running:  # the link has the console: Ctrl-C is a byte like any other
                self._talk(bytes(buffer))
                buffer.clear()
                continue
            try:
                self._type(buffer)
            except PowerCut:
                buffer.clear()
                self.cut_after = None
                self._boot()

    def _talk(self, data: bytes) -> None:
        """The hub's program: its link, and the one message that counts here."""
        now = int(time.monotonic() * 1000) & 0x3FFFFFFF
        link = self._link
        if link is None:
            new: Any = Link
            link = self._link = new(HUB, PROFILES["usb"], hello=self._hello, trace_frames=0)
            link.start(now)
        link.receive(data, now)
        link.handle_timer(now)
        while (event := link.next_event()) is not None:
            if event[:2] == ("message", "prompt") and self.obeys:
                self._boot(button=True)
                self._asked = self.interrupted
                return
        while self._link is link and (frame := link.data_to_send(now)):  # else: replugged by the test meanwhile
            self._say(bytes(frame))

    def _hello(self) -> dict[str, Any]:
        board = json.loads((self.root / "board.json").read_bytes())
        return {
            "hub_id": b"hub-0001", "boot_id": b"boot-001", "boots": self.boots, "reset_cause": 1, "flags": self.flags,
            "job": bytes(8), "job_phase": 0, "job_received_bytes": 0, "scan_oldest": 0, "scan_next": 0,
            "name": board.get("hub_name", board["name"]), "board": self.greets_as or board["name"],
            "firmware": "0.1.0", "crumb": "",
        }  # fmt: skip

    def _say(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:  # nobody reads
                if self.running or self._stop.wait(0.002):
                    return

    # -- the prompt ----------------------------------------------------------------------------------------------

    def _type(self, buffer: bytearray) -> None:
        while buffer:
            if not self._raw:
                key = buffer.pop(0)
                if self._complains and key != 3:
                    continue
                if key == 3:
                    self._complains = False
                    self._say(b"\r\n" + PROMPT)
                elif key == 2:
                    self._say(b"\r\nMicroPython v1.28.0\r\n" + PROMPT)
                elif key == 1:
                    self._raw = True
                    self._say(b"raw REPL; CTRL-B to exit\r\n>")
                elif key == 0x0D:
                    line, self._line = self._line, ""
                    self._say(b"\r\n" + (_evaluated(line) + "\r\n" if line else "").encode() + PROMPT)
                else:
                    self._line += chr(key)
                    self._say(bytes([key]))
                continue
            if buffer.startswith(b"\x05A\x01"):
                del buffer[:3]
                self._say(b"R\x00")  # raw paste is known, and isn't there
                continue
            if buffer[0] == 0x0D:
                del buffer[0]
                continue
            end = buffer.find(b"\x04")
            control = re.search(rb"[\x01\x02\x03]", bytes(buffer if end < 0 else buffer[:end]))
            if control is not None:  # what was typed before it is forgotten
                del buffer[: control.end()]
                if control[0] == b"\x01":
                    self._say(b"raw REPL; CTRL-B to exit\r\n>")
                elif control[0] == b"\x02":
                    self._raw = False
                    self._say(b"\r\n" + PROMPT)
                continue
            if end < 0:
                return
            code = bytes(buffer[:end]).decode()
            del buffer[: end + 1]
            self._execute(code)

    def _execute(self, code: str) -> None:
        self._say(b"OK")
        out, failure = io.StringIO(), ""
        self._globals["__builtins__"] = self._builtins(out)
        try:
            exec(code, self._globals)
        except Exception:
            failure = traceback.format_exc()
        if self.running:  # it was reset
            return
        self._say(out.getvalue().encode().replace(b"\n", b"\r\n") + b"\x04" + failure.encode() + b"\x04>")

    def _builtins(self, out: io.StringIO) -> dict[str, Any]:
        modules = {
            "os": self._os(),
            "sys": types.SimpleNamespace(
                implementation=types.SimpleNamespace(
                    version=(*self.version, ""), _machine=self.machine, _build=self.build, _mpy=0x1306
                )
            ),
            "machine": types.SimpleNamespace(unique_id=lambda: b"\xe6\x60\x58\x38", reset=self._boot),
            "hashlib": hashlib,
            "binascii": binascii,
            "vfs": self._vfs(),
        }
        if self.build.startswith("ESP32"):
            partition = (1, 0x81, 0x200000, 0x200000, "vfs", False)
            modules["flashbdev"] = types.SimpleNamespace(bdev=types.SimpleNamespace(info=lambda: partition))
        else:
            modules["rp2"] = types.SimpleNamespace(Flash=object)
        if (self.root / "main.py").exists():
            modules["hub"] = types.SimpleNamespace(survival=types.SimpleNamespace(forgive_boot=self._forget_asking))

        def import_(name: str, *_: object) -> Any:
            if name not in modules:
                raise ImportError(name)
            return modules[name]

        def print_(*values: object, end: str = "\n") -> None:
            print(*values, end=end, file=out)

        return {**vars(builtins), "open": self._open, "print": print_, "__import__": import_}

    def _forget_asking(self) -> None:
        self._asked = False

    def _operate(self) -> None:
        self.operations += 1
        if self.cut_after is not None and self.operations > self.cut_after:
            raise PowerCut

    def _path(self, name: str) -> Path:
        if not self.mounted:
            raise OSError(errno.ENODEV, "ENODEV")
        return self.root / name.lstrip("/")

    def _vfs(self) -> types.SimpleNamespace:
        board = self

        class VfsLfs2:
            def __init__(self, _device: object, **_how: int) -> None:
                if not board.formatted:
                    raise OSError(errno.EFAULT, "LFS_ERR_CORRUPT")

            @staticmethod
            def mkfs(_device: object, **_how: int) -> None:
                board._operate()
                board.formatted = False
                for path in board.root.iterdir():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                board._operate()
                board.formatted = True

        def mount(_file_system: object, _path: str) -> None:
            self.mounted = True

        return types.SimpleNamespace(VfsLfs2=VfsLfs2, VfsFat=None, mount=mount)

    def _open(self, name: str, mode: str = "r") -> Any:
        if "w" not in mode:
            return self._path(name).open(mode)
        self._operate()
        file = self._path(name).open(mode, buffering=0)
        return types.SimpleNamespace(write=lambda data: self._write(file, data), close=file.close)

    def _write(self, file: Any, data: bytes) -> int:
        self._operate()
        if self.full_after_bytes is not None and sum(map(len, self.files().values())) > self.full_after_bytes:
            raise OSError(errno.ENOSPC, "ENOSPC")
        return int(file.write(data))

    def _os(self) -> types.SimpleNamespace:
        def changing(action: Callable[..., object]) -> Callable[..., object]:
            def act(*names: str) -> object:
                self._operate()
                return action(*(self._path(name) for name in names))

            return act

        def rename(old: Path, new: Path) -> None:
            if new.exists() and not self.renames_over:
                raise OSError(errno.EEXIST, "EEXIST")
            old.replace(new)

        def ilistdir(name: str) -> list[tuple[str, int, int, int]]:
            if not self.mounted:  # what is mounted elsewhere would be listed
                return []
            return [
                (path.name, 0x4000 if path.is_dir() else 0x8000, 0, path.stat().st_size)
                for path in sorted(self._path(name).iterdir())
            ]

        def stat(name: str) -> tuple[int, ...]:
            path = self._path(name)
            return (0x4000 if path.is_dir() else 0x8000, 0, 0, 0, 0, 0, path.stat().st_size, 0, 0, 0)

        def statvfs(_name: str) -> tuple[int, ...]:
            return (4096, 4096, 512, 500, 500, 0, 0, 0, 0, 255) if self.mounted else (0,) * 9 + (128,)

        return types.SimpleNamespace(
            ilistdir=ilistdir, stat=stat, statvfs=statvfs, mkdir=changing(Path.mkdir), remove=changing(Path.unlink),
            rmdir=changing(Path.rmdir), rename=changing(rename), sync=lambda: None,
            uname=lambda: ("rp2", "rp2", "1.28.0", "v1.28.0", self.machine),
        )  # fmt: skip
