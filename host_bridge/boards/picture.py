"""The wiring as a picture that a technician can wire from: board, numbered pins, wires, adapters, devices."""

from __future__ import annotations

from typing import Final

from host_bridge.boards.chips import CHIPS, HeaderPin
from host_bridge.boards.svg import FAINT, INK, Drawing
from host_bridge.boards.wiring import COLOURS, RAIL_COLOURS, Module, Side, Supply, Wire, Wiring
from host_bridge.state import Text

WIDTH: Final = 1510
_TOP: Final = 150  # title and USB plug
_PITCH: Final = 27  # of the header
_BOARD_WIDTH: Final = 250
_LEFT, _RIGHT = (WIDTH - _BOARD_WIDTH) / 2, (WIDTH + _BOARD_WIDTH) / 2
# Distances from the board's edge outwards.
_LANES: Final = (30, 104)
_ADAPTER: Final = (222, 338)
_DEVICE: Final = (446, 606)
_ROW: Final = 28
_HEAD: Final = 44
_GAP: Final = 34
_DRIVER_HEIGHT: Final = 165
_WIRE: Final = 3.0


def draw(wiring: Wiring, title: str) -> str:
    """The picture as an SVG document."""
    return _Picture(wiring, title).draw()


class _Picture:
    def __init__(self, wiring: Wiring, title: str) -> None:
        self._wiring = wiring
        self._model = wiring.model
        self._rows = max(len(self._model.left), len(self._model.right))
        self._board_height = self._rows * _PITCH + 30
        columns = {side: self._stack(side) for side in ("left", "right")}
        tallest = max(
            (sum(_height(m) + _GAP for m in column) - _GAP for column in columns.values() if column), default=0
        )
        self._body = max(self._board_height, tallest)
        lines = max(len(wiring.parts), len(wiring.notes))
        self._foot = _TOP + self._body + 40
        self._d = Drawing(
            WIDTH,
            self._foot + 40 + lines * 42,
            f"{title}: wiring / 接线图",
            "Drawn from the board file by counterhub boards show. 由板卡配置文件自动生成。",
        )
        self._title = title
        self._board_top = _TOP + (self._body - self._board_height) / 2
        self._tops: dict[int, float] = {}
        for column in columns.values():
            height = sum(_height(module) + _GAP for module in column) - _GAP
            top = _TOP + (self._body - height) / 2
            for module in column:
                self._tops[id(module)] = top
                top += _height(module) + _GAP

    def draw(self) -> str:
        self._heading()
        self._board()
        for side in ("left", "right"):
            self._lay_wires(side)
        for module in self._wiring.modules:
            self._module(module)
        self._lists()
        return self._d.document()

    # -- the board -----------------------------------------------------------------------------------------------

    def _heading(self) -> None:
        self._d.text(30, 44, f"{self._title}", size=26, bold=True)
        self._d.text(30, 74, "Wiring of the Counterhub hub · Counterhub 集线盒接线图", size=16, fill=FAINT)
        self._d.text(
            WIDTH - 30, 44, "seen from above, USB at the top · 俯视图，USB 接口朝上", size=13, anchor="end", fill=FAINT
        )

    def _board(self) -> None:
        d, top = self._d, self._board_top
        middle = WIDTH / 2
        d.line((middle, top - 24), (middle, top - 60), stroke="#444", line=7)
        d.text(
            middle + 16,
            top - 44,
            "USB → till  收银机" if self._wiring.link_on_usb else "USB: supply only  仅供电",
            size=13,
            bold=True,
        )
        d.rect(_LEFT, top, _BOARD_WIDTH, self._board_height, fill="#1d6b4f", stroke="#10402f", radius=12)
        d.rect(middle - 28, top - 26, 56, 42, fill="#c8ced4", stroke="#7b858f", radius=4)
        d.rect(middle - 36, top + self._board_height / 2 - 30, 72, 60, fill="#20262d", radius=4)
        d.text(
            middle,
            top + self._board_height / 2 + 5,
            CHIPS[self._model.chip].title,
            size=13,
            anchor="middle",
            fill="#fff",
        )
        for x, pins in ((_LEFT, self._model.left), (_RIGHT, self._model.right)):
            d.text(x, top - 8, pins[0].number.rpartition("-")[0], size=13, anchor="middle", bold=True)
        used: dict[tuple[str, int], str] = {}
        for module in self._wiring.modules:
            used |= {(wire.side, wire.row): wire.colour for wire in module.wires}
            for supply in module.supplies:
                used.setdefault(self._place(supply), RAIL_COLOURS[supply.rail])
        for side, pins in (("left", self._model.left), ("right", self._model.right)):
            for row, pin in enumerate(pins):
                colour = used.get((side, row))
                self._header_pin("left" if side == "left" else "right", row, pin.number, pin.label, colour)

    def _header_pin(self, side: Side, row: int, number: str, label: str, colour: str | None) -> None:
        d, y = self._d, self._pin_y(row)
        inward = 1 if side == "left" else -1
        x = _LEFT if side == "left" else _RIGHT
        anchor = "start" if side == "left" else "end"
        d.rect(x - 8, y - 8, 16, 16, fill="#e8c766", stroke="#8a6d1d", radius=3)
        if colour:
            d.circle(x, y, 5, fill=COLOURS[colour].rgb)
        number = number.rpartition("-")[2]
        d.text(
            x + inward * 15,
            y + 5,
            number,
            size=13,
            anchor=anchor,
            fill="#ffe9a8" if colour else "#a9cbbd",
            bold=bool(colour),
        )
        d.text(
            x + inward * 42,
            y + 5,
            label,
            size=13,
            anchor=anchor,
            fill="#fff" if colour else "#8fb8a7",
            bold=bool(colour),
        )

    def _pin_y(self, row: int) -> float:
        return self._board_top + 15 + _PITCH * (row + 0.5)

    def _place(self, supply: Supply) -> tuple[str, int]:
        for side, pins in (("left", self._model.left), ("right", self._model.right)):
            if supply.pin in pins:
                return side, pins.index(supply.pin)
        raise ValueError(f"no header pin {supply.pin.number}")

    # -- wires ---------------------------------------------------------------------------------------------------

    def _stack(self, side: str) -> list[Module]:
        """The modules of one side, in the order of their pins, so that few wires cross."""
        column = [module for module in self._wiring.modules if module.side == side]
        return sorted(column, key=lambda module: sum(wire.row for wire in module.wires) / max(1, len(module.wires)))

    def _lay_wires(self, side: str) -> None:
        """Each wire has a lane of its own; the lanes are given out so that neighbours don't cross."""
        ends = []
        for module in self._stack(side):
            for wire, y in zip(module.wires, _wire_ys(module, self._tops[id(module)]), strict=True):
                ends.append((wire, self._pin_y(wire.row), y))
        here = [end for end in ends if end[0].side == side]
        rising = sorted((end for end in here if end[2] < end[1]), key=lambda end: end[1])
        falling = sorted((end for end in here if end[2] >= end[1]), key=lambda end: -end[1])
        width = (_LANES[1] - _LANES[0]) / max(1, len(here) - 1)
        for place, (wire, from_y, to_y) in enumerate(rising + falling):
            lane = _LANES[0] + width * place
            self._wire(wire, from_y, to_y, lane)
        for wire, _, to_y in ends:
            if wire.side != side:  # from the other side of the board: a tag, not a wire around it
                self._tag("left" if side == "left" else "right", _ADAPTER[0], to_y, wire.pin, wire.colour)

    def _wire(self, wire: Wire, from_y: float, to_y: float, lane: float) -> None:
        colour = COLOURS[wire.colour]
        x = self._x(wire.side, 8), self._x(wire.side, lane), self._x(wire.side, _ADAPTER[0])
        for stroke, width in (("#ffffff", _WIRE + 3), (colour.rgb, _WIRE)):
            self._d.line((x[0], from_y), (x[1], from_y), (x[1], to_y), (x[2], to_y), stroke=stroke, line=width)
        label = f"{colour.name.en} {colour.name.zh}"
        at = (self._x(wire.side, _LANES[1] + 8) + self._x(wire.side, _ADAPTER[0])) / 2
        self._d.text(at, to_y - 4, label, size=11, anchor="middle", fill=FAINT)

    def _x(self, side: Side, distance: float) -> float:
        return _LEFT - distance if side == "left" else _RIGHT + distance

    # -- modules -------------------------------------------------------------------------------------------------

    def _module(self, module: Module) -> None:
        if module.kind == "drawer":
            self._drawer(module)
            return
        top = self._tops[id(module)]
        ys = _wire_ys(module, top)
        y = (ys[-1] if ys else top + _HEAD - _ROW) + _ROW
        rows: list[tuple[Wire | Supply, float]] = list(zip(module.wires, ys, strict=True))
        for supply in module.supplies:
            rows.append((supply, y))
            y += _ROW
        if module.kind == "light":
            self._resistors(module, rows)
        else:
            self._box(module, rows, top)

    def _frame(self, side: Side, near: float, far: float, top: float, height: float, fill: str = "#f4f6f8") -> None:
        self._d.rect(
            self._x(side, near),
            top,
            self._x(side, far) - self._x(side, near),
            height,
            fill=fill,
            stroke="#4a5561",
            radius=6,
        )

    def _caption(self, side: Side, near: float, far: float, top: float, text: Text, size: float = 13) -> None:
        middle = (self._x(side, near) + self._x(side, far)) / 2
        self._d.text(middle, top + 17, text.en, size=size, anchor="middle", bold=True)
        self._d.text(middle, top + 34, text.zh, size=size - 1, anchor="middle", fill=FAINT)

    def _box(self, module: Module, rows: list[tuple[Wire | Supply, float]], top: float) -> None:
        """A device, with its level shifter or without."""
        side, height = module.side, _height(module)
        if module.adapter is None:
            self._frame(side, _ADAPTER[0], _ADAPTER[1] + 60, top, height)
            self._caption(side, _ADAPTER[0], _ADAPTER[1] + 60, top, module.device)
        else:
            self._frame(side, *_ADAPTER, top, height, "#e6eefb")
            self._caption(side, *_ADAPTER, top, module.adapter)
            self._frame(side, *_DEVICE, top, height)
            self._caption(side, *_DEVICE, top, module.device, 12)
        for row, y in rows:
            is_device_only = isinstance(row, Supply) and row.at_device and module.adapter is not None
            if not is_device_only:
                self._terminal(side, _ADAPTER[0], y, row.terminal)
            if isinstance(row, Wire):
                self._signal(module, row, y)
            elif is_device_only:
                self._terminal(side, _DEVICE[0], y, row.terminal)
                self._rail(row, side, _DEVICE[0], y)
            else:
                self._rail(row, side, _ADAPTER[0], y)
            if row.beyond and module.adapter is not None:
                self._through(module, row, y)

    def _signal(self, module: Module, wire: Wire, y: float) -> None:
        """What the wire carries, beside the device's terminal."""
        if module.adapter is None:
            inner = self._x(module.side, _ADAPTER[1] + 54)
            anchor = "start" if module.side == "left" else "end"
            self._d.text(inner, y + 4, f"{wire.signal.en} {wire.signal.zh}", size=11, anchor=anchor, fill=FAINT)

    def _through(self, module: Module, row: Wire | Supply, y: float) -> None:
        """The cable from the adapter to the device."""
        side = module.side
        colour = (
            COLOURS[row.colour].rgb
            if isinstance(row, Wire)
            else COLOURS["black" if row.terminal == "GND" else "white"].rgb
        )
        outer = {"T1 IN": "T1 OUT", "T2 IN": "T2 OUT", "R1 OUT": "R1 IN", "R2 OUT": "R2 IN"}.get(
            row.terminal, row.terminal
        )
        self._d.line((self._x(side, _ADAPTER[1]), y), (self._x(side, _DEVICE[0]), y), stroke=colour, line=_WIRE)
        self._terminal(side, _ADAPTER[1], y, outer, outward=False)
        self._terminal(side, _DEVICE[0], y, row.beyond)
        if isinstance(row, Wire):
            middle = (self._x(side, _ADAPTER[1]) + self._x(side, _DEVICE[0])) / 2
            self._d.text(middle, y - 4, row.signal.en, size=10, anchor="middle", fill=FAINT)
            self._d.text(middle, y + 12, row.signal.zh, size=10, anchor="middle", fill=FAINT)

    def _terminal(self, side: Side, distance: float, y: float, label: str, *, outward: bool = True) -> None:
        """A screw with its name, written into the box that lies `outward` of it or not."""
        away = (-1 if side == "left" else 1) * (1 if outward else -1)
        x = self._x(side, distance)
        self._d.circle(x, y, 4.5, fill="#fff", stroke=INK)
        self._d.text(x + away * 9, y + 4, label, size=12, anchor="start" if away > 0 else "end")

    def _rail(self, supply: Supply, side: Side, distance: float, y: float) -> None:
        """A tag instead of a long wire: which header pin the supply comes from."""
        self._tag(side, distance, y, supply.pin, RAIL_COLOURS[supply.rail])

    def _tag(self, side: Side, distance: float, y: float, pin: HeaderPin, colour: str) -> None:
        toward = 1 if side == "left" else -1
        x = self._x(side, distance)
        label = f"{pin.label} · {pin.number}"
        width = 14 + 7.0 * len(label)
        self._d.line((x + toward * 5, y), (x + toward * 14, y), stroke=COLOURS[colour].rgb, line=_WIRE)
        self._d.rect(x + toward * 14, y - 9, toward * width, 18, fill=COLOURS[colour].rgb, radius=4)
        self._d.text(x + toward * (14 + width / 2), y + 4, label, size=11.5, anchor="middle", fill="#fff", bold=True)

    def _resistors(self, module: Module, rows: list[tuple[Wire | Supply, float]]) -> None:
        side, top = module.side, self._tops[id(module)]
        self._frame(side, *_DEVICE, top, _height(module))
        self._caption(side, *_DEVICE, top, module.device, 12)
        for row, y in rows:
            if isinstance(row, Supply):
                self._terminal(side, _DEVICE[0], y, row.terminal)
                self._rail(row, side, _DEVICE[0], y)
                continue
            colour = COLOURS[row.colour].rgb
            self._resistor(side, _ADAPTER[0], _DEVICE[0], y, module.part, colour)
            self._terminal(side, _DEVICE[0], y, f"{row.beyond}  {row.signal.zh}")

    def _resistor(self, side: Side, near: float, far: float, y: float, value: str, colour: str = INK) -> None:
        middle = (near + far) / 2
        self._d.line((self._x(side, near), y), (self._x(side, far), y), stroke=colour, line=_WIRE)
        self._d.rect(
            self._x(side, middle - 30),
            y - 8,
            self._x(side, middle + 30) - self._x(side, middle - 30),
            16,
            fill="#fff",
            stroke=INK,
        )
        self._d.text(self._x(side, middle), y + 4, value, size=11, anchor="middle")

    # -- the drawer ----------------------------------------------------------------------------------------------

    def _drawer(self, module: Module) -> None:
        """A MOSFET with its resistors and diode for each drawer, and the 6P6C plug."""
        side, top = module.side, self._tops[id(module)]
        height = _height(module)
        far = _DEVICE[0] - 30
        near = self._x(side, _ADAPTER[0])
        self._d.rect(
            near, top, self._x(side, far) - near, height, fill="#fdf6e9", stroke="#b98a2f", radius=6, dash="6 4"
        )
        if module.adapter:
            self._caption(side, _ADAPTER[0], far, top, module.adapter)
        self._frame(side, *_DEVICE, top, height)
        self._caption(side, *_DEVICE, top, module.device, 12)
        self._plug_note(side, top + height - 12)
        for wire, y in zip(module.wires, _wire_ys(module, top), strict=True):
            if wire.key == "drawer.switch":
                self._switch(module, wire, y)
            else:
                self._driver(module, wire, y)

    def _plug_note(self, side: Side, y: float) -> None:
        middle = (self._x(side, _DEVICE[0]) + self._x(side, _DEVICE[1])) / 2
        self._d.text(middle, y, "6P6C 插头 · 1 = frame 外壳地", size=10, anchor="middle", fill=FAINT)

    def _switch(self, module: Module, wire: Wire, y: float) -> None:
        side, colour = module.side, COLOURS[wire.colour].rgb
        self._d.line((self._x(side, _ADAPTER[0]), y), (self._x(side, _DEVICE[0]), y), stroke=colour, line=_WIRE)
        self._terminal(side, _ADAPTER[0], y, "")
        self._terminal(side, _DEVICE[0], y, f"{wire.beyond}  {wire.signal.en} 开关")
        for supply in module.supplies:
            if supply.at_device:
                self._terminal(side, _DEVICE[0], y + _ROW, f"{supply.terminal}  ground 地")
                self._rail(supply, side, _DEVICE[0], y + _ROW)

    def _driver(self, module: Module, wire: Wire, y: float) -> None:
        """One low-side switch; `y` is the gate's line."""
        d, side = self._d, module.side

        def at(distance: float, dy: float) -> tuple[float, float]:
            return self._x(side, distance), y + dy

        gate, channel, diode, end = 300, 322, 372, _DEVICE[0]
        rail = -62  # of the +24 V line
        drain = -24
        self._terminal(side, _ADAPTER[0], y, "")
        self._resistor(side, _ADAPTER[0], 282, y, "220 Ω", COLOURS[wire.colour].rgb)
        d.line(at(282, 0), at(gate, 0))
        d.circle(*at(284, 0), 3)
        # pull-down
        d.line(at(284, 0), at(284, 14))
        d.rect(*at(277 if side == "right" else 291, 14), 14, 34, fill="#fff", stroke=INK)
        d.text(*at(270, 36), module.part, size=11, anchor="end" if side == "right" else "start", bold=True)
        d.line(at(284, 48), at(284, 58))
        # MOSFET: gate bar, channel, drain up, source down
        d.line(at(gate, -14), at(gate, 14), line=2.5)
        d.line(at(gate + 7, -16), at(gate + 7, 16), line=2.5)
        d.line(at(gate + 7, -11), at(channel, -11), at(channel, drain), at(end, drain), stroke=INK, line=2)
        d.line(at(gate + 7, 11), at(channel, 11), at(channel, 58), line=2)
        arrow = 1 if side == "right" else -1
        tip = at(gate + 8, 11)
        d.polygon(tip, (tip[0] + arrow * 9, tip[1] - 5), (tip[0] + arrow * 9, tip[1] + 5))
        d.text(*at(channel + 8, 18), "MOSFET", size=10.5, anchor="start" if side == "right" else "end", fill=FAINT)
        # ground: the board's pin on one side, the supply's minus on the other
        ground = next(supply for supply in module.supplies if not supply.at_device)
        d.line(at(_ADAPTER[0], 58), at(352, 58), line=2)
        d.circle(*at(284, 58), 3)
        d.circle(*at(channel, 58), 3)
        self._terminal(side, _ADAPTER[0], y + 58, "")
        self._rail(ground, side, _ADAPTER[0], y + 58)
        x, level = at(352, 58)
        d.rect(x, level - 9, 40 if side == "right" else -40, 18, fill=INK, radius=4)
        d.text(
            x + (20 if side == "right" else -20), level + 4, "24 V −", size=10, anchor="middle", fill="#fff", bold=True
        )
        # 24 V and the diode
        d.line(at(250, rail), at(end, rail), stroke=COLOURS["red"].rgb, line=_WIRE)
        x, level = at(250, rail)
        d.rect(x, level - 9, -34 if side == "right" else 34, 18, fill=COLOURS["red"].rgb, radius=4)
        d.text(
            x + (-17 if side == "right" else 17), level + 4, "24 V +", size=10, anchor="middle", fill="#fff", bold=True
        )
        d.line(at(diode, rail), at(diode, drain), line=2)
        middle = (rail + drain) / 2
        x, level = at(diode, middle)
        d.polygon((x - 8, level + 7), (x + 8, level + 7), (x, level - 6))
        d.line((x - 8, level - 6), (x + 8, level - 6), line=2.5)
        d.text(*at(diode - 12, middle + 4), "1N4007", size=10.5, anchor="end" if side == "right" else "start")
        self._terminal(side, end, y + rail, "4  +24 V")
        self._terminal(side, end, y + drain, f"{wire.beyond}  {wire.signal.en} 电磁铁")

    # -- below ---------------------------------------------------------------------------------------------------

    def _lists(self) -> None:
        d = self._d
        d.line((30, self._foot), (WIDTH - 30, self._foot), stroke="#c5ccd3")
        for x, heading, lines in (
            (30, "Parts  元件", self._wiring.parts),
            (560, "Before you start  注意事项", self._wiring.notes),
        ):
            d.text(x, self._foot + 26, heading, size=15, bold=True)
            y = self._foot + 50
            for line in lines:
                d.text(x, y, f"• {line.en}", size=12.5)
                d.text(x + 10, y + 17, line.zh, size=12.5, fill=FAINT)
                y += 40


def _height(module: Module) -> float:
    if module.kind == "drawer":
        switches = sum(wire.key == "drawer.switch" for wire in module.wires)
        return _HEAD + 26 + (len(module.wires) - switches) * _DRIVER_HEIGHT + switches * 2 * _ROW
    return _HEAD + (len(module.wires) + len(module.supplies)) * _ROW


def _wire_ys(module: Module, top: float) -> list[float]:
    """Where each wire meets its module, in the order of `module.wires`."""
    ys = []
    y = top + _HEAD + _ROW / 2
    for wire in module.wires:
        if module.kind != "drawer":
            ys.append(y)
            y += _ROW
        elif wire.key == "drawer.switch":
            ys.append(y)
            y += 2 * _ROW
        else:
            ys.append(y + 76)
            y += _DRIVER_HEIGHT
    return ys
