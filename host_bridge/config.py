"""The bridge's settings: one TOML file, checked key by key.

Each key is described once, here; `python -m host_bridge.config` writes docs/configuration.md from it.
"""

from __future__ import annotations

import difflib
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs
from msgspec import Meta

from host_bridge.address import Address
from host_bridge.hub.manners import board_error
from host_bridge.journal.limits import JournalLimits
from host_bridge.toml_document import NO_FILE, ConfigError, Document, read_text

MAX_HUBS = 32
MAX_VIRTUAL_HUBS = 8  # each is two processes
ONLY_HUB = "hub"  # the name of the one hub of [hub]
MAX_PORT = 65535

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_HUB_ID = re.compile("[0-9A-Fa-f]{16}")
# A hub's name is a folder and a part of addresses; it is shorter than an id, so that the two can't be mixed up.
_HUB_NAME = re.compile("[a-z][a-z0-9-]{0,14}")
_HUB_NAME_WORDS = "a letter, then letters, digits or -, all lower case, 15 at most"
_NOT_ON_WINDOWS = re.compile("con|prn|aux|nul|com[0-9]|lpt[0-9]")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


def _address_error(text: str) -> str | None:
    try:
        Address.parse(text)
    except ValueError as error:
        return str(error)
    return None


def _words_error(pattern: re.Pattern[str]) -> Callable[[tuple[str, ...]], str | None]:
    def check(values: tuple[str, ...]) -> str | None:
        return next((f"got {value!r}" for value in values if not pattern.fullmatch(value)), None)

    return check


def _once_error(values: tuple[str, ...]) -> str | None:
    return None if len(set(values)) == len(values) else "the same step stands there twice"


def _hub_id_error(value: str | None) -> str | None:
    return None if value is None or _HUB_ID.fullmatch(value) else f"got {value!r}"


def _empty_error(value: str | None) -> str | None:
    return "it is empty" if value is not None and not value.strip() else None


def _own_port_error(value: str | None) -> str | None:
    return '"auto" finds the first port, never the second' if value == "auto" else _empty_error(value)


class _Expected(msgspec.Struct, frozen=True):
    """A check that msgspec has no words for."""

    words: str
    error: Callable[[Any], str | None]


_LISTEN = _Expected("HOST:PORT, for example 127.0.0.1:9180 or [::1]:9180; port 0 takes a free one", _address_error)


_OPTIONAL_LISTEN = _Expected(_LISTEN.words, lambda value: None if value is None else _address_error(value))


def _says(description: str, expected: _Expected | None = None) -> Meta:
    return Meta(description=description, extra=None if expected is None else {"expected": expected})


_HUB_ID_WORDS = _Expected("16 hex digits, as `counterhub status` shows them", _hub_id_error)


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    """The hub and the way to it."""

    id: Annotated[
        str | None,
        _says(
            "The hub's own id: no other one is served, whatever is plugged in. Left out: whichever it is.",
            _HUB_ID_WORDS,
        ),
    ] = None

    port: Annotated[
        str,
        _says(
            '"auto" finds the hub by its USB ids and its greeting; or a port (`/dev/ttyACM0`, `COM5`), '
            "or a pyserial URL (`socket://till-hub:9181`).",
            _Expected('"auto", a port or a pyserial URL', _empty_error),
        ),
    ] = "auto"
    board: Annotated[
        str | None,
        _says(
            "The board file (a name of `counterhub boards list`, or a path) whose `[host]` says what DTR and RTS do to "
            "the hub. Left out: the one with the port's USB ids.",
            _Expected("a board file: a name of `counterhub boards list`, or a path", board_error),
        ),
    ] = None
    baud_rate: Annotated[int, Meta(ge=1200, le=4_000_000), _says("Speed of a UART port; USB ignores it.")] = 115_200
    backup_port: Annotated[
        str | None,
        _says(
            "A second port to the same hub. It takes over when the first goes silent or vanishes, and hands back; the "
            "hub's board file needs a `[backup_link]`.",
            _Expected("a port or a pyserial URL of its own", _own_port_error),
        ),
    ] = None
    backup_baud_rate: Annotated[
        int, Meta(ge=1200, le=4_000_000), _says("Speed of the backup port, as the board file says.")
    ] = 115_200
    recover: Annotated[
        tuple[Literal["reopen", "dtr_rts", "reset_line"], ...],
        _says(
            "What the bridge may do to a silent hub, mildest first: close and open the port, toggle DTR/RTS, pull the "
            "hub's reset line.",
            _Expected('a list of "reopen", "dtr_rts", "reset_line", each at most once', _once_error),
        ),
    ] = ("reopen",)
    reset_line: Annotated[
        str | None,
        _says(
            "The till's pin that the hub's reset is wired to, as adafruit-blinka names it: `D17` on a Raspberry Pi, "
            "`C0` on an FT232H. Needs `pip install 'counterhub[gpio]'` and `reset_line` in `recover`.",
            _Expected("the name of a pin", _empty_error),
        ),
    ] = None
    reset_line_active: Annotated[
        Literal["low", "high"],
        _says('The level that resets the hub: "low" straight to RUN or EN, "high" by a transistor with a pull-down.'),
    ] = "low"
    reset_line_ms: Annotated[int, Meta(ge=1, le=1000), _says("How long the line is pulled.")] = 100


