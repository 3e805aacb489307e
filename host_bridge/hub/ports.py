"""Which serial ports there are, which of them may be a hub, and what keeps a port from being opened.

Everything here asks the operating system and may take some milliseconds: call it from a worker thread.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol

import msgspec
from serial.tools import list_ports as serial_list_ports

AUTO = "auto"
UDEV_FILE = "/etc/udev/rules.d/60-counterhub.rules"
UDEV_COMMAND = f"counterhub ports --udev | sudo tee {UDEV_FILE}"
PROC_SCAN_LIMIT_MS = 200  # looking for the program that holds a port is a courtesy, never a wait
RASPBERRY_PI_VENDOR = 0x2E8A
ESPRESSIF_VENDOR = 0x303A
# (vendor, product or None for any): the UART bridge chips on ESP32 boards and on USB-to-serial cables
UART_BRIDGES: tuple[tuple[int, int | None], ...] = ((0x10C4, 0xEA60), (0x1A86, None), (0x0403, None))

Problem = Literal["permission_denied", "busy"]


class PortInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One serial port of this machine."""

    device: str
    description: str = ""
    manufacturer: str | None = None
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    looks_like_hub: bool = False
    problem: Problem | None = None
    problem_detail: str | None = None  # who holds it, or which group is needed
    remedy: str | None = None


class ComPort(Protocol):
    """What this module reads of pyserial's ``ListPortInfo``."""

    device: str
    description: str
    manufacturer: str | None
    vid: int | None
    pid: int | None
    serial_number: str | None


ComPorts = Callable[[], Iterable[ComPort]]


def system_comports() -> Iterable[ComPort]:
    """Return what pyserial finds on this machine."""
    return serial_list_ports.comports()


def list_ports(comports: ComPorts = system_comports) -> list[PortInfo]:
    """Return every serial port, likely hubs first, each with what is in the way of opening it."""
    ports = sorted(comports(), key=lambda port: (_rank(port.vid, port.pid), port.device))
    return [_inspect(port) for port in ports]


def resolve(port: str, comports: ComPorts = system_comports) -> list[str]:
    """Return what to try for ``port`` ("auto", a path or name, a pyserial URL), best first; ValueError if empty."""
    if not port.strip():
        raise ValueError('expected a port such as "auto", "/dev/ttyACM0", "COM3" or "socket://host:port", got nothing')
    if port != AUTO:
        return [port]
    found = [each for each in comports() if looks_like_hub(each.vid, each.pid)]
    return [each.device for each in sorted(found, key=lambda each: (_rank(each.vid, each.pid), each.device))]


def looks_like_hub(vid: int | None, pid: int | None) -> bool:
    """Whether a board with these USB ids may be a hub; only its HELLO proves it."""
    return _rank(vid, pid) < _RANK_OTHER


def transport_name(port: str, comports: ComPorts = system_comports) -> str:
    """Return what carries the link on ``port``: "USB CDC", "UART", "TCP", "pty" or "loop"."""
    if is_url(port):
        return "loop" if port.startswith("loop:") else "TCP"
    real = os.path.realpath(port) if os.name == "posix" else port
    if real.startswith("/dev/pts/"):
        return "pty"
    for each in comports():
        if each.device in (port, real):
            return "USB CDC" if _rank(each.vid, each.pid) < _RANK_BRIDGE else "UART"
    return "USB CDC" if "ttyACM" in real or "usbmodem" in real else "UART"


def is_url(port: str) -> bool:
    """Whether ``port`` is a pyserial URL rather than the name of a local port."""
    return "://" in port


def port_users(device: str, limit_ms: int = PROC_SCAN_LIMIT_MS) -> list[str]:
    """Return who holds ``device`` as "name (pid 12)", as far as Linux tells within ``limit_ms``; elsewhere nothing."""
    if not sys.platform.startswith("linux") or is_url(device):
        return []
    target = os.path.realpath(device)
    deadline = time.monotonic() + limit_ms / 1000
    users = []
    for pid in _process_ids():
        if time.monotonic() > deadline:
            break
        if target in _open_files(pid):
            users.append(f"{_process_name(pid)} (pid {pid})")
    return users


def permission_remedy(device: str) -> str:
    """Return the sentence that gives this user the right to open ``device``."""
    if os.name != "posix":
        return f"Start the bridge as a user who may open {device}."
    group = _group_of(device) or "dialout"
    return (
        f"Add the user to the group {group}: sudo usermod -a -G {group} {_user_name()}; then log in again. "
        f"For everyone who sits at this machine: {UDEV_COMMAND}, then plug the hub in again."
    )


def busy_remedy(device: str, users: list[str]) -> str:
    """Return the sentence that frees ``device``."""
    if not users:
        return f"Close the other program that has {device} open."
    if any("ModemManager" in user for user in users):
        return (
            f"ModemManager is probing the port: keep it away from hubs by {UDEV_COMMAND}, then plug the hub in again."
        )
    return f"Close {', '.join(users)}, then try again."


_RANK_BRIDGE = 2
_RANK_OTHER = 3


def _rank(vid: int | None, pid: int | None) -> int:
    if vid == RASPBERRY_PI_VENDOR:
        return 0
    if vid == ESPRESSIF_VENDOR:
        return 1
    if any(vid == vendor and product in (None, pid) for vendor, product in UART_BRIDGES):
        return _RANK_BRIDGE
    return _RANK_OTHER


def _inspect(port: ComPort) -> PortInfo:
    problem: Problem | None = None
    detail = remedy = None
    if os.name == "posix" and not os.access(port.device, os.R_OK | os.W_OK) and os.path.exists(port.device):
        problem, remedy = "permission_denied", permission_remedy(port.device)
        group = _group_of(port.device)
        detail = f"needs the group {group}" if group else None
    else:
        own = f"(pid {os.getpid()})"
        users = [user for user in port_users(port.device) if not user.endswith(own)]
        if users:
            problem, detail, remedy = "busy", f"in use by {', '.join(users)}", busy_remedy(port.device, users)
    return PortInfo(
        device=port.device,
        description=port.description or "",
        manufacturer=port.manufacturer,
        vid=port.vid,
        pid=port.pid,
        serial_number=port.serial_number,
        looks_like_hub=looks_like_hub(port.vid, port.pid),
        problem=problem,
        problem_detail=detail,
        remedy=remedy,
    )


def _process_ids() -> Iterator[int]:
    try:
        names = os.listdir("/proc")
    except OSError:  # no /proc in this container: nothing to tell
        return
    for name in names:
        if name.isdecimal():
            yield int(name)


def _open_files(pid: int) -> set[str]:
    directory = f"/proc/{pid}/fd"
    found = set()
    try:
        for name in os.listdir(directory):
            found.add(os.readlink(f"{directory}/{name}"))
    except OSError:  # another user's process, or it ended meanwhile: what was read so far counts
        pass
    return found


def _process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read(64).strip()
    except OSError:
        return "a process"


def _group_of(device: str) -> str | None:
    if sys.platform == "win32":
        return None
    import grp

    try:
        return grp.getgrgid(os.stat(device).st_gid).gr_name
    except (OSError, KeyError):  # gone meanwhile, or a group without a name
        return None


def _user_name() -> str:
    if sys.platform == "win32":
        return "USER"
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a numeric user, as in a container
        return "$USER"
