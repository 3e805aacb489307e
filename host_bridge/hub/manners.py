"""How a board wants its port to be treated: the `[host]` section of its board file.

Moving DTR and RTS resets some boards, puts others into their loader, and does nothing to the rest. Which board it is,
the configuration says, or the port's USB ids.
"""

from __future__ import annotations

import os
from functools import lru_cache

from host_bridge.boards import files
from host_bridge.boards.schema import Host
from host_bridge.hub import ports


def host_of(board: str) -> Host:
    """The `[host]` section of a board file by name or path. Raises ValueError, OSError, files.UnknownBoard."""
    return files.parse(files.read(board).text).host


def board_error(board: str | None) -> str | None:
    """Why a setting can't name this board file; None if it can."""
    try:
        if board is not None:
            host_of(board)
    except files.UnknownBoard:
        return f"there is no {board!r}"
    except (OSError, ValueError) as error:  # a TOML or msgspec error is a ValueError
        return str(error)
    return None


def manners_of(port: str, comports: ports.ComPorts = ports.system_comports) -> Host | None:
    """What the board files say of a port with its USB ids; None if they know none like it. For a worker thread."""
    if ports.is_url(port):
        return None
    real = os.path.realpath(port) if os.name == "posix" else port
    for each in comports():
        if each.device in (port, real) and each.vid is not None and each.pid is not None:
            return _by_usb_id().get(f"{each.vid:04x}:{each.pid:04x}")
    return None


def may_pulse(host: Host | None) -> bool:
    """Whether a pulse on RTS can help: not where it does nothing, nor where it starts the chip's loader."""
    return host is None or host.dtr_rts == "auto_program"


def udev_rules() -> str:
    """Rules for Linux that let people open a hub's port, and keep ModemManager away, which probes new ports."""
    lines = [f"# Counterhub's boards. To be laid at {ports.UDEV_FILE}"]
    for usb_id in sorted(_by_usb_id()):
        vendor, product = usb_id.split(":")
        match = f'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"'
        lines.append(f'{match}, ENV{{ID_MM_DEVICE_IGNORE}}="1", GROUP="dialout", MODE="0660", TAG+="uaccess"')
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1)
def _by_usb_id() -> dict[str, Host]:
    found: dict[str, Host] = {}
    for name in files.shipped():
        host = host_of(name)
        for usb_id in host.usb_ids:
            found.setdefault(usb_id, host)
    return found
