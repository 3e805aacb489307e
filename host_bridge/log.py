"""The bridge's log: readable lines or JSON, through the standard `logging`.

Any module writes with `logging.getLogger(__name__)`, or with `of(__name__)`, which takes fields as keywords:

    log = of(__name__)
    log.warning("link down", port="/dev/ttyACM0", reason="silent")

The lines are written by a thread, so that a full disk or a stopped terminal never holds the event loop up. The same
warning again is shown as debug only, and counted; a secret is never written.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import logging.handlers
import queue
import re
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec

from host_bridge.plain_text import escaped_json, is_steering

REPEAT_WINDOW_S = 60.0  # how long the same warning stays quiet
MAX_REPEATS = 1000  # different messages watched for repetition
MAX_QUEUE_LINES = 10_000  # waiting for a slow disk or terminal; what is beyond is counted and dropped
STOP_DEADLINE_S = 2.0  # for writing what is queued
MAX_VALUE_CHARACTERS = 2000  # of one field
MAX_MESSAGE_CHARACTERS = 8000
MAX_TRACE_CHARACTERS = 16_000
MAX_DEPTH = 4  # of nested fields
MASK = "***"

_SECRET_WORDS = frozenset(
    {"secret", "secrets", "token", "tokens", "key", "keys", "password", "passwd", "authorization"}
)
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_PLAIN = re.compile(r"[^\s\"=]+")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "component", "repeated"}

# Of which of several hubs a task speaks: it and what it starts carry the name to their lines.
SERVED_HUB: ContextVar[str | None] = ContextVar("served_hub", default=None)

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Log:
    """A logger that takes fields as keywords."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, **fields: object) -> None:
        self._write(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: object) -> None:
        self._write(logging.INFO, message, fields)

    def warning(self, message: str, **fields: object) -> None:
        self._write(logging.WARNING, message, fields)

    def error(self, message: str, **fields: object) -> None:
        self._write(logging.ERROR, message, fields)

    def exception(self, message: str, **fields: object) -> None:
        """An error with the traceback of the exception at hand."""
        self._write(logging.ERROR, message, fields, exc_info=True)

    def _write(self, level: int, message: str, fields: Mapping[str, object], exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", message, extra={"fields": fields}, exc_info=exc_info, stacklevel=3)


def of(name: str) -> Log:
    """The log of a component: pass `__name__`."""
    return Log(logging.getLogger(name))


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that begins anew when it is full."""

    path: Path
    max_bytes: int = 10 << 20
    kept_files: int = 5


class Running:
    """A log that is set up. `stop` writes what is queued and puts the root logger back."""

    def __init__(self, handler: RepeatQuieter, writer: _Writer, level_before: int) -> None:
        self._handler = handler
        self._writer = writer
        self._level_before = level_before
        self._stopped = False

    @property
    def dropped_lines(self) -> int:
        return self._handler.dropped_lines

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level_before)
        atexit.unregister(self.stop)
        self._handler.make_way()
        if self._writer.stop_within(STOP_DEADLINE_S):
            for output in self._writer.handlers:
                output.close()


def start(
    *,
    form: Literal["text", "json"] = "text",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
    file: LogFile | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Running:
    """Have the root logger write to the stream (standard error) and the file. Raises OSError if the file can't be."""
    formatter = JsonLines() if form == "json" else ReadableLines()
    outputs: list[logging.Handler] = [_Stream(sys.stderr if stream is None else stream)]
    if file is not None:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        outputs.append(
            _File(file.path, maxBytes=file.max_bytes, backupCount=file.kept_files, encoding="utf-8", errors="replace")
        )
    for output in outputs:
        output.setFormatter(formatter)
    lines: queue.Queue[Any] = queue.Queue(MAX_QUEUE_LINES)
    handler = RepeatQuieter(lines, LEVELS[level], monotonic)
    writer = _Writer(lines, *outputs)
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    writer.start()
    running = Running(handler, writer, level_before)
    atexit.register(running.stop)
    return running


class RepeatQuieter(logging.handlers.QueueHandler):
    """Hands lines to the writing thread. A warning that was shown is debug for a while, then shown with a count."""

    def __init__(self, lines: queue.Queue[Any], level: int, monotonic: Callable[[], float]) -> None:
        super().__init__(lines)
        self._lines = lines
        self.dropped_lines = 0
        self._shown_level = level
        self._monotonic = monotonic
        self._seen: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()  # → when shown, repeats since

    def emit(self, record: logging.LogRecord) -> None:
        try:
            prepared = self.prepare(record)
            if prepared.levelno >= self._shown_level:
                self.enqueue(prepared)
        except Exception:
            self.handleError(record)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """A copy that is safe to keep: the text made, the arguments and the traceback's frames let go."""
        plain = {name: value for name, value in vars(record).items() if name in _STANDARD}
        copy = logging.makeLogRecord({**plain, "args": None, "exc_info": None, "stack_info": None})
        copy.msg = _message(record)
        copy.exc_text = _trace(record)
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD and name != "fields"}
        fields.update(getattr(record, "fields", None) or {})
        if (hub := SERVED_HUB.get()) is not None:
            fields["hub"] = hub
        copy.fields = {str(name): _safe(str(name), value, MAX_DEPTH) for name, value in fields.items()}
        copy.component = record.name.removeprefix("host_bridge.")
        copy.repeated = 0
        if copy.levelno >= logging.WARNING:
            self._quiet(copy)
        return copy

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self.dropped_lines += 1

    def make_way(self) -> None:
        """Make sure that the word to stop finds room in the queue."""
        with contextlib.suppress(queue.Empty):
            if self._lines.full():
                self._lines.get_nowait()
                self.dropped_lines += 1

    def _quiet(self, record: logging.LogRecord) -> None:
        hub = record.fields.get("hub")  # type: ignore[attr-defined]
        key = (record.name, record.levelno, record.msg if hub is None else f"{hub}: {record.msg}")
        now = self._monotonic()
        shown_at, repeats = self._seen.pop(key, (None, 0))
        if shown_at is not None and now - shown_at < REPEAT_WINDOW_S:
            self._seen[key] = (shown_at, repeats + 1)
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
            return
        record.repeated = repeats
        self._seen[key] = (now, 0)
        if len(self._seen) > MAX_REPEATS:
            self._seen.popitem(last=False)