class NamedHub(Hub, frozen=True, kw_only=True):
    """One of several hubs."""

    raw_listen: Annotated[
        str | None,
        _says("Where tills print raw on this hub's receipt printer. Left out: nowhere.", _OPTIONAL_LISTEN),
    ] = None


class HubPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where one hub of the configuration is served."""

    name: str
    hub: Hub
    state_path: Path  # the folder of its journal
    raw: Address | None


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """The native API and the page."""

    listen: Annotated[str, _says("Where to listen.", _LISTEN)] = "127.0.0.1:9180"
    allowed_hosts: Annotated[
        tuple[str, ...],
        _says(
            "Names besides localhost by which tills may call this machine.",
            _Expected('host names, for example "till-1.lan" or "till-1.lan:9180"', _words_error(_HOST)),
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        _says(
            "Web pages that may print and open the drawer.",
            _Expected('origins, for example "https://pos.example.com", without a path', _words_error(_ORIGIN)),
        ),
    ] = ()

    @property
    def address(self) -> Address:
        return Address.parse(self.listen)


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """The network printer: ESC/POS on a TCP port."""

    enabled: Annotated[bool, _says("Whether to offer it.")] = True
    listen: Annotated[str, _says("Where to listen.", _LISTEN)] = "127.0.0.1:9100"
    max_clients: Annotated[int, Meta(ge=1, le=1000), _says("Connections at a time; further ones are refused.")] = 32
    idle_flush_ms: Annotated[
        int,
        Meta(ge=100, le=600_000),
        _says("A connection that stays open and silent for so long has ended its job, cut or not."),
    ] = 3000

    @property
    def address(self) -> Address:
        return Address.parse(self.listen)


class Printer(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt printer."""

    confirm: Annotated[
        Literal["auto", "process_id", "gs_r", "none"],
        _says(
            'How the printer proves that a job was printed: "process_id" (`GS ( H`), "gs_r" (`GS r`), "none" (each '
            'job ends unconfirmed); "auto" finds out.'
        ),
    ] = "auto"
    confirm_timeout_ms: Annotated[
        int, Meta(ge=500, le=600_000), _says("How long to wait for that proof after a job's last byte.")
    ] = 30_000
    remember: Annotated[
        bool,
        _says(
            "Have the printer keep that question in its memory as a macro (`GS :`), so that a moment without power in "
            "the middle of a job shows. Switch it off only for a till that uses a macro over several receipts."
        ),
    ] = True
    max_job_bytes: Annotated[int, Meta(ge=1024, le=16 << 20), _says("The largest job taken.")] = 16 << 20
    max_queued_jobs: Annotated[int, Meta(ge=1, le=100_000), _says("Jobs that may wait; further ones are refused.")] = (
        500
    )
    max_queued_bytes: Annotated[int, Meta(ge=1024, le=1 << 34), _says("Bytes of jobs that may wait.")] = 64 << 20


class Drawer(msgspec.Struct, frozen=True, kw_only=True):
    """The cash drawer."""

    time_to_live_ms: Annotated[
        int, Meta(ge=100, le=30_000), _says("A drawer that has not opened by then stays shut.")
    ] = 2000
    on_ms: Annotated[int, Meta(ge=20, le=510), _says("Length of the pulse; the kick port allows 510 ms at most.")] = 100


