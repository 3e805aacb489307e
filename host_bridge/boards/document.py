"""A board file against the schema: what is unknown, missing or of the wrong kind, in a technician's words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeGuard, get_args

import msgspec

from host_bridge.boards.chips import CHIPS, MODELS, SIGNALS
from host_bridge.boards.schema import Board, Pin, Section
from host_bridge.state import Text

SHOWN_CHARACTERS_MAX = 60  # of a wrong value


class Wrong(NamedTuple):
    """What is wrong with one key."""

    key: str
    reason: Text
    remedy: Text | None = None
    pins: tuple[int, ...] = ()  # GPIOs that would do


def unknown_keys(document: dict[str, Any]) -> list[Wrong]:
    """Every unknown key, taken out of the document so that the rest can be judged."""
    found = []
    for prefix, table, section in _tables(document):
        known = section.__struct_fields__
        for key in [key for key in table if key not in known]:
            del table[key]
            close = difflib.get_close_matches(key, known, n=1)
            remedy = Text(f"Did you mean {close[0]}?", f"是否应为 {close[0]}？") if close else None
            names = ", ".join(known)
            reason = Text(f"no such key; known here are {names}", f"没有该项；此处可用：{names}")
            found.append(Wrong(prefix + key, reason, remedy))
    return found


def wrong_values(document: dict[str, Any]) -> Iterator[Wrong]:
    """Every key that is missing, or whose value is of the wrong kind."""
    pins = _Pins(document)
    for prefix, table, section in _tables(document):
        for field in msgspec.structs.fields(section):
            key = prefix + field.name
            found_pins = pins.that_do(prefix, table, field.name) if holds_pin(field.type) else ()
            if field.name not in table:
                if field.required:
                    yield Wrong(key, Text("it is missing", "缺少该项"), pins=found_pins)
                continue
            value = table[field.name]
            if isinstance(value, dict) and _section_of(field.type):
                continue  # a table of its own
            try:
                msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                wrong = _explain(key, value, field.type, str(error))
                has_too_many = isinstance(value, list) and value and wrong.key == key
                yield wrong if has_too_many else wrong._replace(pins=found_pins)


def holds_pin(hint: Any) -> bool:
    """A value of this type is a pin, or a list of them."""
    return hint == Pin or any(holds_pin(part) for part in get_args(hint))


def _section_of(hint: Any) -> type[Section] | None:
    parts = (hint, *get_args(hint))
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Section)), None)


def _tables(document: dict[str, Any]) -> list[tuple[str, dict[str, Any], type[Section]]]:
    """The document and its tables, with the schema of each."""
    tables: list[tuple[str, dict[str, Any], type[Section]]] = [("", document, Board)]
    for field in msgspec.structs.fields(Board):
        section = _section_of(field.type)
        if section and isinstance(document.get(field.name), dict):
            tables.append((f"{field.name}.", document[field.name], section))
    return tables


class _Pins:
    """Which pins would do, as far as a document that can't be read as a board tells its chip, board and UARTs."""

    def __init__(self, document: dict[str, Any]) -> None:
        chip, port = document.get("chip"), document.get("port")
        self._chip = CHIPS.get(chip) if isinstance(chip, str) else None
        self._model = MODELS.get(port) if isinstance(port, str) else None
        self._given: set[int] = set()
        for _, table, section in _tables(document):
            for field in msgspec.structs.fields(section):
                value = table.get(field.name)
                if holds_pin(field.type):
                    self._given |= {pin for pin in (value if isinstance(value, list) else [value]) if _is_int(pin)}

    def that_do(self, prefix: str, table: dict[str, Any], key: str) -> tuple[int, ...]:
        """For a pin's key in a table, without those that are given away; none where the chip isn't known."""
        chip = self._chip
        if chip is None:
            return ()
        if key in SIGNALS:
            given = table.get("uart")
            uarts = (given,) if _is_int(given) else chip.uarts
            found = {pin for uart in uarts if uart != chip.console_uart for pin in chip.pins_for(uart, key)}
        elif key in ("sense", "switch") or prefix == "safe_mode.":
            found = set(chip.pulled_inputs())
        else:
            found = set(chip.outputs())
        model = self._model
        return tuple(sorted(pin for pin in found - self._given if model is None or model.is_free(pin)))


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_EXPECTED = re.compile(r"Expected `(?P<want>[^`]+)`(?:, got `(?P<got>[^`]+)`)?(?P<rest>.*)")
_TYPES_ZH = {"int": "整数", "str": "文本", "bool": "true 或 false", "array": "列表", "object": "表", "null": "空"}
_PIN_NAME = re.compile(r"(?:GPIO|GP|IO)?_? ?(?P<number>\d{1,3})", re.IGNORECASE)


def _explain(key: str, value: Any, hint: Any, message: str) -> Wrong:
    """msgspec's message as a key and a sentence."""
    at = _AT.search(message)
    path = at.group("path") if at else ""
    said = (message[: at.start()] if at else message).replace(" | null`", "`")
    place = re.fullmatch(r"\[(\d+)\]", path)
    if place and isinstance(value, list):
        value = value[int(place.group(1))]
    key, shown = key + path, _shorten(value)
    if said.startswith("Invalid enum value"):
        options = ", ".join(_words_of(hint))
        return Wrong(key, Text(f"expected one of {options}, found {shown}", f"应为 {options} 之一，文件中为 {shown}"))
    expected = _EXPECTED.match(said)
    if not expected:
        return Wrong(key, Text(f"{said}, found {shown}", f"{said}，文件中为 {shown}"))
    want, rest = expected.group("want"), expected.group("rest")
    zh = "、".join(_TYPES_ZH.get(part.strip(), part) for part in want.split("|"))
    reason = Text(f"expected {want}{rest}, found {shown}", f"应为{zh}{rest}，文件中为 {shown}")
    named = _PIN_NAME.fullmatch(value) if isinstance(value, str) and holds_pin(hint) else None
    if named is None:
        return Wrong(key, reason)
    number = int(named.group("number"))
    if want == "array":
        return Wrong(key, reason, Text(f"Write [{number}].", f"请写 [{number}]。"))
    return Wrong(
        key, reason, Text(f"A pin is its number alone: {number} for {shown}.", f"引脚只写数字：{shown} 写作 {number}。")
    )


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"


def _words_of(hint: Any) -> list[str]:
    """The words that a value of this type may be, in quotes."""
    found = []
    for part in get_args(hint):
        found += [repr(part)] if isinstance(part, str) else _words_of(part)
    return found