class ReadableLines(logging.Formatter):
    """2024-05-01T12:00:00.123+02:00 WARNING hub.reconnect: link down port=/dev/ttyACM0 reason=silent"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds")
        line = f"{at} {record.levelname:<7} {getattr(record, 'component', record.name)}: {_one_line(record.msg)}"
        line += "".join(f" {_one_line(name)}={text}" for name, text in self._fields(record))
        if record.exc_text:
            line += "\n" + "\n".join(f"    {_one_line(part)}" for part in record.exc_text.splitlines())
        return line

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        for name, value in getattr(record, "fields", {}).items():
            yield name, _field_text(value)
        if getattr(record, "repeated", 0):
            yield "repeated", str(record.repeated)  # type: ignore[attr-defined]


class JsonLines(logging.Formatter):
    """One object a line: time (RFC 3339, UTC), level, component, message, fields, and exception or repeated if any."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, object] = {
            "time": at,
            "level": record.levelname.lower(),
            "component": getattr(record, "component", record.name),
            "message": _encodable(record.msg),
            "fields": getattr(record, "fields", {}),
        }
        if getattr(record, "repeated", 0):
            line["repeated"] = record.repeated  # type: ignore[attr-defined]
        if record.exc_text:
            line["exception"] = _encodable(record.exc_text)
        # JSON lets a few characters through that some readers take for the end of a line.
        return escaped_json(msgspec.json.encode(line).decode())


class _Writer(logging.handlers.QueueListener):
    """The thread that writes."""

    def stop_within(self, seconds: float) -> bool:
        """Write what is queued; False if the disk or the terminal did not take it in time."""
        thread = self._thread
        if thread is None:
            return True
        self.enqueue_sentinel()
        thread.join(seconds)
        return not thread.is_alive()


class _Stream(logging.StreamHandler[TextIO]):
    """Standard error. A terminal that knows less than UTF-8 gets escapes instead of an error."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + self.terminator
            try:
                self.stream.write(text)
            except UnicodeEncodeError as error:
                self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
            self.stream.flush()
        except (OSError, ValueError):
            pass  # nobody listens any more: a closed terminal must not stop the bridge, and there is nowhere to say it

    def close(self) -> None:
        logging.Handler.close(self)  # the stream is not ours


class _File(logging.handlers.RotatingFileHandler):
    """A full disk must not fill standard error with complaints about the log: one is enough."""

    _complained = False

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._complained:
            self._complained = True
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"the log file {self.baseFilename} can't be written: {sys.exc_info()[1]}\n")


def _message(record: logging.LogRecord) -> str:
    try:
        return _short(record.getMessage(), MAX_MESSAGE_CHARACTERS)
    except Exception as error:  # a mistake in the call must not cost the line
        return _short(f"{record.msg!s} {record.args!r} ({error})", MAX_MESSAGE_CHARACTERS)


def _trace(record: logging.LogRecord) -> str | None:
    if not record.exc_info or record.exc_info[0] is None:
        return record.exc_text
    text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    # The end says what happened.
    return text if len(text) <= MAX_TRACE_CHARACTERS else "..." + text[-MAX_TRACE_CHARACTERS:]


def _safe(name: str, value: object, depth: int) -> object:
    """The value as plain, bounded data, with secrets masked."""
    if _is_secret(name) and value is not None and not isinstance(value, bool):
        return MASK
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _short(bytes(value[: MAX_VALUE_CHARACTERS + 1]).hex(), MAX_VALUE_CHARACTERS)
    if depth > 0 and isinstance(value, Mapping):
        return {str(inner): _safe(str(inner), part, depth - 1) for inner, part in list(value.items())[:100]}
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [_safe("", part, depth - 1) for part in list(value)[:100]]
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return f"<{type(value).__name__} of {len(value)}>"
    try:
        return _encodable(_short(str(value), MAX_VALUE_CHARACTERS))
    except Exception as error:
        return f"<{type(value).__name__}: {error!r}>"


def _is_secret(name: str) -> bool:
    """By whole words, so that `keyboard` and `monkey` are written and `api_key` and `accessToken` are not."""
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name))


def _field_text(value: object) -> str:
    if isinstance(value, str):
        return (
            value
            if _PLAIN.fullmatch(value) and value.isprintable()
            else '"' + _one_line(value).replace('"', '\\"') + '"'
        )
    return _one_line(msgspec.json.encode(value).decode())


def _one_line(text: str) -> str:
    """A line stays a line: whoever chose the text can't write another one, nor move the terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(each.encode("unicode_escape").decode() if is_steering(each) else each for each in text)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + f"... ({len(text)} characters)"