class Scanner(msgspec.Struct, frozen=True, kw_only=True):
    """The barcode scanner."""

    expire_ms: Annotated[
        int,
        Meta(ge=500, le=3_600_000),
        _says("A scan that no till took by then is reported as expired: it must not fall to the next customer."),
    ] = 10_000


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The log, on the standard error stream and, where wanted, in a file."""

    format: Annotated[Literal["text", "json"], _says("Lines to read, or one JSON object a line.")] = "text"
    level: Annotated[Literal["debug", "info", "warning", "error"], _says("The least that is written.")] = "info"
    file: Annotated[
        str | None,
        _says(
            "A file to write to as well.",
            _Expected("a path", _empty_error),
        ),
    ] = None
    max_file_bytes: Annotated[int, Meta(ge=65_536, le=1 << 30), _says("At this size a new file is begun.")] = 10 << 20
    kept_files: Annotated[int, Meta(ge=1, le=100), _says("Full files to keep.")] = 5


class Virtual(msgspec.Struct, frozen=True, kw_only=True):
    """The virtual hub: the real firmware with simulated peripherals."""

    enabled: Annotated[bool, _says("Use it in place of a real hub.")] = False
    hubs: Annotated[
        int,
        Meta(ge=1, le=MAX_VIRTUAL_HUBS),
        _says(
            "How many, named hub1, hub2, …; the first prints raw at `raw.listen`, the next ones at the ports that "
            "follow. With `[hubs.NAME]` tables: one for each of them."
        ),
    ] = 1
    engine: Annotated[
        Literal["cpython", "micropython"],
        _says("What runs the firmware: this Python, or MicroPython as WebAssembly, which `make setup` installs."),
    ] = "cpython"
    emulated_pico: Annotated[
        str,
        _says(
            "A MicroPython image (`.uf2`) for the Raspberry Pi Pico: it runs the firmware on an emulated chip, slowly. "
            'Needs `pip install "counterhub[emulator]"`; Linux and macOS.'
        ),
    ] = ""
    print_speed_mm_per_s: Annotated[float, Meta(gt=0, le=10_000), _says("How fast the simulated printer prints.")] = (
        150.0
    )
    printer_baud_rate: Annotated[
        int, Meta(ge=1200, le=1_000_000), _says("Speed of the line from the simulated hub to its printer.")
    ] = 115_200
    drawer: Annotated[
        Literal["hub", "printer"],
        _says("Where the simulated drawer's cable is plugged in; a printer has a port for it."),
    ] = "hub"
    printer_flow: Annotated[
        Literal["rts_cts", "xon_xoff"],
        _says("How the simulated printer says that its buffer is full: by a line or a byte."),
    ] = "rts_cts"
    printer_power_signs: Annotated[
        tuple[Literal["sense", "line", "notice", "memory"], ...],
        _says(
            'What shows that the simulated printer lost its power: "sense", a pin of the hub; "line", the break of a '
            'printer wired without level adapter; "notice", what it says when it is on again; "memory", that it knows '
            "macros, and forgets them."
        ),
    ] = ("sense", "memory")
    baud_rate: Annotated[
        int, Meta(ge=0, le=4_000_000), _says("Speed of the simulated link; 0: as fast as it goes, like USB.")
    ] = 0
    backup_path: Annotated[bool, _says("Give it a second path to the bridge, with a cable of its own.")] = False


def default_state_dir() -> Path:
    """Where the journal lives on this platform for this user."""
    return Path(platformdirs.user_state_dir("counterhub", appauthor=False))


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings."""

    state_dir: Annotated[
        str,
        _says(
            "Folder of the journal. Left empty: `~/.local/state/counterhub` on Linux, "
            "`~/Library/Application Support/counterhub` on macOS, `%LOCALAPPDATA%\\counterhub` on Windows; "
            "with a virtual hub the folder `virtual` in it."
        ),
    ] = ""
    hub: Hub = Hub()
    hubs: dict[str, NamedHub] = {}
    http: Http = Http()
    raw: Raw = Raw()
    printer: Printer = Printer()
    drawer: Drawer = Drawer()
    scanner: Scanner = Scanner()
    journal: JournalLimits = JournalLimits()
    log: Log = Log()
    virtual: Virtual = Virtual()

    @property
    def state_path(self) -> Path:
        if self.state_dir:
            return Path(self.state_dir).expanduser()
        # What was played with must never come out of a real printer later.
        return default_state_dir() / "virtual" if self.virtual.enabled else default_state_dir()

    @property
    def several(self) -> bool:
        """Whether hubs have names: even one of [hubs.NAME] does."""
        return bool(self.hubs) or (self.virtual.enabled and self.virtual.hubs > 1)

    def places(self) -> list[HubPlace]:
        """The hubs to serve, one at least."""
        raw = self.raw.address if self.raw.enabled else None
        if not self.several:
            return [HubPlace(name=ONLY_HUB, hub=self.hub, state_path=self.state_path, raw=raw)]
        hubs = self.hubs or self._virtual_hubs(raw)
        return [
            HubPlace(
                name=name,
                hub=hub,
                state_path=self.state_path / "hubs" / name,
                raw=Address.parse(hub.raw_listen) if hub.raw_listen and self.raw.enabled else None,
            )
            for name, hub in hubs.items()
        ]

    def _virtual_hubs(self, raw: Address | None) -> dict[str, NamedHub]:
        hubs = {}
        for number in range(self.virtual.hubs):
            listen = None
            if raw is not None:
                listen = str(Address(raw.host, raw.port + number if raw.port else 0))
            hubs[f"hub{number + 1}"] = NamedHub(raw_listen=listen)
        return hubs


