"""What a board file (board_configs/*.toml) may say, key by key.

The same document, as JSON, is the hub's board file, without the keys of `NOT_FOR_THE_HUB`: those are for people, the
checker and whoever opens the port.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

NOT_FOR_THE_HUB: Final = ("title", "port", "wiring", "host")
ChipName = Literal["rp2040", "rp2350", "esp32", "esp32s3", "simulated"]
Pin = Annotated[int, Meta(ge=0, le=255, title="GPIO")]  # not the header's number; the checker knows which there are
UartNumber = Annotated[int, Meta(ge=0, le=255, title="UART")]
Level = Annotated[int, Meta(ge=0, le=1)]
BaudRate = Annotated[int, Meta(ge=300, le=3_000_000)]
BufferBytes = Annotated[int, Meta(ge=32, le=32_766)]  # what MicroPython's rp2 port takes
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the board file."""


class Link(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What carries the link to the bridge."""

    transport: Literal["usb", "uart"]  # usb: the chip's own USB, or MicroPython's console through the board's USB chip
    profile: Literal["usb", "uart"] | None = None  # the timing; otherwise the transport's
    uart: UartNumber | None = None
    tx: Pin | None = None
    rx: Pin | None = None
    baud_rate: BaudRate | None = None
    rx_buffer_bytes: BufferBytes | None = None
    tx_buffer_bytes: BufferBytes | None = None


class Printer(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The UART of the receipt printer."""

    uart: UartNumber
    tx: Pin
    rx: Pin
    cts: Pin | None = None  # high: the printer is busy
    # How the printer says that it takes nothing more, as it is set. Not given: by the cts line, if there is one.
    flow: Literal["none", "xon_xoff", "rts_cts", "dtr_dsr"] | None = None
    slack_bytes: Annotated[int, Meta(ge=2, le=1024)] | None = (
        None  # xon_xoff: what it still takes then; 16 if not given
    )
    sense: Pin | None = None  # sees the printer's power
    sense_on_level: Level = 1  # what it reads while the printer is on
    baud_rate: BaudRate
    rx_buffer_bytes: BufferBytes | None = None
    tx_buffer_bytes: BufferBytes | None = None


class Scanner(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The UART of the barcode scanner, and how it is kept from reading."""

    uart: UartNumber
    tx: Pin
    rx: Pin
    sense: Pin | None = None  # high: plugged in
    # none: it reads when it likes; pin: by its trigger line; serial_syn: by SYN T CR and SYN U CR (Honeywell,
    # Datalogic, set to serial trigger mode); gm65: by the command of GM65 modules, set to command mode.
    trigger: Literal["none", "pin", "serial_syn", "gm65"] = "none"
    trigger_pin: Pin | None = None  # where trigger is "pin"
    trigger_on_level: Level = 0  # the level that lets it read
    banner: Annotated[str, Meta(min_length=3, max_length=40)] | None = None  # how its greeting at power-on begins
    baud_rate: BaudRate
    rx_buffer_bytes: BufferBytes | None = None
    tx_buffer_bytes: BufferBytes | None = None


class Drawer(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cash drawer: on the hub's own pins, or on the printer's kick port."""

    wiring: Literal["gpio", "printer"]
    kick: Annotated[list[Pin], Meta(min_length=1, max_length=2)] | None = None  # drawers 1 and 2; high: current flows
    switch: Pin | None = None
    switch_closed_level: Level = 1  # what the switch, or the printer's status, reads with the drawer closed
    # On the printer's kick port: how many there are, and whether their cable carries a switch.
    drawers: Annotated[int, Meta(ge=1, le=2)] = 1
    has_switch: bool = True
    left_open_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 30_000  # open for longer is a fault; 0: never


class Indicator(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The status light."""

    kind: Literal["mono", "rgb", "ws2812", "onboard", "none"]
    pin: Pin | None = None  # mono, ws2812
    red: Pin | None = None  # rgb
    green: Pin | None = None
    blue: Pin | None = None
    active_level: Level = 1


class SafeMode(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The technician's button: held while the hub starts, it gives MicroPython's prompt, and nothing starts."""

    pin: Pin  # low while pressed


class Wiring(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands between the pins and the devices. For the picture and the checker; the hub does not read it."""

    printer: Literal["rs232", "ttl"] = "rs232"
    scanner: Literal["rs232", "ttl"] = "rs232"
    drawer_pull_down_ohms: Annotated[int, Meta(ge=100, le=1_000_000)] | None = None  # None: there is none
    light_resistor_ohms: Annotated[int, Meta(ge=47, le=10_000)] = 330


class Host(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the till sees of the board. The hub does not read it."""

    usb_ids: list[Annotated[str, Meta(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]] = []
    dtr: bool = True  # the levels while the port is open
    rts: bool = True
    # What moving them does. ignored: nothing; auto_program: resets the chip, or starts its loader, by two transistors;
    # usb_loader: the chip's own USB takes it as esptool's request.
    dtr_rts: Literal["ignored", "auto_program", "usb_loader"] = "ignored"


class Board(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A board file."""

    name: Name
    title: str = ""
    chip: ChipName
    port: str = ""  # MicroPython's name of the board, as in the name of its image
    hub_name: str | None = None
    watchdog_ms: Annotated[int, Meta(ge=1)]
    link: Link
    backup_link: Link | None = None  # a second way to the same bridge; takes over when the first fails
    printer: Printer | None = None
    scanner: Scanner | None = None
    drawer: Drawer | None = None
    indicator: Indicator | None = None
    safe_mode: SafeMode | None = None
    wiring: Wiring = Wiring()
    host: Host = Host()
