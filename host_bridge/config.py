"""The bridge's settings: one TOML file, checked key by key.

Each key is described once, here; `python -m host_bridge.config` writes docs/configuration.md from it.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs
from msgspec import Meta

from host_bridge.journal.limits import JournalLimits

MAX_FILE_BYTES = 256 << 10
NO_FILE = "the command line"  # where a wrong value came from that is in no file

_HOST_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class ConfigError(Exception):
    """A setting can't be used. Says where, what was expected, what came, and what may have been meant."""

    def __init__(self, source: str, line: int | None, problem: str, hint: str | None = None) -> None:
        where = source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}: {problem}" + (f" ({hint})" if hint else ""))
        self.source = source
        self.line = line
        self.problem = problem
        self.hint = hint


class Address(msgspec.Struct, frozen=True):
    """HOST:PORT to listen at."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read HOST:PORT or [IPV6]:PORT. Raises ValueError."""
        host, colon, port = text.strip().rpartition(":")
        if not colon or not host:
            raise ValueError(f'no HOST:PORT in "{text}"')
        if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
            raise ValueError(f'the port is "{port}", expected 0 to 65535')
        if host.startswith("[") and host.endswith("]"):
            return cls(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        if ":" in host:
            raise ValueError(f"an IPv6 address needs brackets: [{host}]:{port}")
        if re.fullmatch(r"[0-9.]+", host):
            return cls(str(ipaddress.IPv4Address(host)), int(port))
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(f'"{host}" is no host name')
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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


def _empty_error(value: str | None) -> str | None:
    return "it is empty" if value is not None and not value.strip() else None


class _Expected(msgspec.Struct, frozen=True):
    """A check that msgspec has no words for."""

    words: str
    error: Callable[[Any], str | None]


_LISTEN = _Expected("HOST:PORT, for example 127.0.0.1:9180 or [::1]:9180; port 0 takes a free one", _address_error)


def _says(description: str, expected: _Expected | None = None) -> Meta:
    return Meta(description=description, extra=None if expected is None else {"expected": expected})


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    """The hub and the way to it."""

    port: Annotated[
        str,
        _says(
            '"auto" finds the hub by its USB ids and its greeting; or a port (`/dev/ttyACM0`, `COM5`), '
            "or a pyserial URL (`socket://till-hub:9181`).",
            _Expected('"auto", a port or a pyserial URL', _empty_error),
        ),
    ] = "auto"
    baud_rate: Annotated[int, Meta(ge=1200, le=4_000_000), _says("Speed of a UART port; USB ignores it.")] = 115_200
    recover: Annotated[
        tuple[Literal["reopen", "dtr_rts"], ...],
        _says(
            "What the bridge may do to a silent hub, mildest first: close and open the port, toggle DTR/RTS.",
            _Expected('a list of "reopen", "dtr_rts", each at most once', _once_error),
        ),
    ] = ("reopen",)


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
    engine: Annotated[
        Literal["cpython", "micropython"],
        _says("What runs the firmware: this Python, or MicroPython as WebAssembly, which `make setup` installs."),
    ] = "cpython"
    print_speed_mm_per_s: Annotated[float, Meta(gt=0, le=10_000), _says("How fast the simulated printer prints.")] = (
        150.0
    )
    printer_baud_rate: Annotated[
        int, Meta(ge=1200, le=1_000_000), _says("Speed of the line from the simulated hub to its printer.")
    ] = 115_200
    baud_rate: Annotated[
        int, Meta(ge=0, le=4_000_000), _says("Speed of the simulated link; 0: as fast as it goes, like USB.")
    ] = 0


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


def load(path: Path | None, overrides: Mapping[str, object] | None = None) -> Config:
    """Read the file, if any; `overrides` ("http.listen": ...) win over it. Raises ConfigError."""
    document = _Document("", NO_FILE) if path is None else _Document(_read(path), str(path))
    sections: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for section, table in document.values.items():
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
    config = Config(**top, **built)
    _check_together(config, document)
    return config


def describe() -> str:
    """All keys as Markdown: docs/configuration.md."""
    parts = [_INTRODUCTION]
    fields = msgspec.structs.fields(Config)
    parts.append(_table("", [field for field in fields if not _is_section(field)]))
    for field in fields:
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


class _Document:
    """A TOML text that can tell on which line something stands."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self._lines = text.split("\n")
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._syntax_error(error) from error

    def error(self, path: Sequence[str], problem: str, hint: str | None = None) -> ConfigError:
        return ConfigError(self.source, self.line(path), problem, hint)

    def line(self, path: Sequence[str]) -> int | None:
        """The line on which the key or section begins, whatever the notation: asked of the parser itself.

        The shortest readable beginning of the text that holds the key ends where its value ends.
        """
        if not self._holds(self.values, path):
            return None
        low, high = 0, len(self._lines)
        while low < high:
            middle = (low + high) // 2
            end, values = self._readable_from(middle)
            if self._holds(values, path):
                high = middle
            else:
                low = end + 1
        start = low
        while start > 1 and self._parse(start - 1) is None:
            start -= 1  # the value spans lines
        return start

    def _readable_from(self, count: int) -> tuple[int, dict[str, Any]]:
        while (values := self._parse(count)) is None:
            count += 1
        return count, values

    def _parse(self, count: int) -> dict[str, Any] | None:
        try:
            return tomllib.loads("\n".join(self._lines[:count]))
        except tomllib.TOMLDecodeError:
            return None

    @staticmethod
    def _holds(values: Any, path: Sequence[str]) -> bool:
        for name in path:
            if not isinstance(values, dict) or name not in values:
                return False
            values = values[name]
        return True

    def _syntax_error(self, error: tomllib.TOMLDecodeError) -> ConfigError:
        message = str(error)
        match = re.search(r"\(at line (\d+), column \d+\)", message)
        line = int(match[1]) if match else len(self._lines)
        hint = None
        if "\\" in self._lines[line - 1] and '"' in self._lines[line - 1]:
            hint = "a backslash needs single quotes around the value: 'C:\\path'"
        return ConfigError(self.source, line, f"not TOML: {message}", hint)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), None, f"can't be read: {error.strerror or error}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(str(path), None, f"larger than {MAX_FILE_BYTES} bytes: is it a configuration?")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), line, "not UTF-8: save the file as UTF-8") from error


def _override(name: str, value: object, top: dict[str, Any], sections: dict[str, dict[str, Any]]) -> None:
    document = _Document("", NO_FILE)
    path = tuple(name.split("."))
    field = _field(Config, path[0], path, document)
    if len(path) == 1 and not _is_section(field):
        top[name] = _value(field, value, path, document)
        return
    if len(path) != 2 or not _is_section(field):
        raise ConfigError(NO_FILE, None, f"{name} is no key: expected SECTION.KEY")
    inner = _field(field.type, path[1], path, document)
    sections.setdefault(path[0], {})[path[1]] = _value(inner, value, path, document)


def _field(struct: Any, name: str, path: tuple[str, ...], document: _Document) -> msgspec.structs.FieldInfo:
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


def _value(field: msgspec.structs.FieldInfo, value: Any, path: tuple[str, ...], document: _Document) -> Any:
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


def _check_together(config: Config, document: _Document) -> None:
    http, raw = config.http.address, config.raw.address
    if config.raw.enabled and http.port == raw.port != 0 and http.host == raw.host:
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