def load(path: Path | None, overrides: Mapping[str, object] | None = None) -> Config:
    """Read the file, if any; `overrides` ("http.listen": ...) win over it. Raises ConfigError."""
    document = Document("", NO_FILE) if path is None else Document(read_text(path), str(path))
    sections: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    hubs: dict[str, NamedHub] = {}
    for section, table in document.values.items():
        if section == "hubs":
            hubs = _named_hubs(table, document)
            continue
        field = _field(Config, section, (section,), document)
        if not _is_section(field):
            top[section] = _value(field, table, (section,), document)
            continue
        if not isinstance(table, dict):
            raise document.error((section,), f"{section} is a section: expected [{section}], got {_words(table)}")
        sections[section] = {
            key: _value(_field(field.type, key, (section, key), document), value, (section, key), document)
            for key, value in table.items()
        }
    for name, value in (overrides or {}).items():
        _override(name, value, top, sections)
    defaults = Config()
    built = {name: type(getattr(defaults, name))(**values) for name, values in sections.items()}
    config = Config(**top, **built, hubs=hubs)
    _check_together(config, document)
    if config.several and config.virtual.enabled and config.virtual.emulated_pico:
        raise document.error(
            ("virtual", "emulated_pico"), "virtual.emulated_pico is one hub: leave out virtual.hubs and [hubs.NAME]"
        )
    if config.several:
        _check_hubs(config, {name: set(values) for name, values in sections.items()}, document)
    return config


def describe() -> str:
    """All keys as Markdown: docs/configuration.md."""
    parts = [_INTRODUCTION]
    fields = msgspec.structs.fields(Config)
    parts.append(_table("", [field for field in fields if not _is_section(field) and field.name != "hubs"]))
    for field in fields:
        if field.name == "hubs":
            parts.append(_SEVERAL)
            own = [inner for inner in msgspec.structs.fields(NamedHub) if inner.name not in Hub.__struct_fields__]
            parts.append(_table(field.name, own))
        if _is_section(field):
            purpose = (field.type.__doc__ or "").strip().splitlines()[0]
            parts.append(f"## `[{field.name}]`\n\n{purpose}\n")
            parts.append(_table(field.name, msgspec.structs.fields(field.type)))
    return "\n".join(parts)


_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m host_bridge.config`; change the words in host_bridge/config.py. -->

`counterhub run --config FILE` reads a TOML file. Every key has a default, so the file holds only what differs:

```toml
[hub]
port = '/dev/ttyACM0'   # Windows: 'COM5'; single quotes, so that a backslash is a backslash

[http]
listen = "127.0.0.1:9180"
allowed_origins = ["https://pos.example.com"]
```

A key that isn't known, a wrong type or a value out of range stops the start, with the line and what was expected.
Flags of the command line win over the file.
"""


_SEVERAL = f"""\
## `[hubs.NAME]`

Several hubs on one machine, {MAX_HUBS} at most: a table each, in place of `[hub]`. NAME is {_HUB_NAME_WORDS}.
Each has a journal of its own in the folder `hubs/NAME` of `state_dir`, and its receipt printer an address of its own:

```toml
[hubs.till-1]
id = "e66141041b5c2f27"        # `counterhub status` and `counterhub ports --ask` show it
raw_listen = "127.0.0.1:9100"

[hubs.till-2]
port = "/dev/serial/by-path/platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0"
raw_listen = "127.0.0.1:9101"
```

The keys of `[hub]`, and with `port = "auto"` the `id` is needed: which hub is which till's must never depend on the
order in which cables were plugged in. All other sections count for every hub; `raw.listen` is not used.
"""


def _named_hubs(tables: object, document: Document) -> dict[str, NamedHub]:
    if not isinstance(tables, dict):
        raise document.error(("hubs",), f"hubs holds a table for each hub: expected [hubs.NAME], got {_words(tables)}")
    hubs = {}
    for name, table in tables.items():
        path = ("hubs", name)
        if not isinstance(table, dict):
            hint = (
                "one hub has [hub]; of several each has a table with its name"
                if name in Hub.__struct_fields__
                else None
            )
            raise document.error(path, f"expected a table [hubs.NAME], got hubs.{name} = {_words(table)}", hint)
        if not _HUB_NAME.fullmatch(name) or _NOT_ON_WINDOWS.fullmatch(name):
            taken = "; this one is a device on Windows" if _NOT_ON_WINDOWS.fullmatch(name) else ""
            raise document.error(path, f"a hub's name is {_HUB_NAME_WORDS}; got {name[:40]!r}{taken}")
        values = {
            key: _value(_field(NamedHub, key, (*path, key), document), value, (*path, key), document)
            for key, value in table.items()
        }
        hubs[name] = NamedHub(**values)
    if len(hubs) > MAX_HUBS:
        raise document.error(("hubs",), f"at most {MAX_HUBS} hubs, got {len(hubs)}")
    return hubs


def _override(name: str, value: object, top: dict[str, Any], sections: dict[str, dict[str, Any]]) -> None:
    document = Document("", NO_FILE)
    path = tuple(name.split("."))
    field = _field(Config, path[0], path, document)
    if len(path) == 1 and not _is_section(field):
        top[name] = _value(field, value, path, document)
        return
    if len(path) != 2 or not _is_section(field):
        raise ConfigError(NO_FILE, None, f"{name} is no key: expected SECTION.KEY")
    inner = _field(field.type, path[1], path, document)
    sections.setdefault(path[0], {})[path[1]] = _value(inner, value, path, document)


def _field(struct: Any, name: str, path: tuple[str, ...], document: Document) -> msgspec.structs.FieldInfo:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    if name in fields:
        return fields[name]
    kind = "section or key" if struct is Config else "key"
    raise document.error(path, f"unknown {kind} {'.'.join(path)}", _hint(name, path, list(fields)))


def _hint(name: str, path: tuple[str, ...], known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {'.'.join((*path[:-1], near[0]))}?"
    elsewhere = [
        f"{section.name}.{field.name}"
        for section in msgspec.structs.fields(Config)
        if _is_section(section)
        for field in msgspec.structs.fields(section.type)
        if field.name == name
    ]
    return f"did you mean {' or '.join(elsewhere)}?" if elsewhere else f"known here: {', '.join(known)}"


def _value(field: msgspec.structs.FieldInfo, value: Any, path: tuple[str, ...], document: Document) -> Any:
    name = ".".join(path)
    expected = _expected(field)
    try:
        converted = msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        raise document.error(path, f"{name}: expected {_range(field)}, got {_words(value)}") from error
    problem = expected.error(converted) if expected is not None else None
    if expected is not None and problem is not None:
        raise document.error(path, f"{name}: expected {expected.words}; {problem}")
    return converted


def _check_together(config: Config, document: Document) -> None:
    for place in config.places():
        if place.hub.backup_port is not None and place.hub.backup_port == place.hub.port:
            path = ("hubs", place.name, "backup_port") if config.hubs else ("hub", "backup_port")
            problem = f"port and backup_port are both {place.hub.port}: a backup is another port"
            raise document.error(path, problem)
        if ("reset_line" in place.hub.recover) != (place.hub.reset_line is not None):
            path = ("hubs", place.name, "reset_line") if config.hubs else ("hub", "reset_line")
            raise document.error(path, 'a pin as reset_line and "reset_line" in recover go together: one is missing')
    if config.virtual.backup_path and config.virtual.emulated_pico:
        problem = "virtual.backup_path: an emulated Pico's UARTs belong to its printer and its scanner"
        raise document.error(("virtual", "backup_path"), problem)
    http, raw = config.http.address, config.raw.address
    if config.raw.enabled and not config.hubs and http.port == raw.port != 0 and http.host == raw.host:
        raise document.error(("raw", "listen"), f"raw.listen and http.listen are both {raw}: give one another port")
    if config.printer.max_queued_bytes < config.printer.max_job_bytes:
        raise document.error(
            ("printer", "max_queued_bytes"),
            f"printer.max_queued_bytes ({config.printer.max_queued_bytes}) has no room for one job of "
            f"printer.max_job_bytes ({config.printer.max_job_bytes})",
        )
    if config.printer.max_queued_bytes > config.journal.max_bytes:
        raise document.error(
            ("printer", "max_queued_bytes"),
            f"printer.max_queued_bytes ({config.printer.max_queued_bytes}) does not fit into "
            f"journal.max_bytes ({config.journal.max_bytes})",
        )


def _check_hubs(config: Config, given: Mapping[str, set[str]], document: Document) -> None:
    """What only several hubs can get wrong. `given`: which keys were set, by section."""
    if config.hubs and "hub" in given:
        problem = "[hub] is for one hub, and [hubs.NAME] for several: give the one of [hub] a name and a table too"
        raise document.error(("hub",), problem)
    if config.hubs and "listen" in given.get("raw", ()):
        raise document.error(("raw", "listen"), "raw.listen is for one hub: of several each has its raw_listen")
    if config.hubs and config.virtual.hubs > 1:
        raise document.error(("virtual", "hubs"), "virtual.hubs: [hubs.NAME] says already which hubs there are")
    listening = {config.http.address: "http.listen"}
    ports: dict[str, str] = {}
    ids: dict[str, str] = {}
    for place in config.places():
        name, hub = place.name, place.hub
        path = ("hubs", name)
        if place.raw is not None and place.raw.port:
            other = listening.setdefault(place.raw, f"hubs.{name}.raw_listen")
            if other != f"hubs.{name}.raw_listen":
                raise document.error(
                    (*path, "raw_listen"),
                    f"hubs.{name}.raw_listen and {other} are both {place.raw}: give one another port",
                )
        if place.raw is not None and place.raw.port > MAX_PORT:
            raise document.error(("raw", "listen"), f"{name} would print at port {place.raw.port}: begin lower")
        if config.virtual.enabled:
            continue
        if hub.port == "auto" and hub.id is None:
            raise document.error(
                path,
                f'hubs.{name}: of several hubs each needs its id or its port: "auto" would serve whichever is found',
                "`counterhub ports --ask` shows the ids",
            )
        for key, value, seen in (("port", hub.port, ports), ("id", hub.id and hub.id.lower(), ids)):
            if value and value != "auto" and seen.setdefault(value, name) != name:
                raise document.error((*path, key), f"hubs.{name}.{key} and hubs.{seen[value]}.{key} are both {value}")


def _is_section(field: msgspec.structs.FieldInfo) -> bool:
    return isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)


def _metas(field: msgspec.structs.FieldInfo) -> list[Meta]:
    return [meta for meta in getattr(field.type, "__metadata__", ()) if isinstance(meta, Meta)]


def _expected(field: msgspec.structs.FieldInfo) -> _Expected | None:
    return next((meta.extra["expected"] for meta in _metas(field) if meta.extra and "expected" in meta.extra), None)


def _range(field: msgspec.structs.FieldInfo) -> str:
    """The values that a key takes, in words."""
    inner = typing.get_args(field.type)[0] if typing.get_origin(field.type) is Annotated else field.type
    words = _type_words(inner)
    for meta in _metas(field):
        low = meta.ge if meta.ge is not None else meta.gt
        if low is not None and meta.le is not None:
            words += f" {'from' if meta.ge is not None else 'above'} {low} to {meta.le}"
    return words


def _type_words(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin is tuple:
        return f"a list of {'texts' if arguments[0] is str else _type_words(arguments[0])}"
    if origin is types.UnionType:
        return _type_words(arguments[0])
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[annotation]


def _words(value: object) -> str:
    kinds = {
        bool: "",
        str: "the text ",
        int: "the number ",
        float: "the number ",
        list: "the list ",
        dict: "a section ",
    }
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return kinds.get(type(value), f"the {type(value).__name__} ") + (shown if len(shown) <= 80 else shown[:77] + "...")


def _table(section: str, fields: Sequence[msgspec.structs.FieldInfo]) -> str:
    rows = ["| key | values | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        description = " ".join(meta.description for meta in _metas(field) if meta.description)
        expected = _expected(field)
        values = expected.words if expected is not None else _range(field)
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        rows.append(f"| `{field.name}` | {values} | {_default_words(default)} | {description} |")
    return "\n".join(rows) + "\n"


def _default_words(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1 << 20 and value % (1 << 20) == 0:
        return f"`{value}` ({value >> 20} MiB)"
    return f"`{msgspec.json.encode(value).decode()}`"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(describe())
