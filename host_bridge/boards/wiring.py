"""How a board is wired: which header pin goes by which wire to what. The picture and the terminal both draw this."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from host_bridge.boards.chips import MODELS, HeaderPin, Model
from host_bridge.boards.schema import Board, Link, Printer, Scanner
from host_bridge.state import Text

Kind = Literal["link", "printer", "scanner", "drawer", "light", "button"]
Rail = Literal["GND", "3V3", "5V"]
Side = Literal["left", "right"]
_RAIL_LABELS: Final[dict[Rail, tuple[str, ...]]] = {"GND": ("GND",), "3V3": ("3V3",), "5V": ("VBUS", "5V")}
LIGHTS_WITH_WIRES: Final = ("rgb", "mono", "ws2812")


class Colour(NamedTuple):
    """A proposal for a wire's colour."""

    name: Text
    rgb: str


COLOURS: Final = {
    "violet": Colour(Text("violet", "紫"), "#8e44ad"),
    "grey": Colour(Text("grey", "灰"), "#7f8c8d"),
    "yellow": Colour(Text("yellow", "黄"), "#d9a900"),
    "pink": Colour(Text("pink", "粉"), "#e668a7"),
    "turquoise": Colour(Text("turquoise", "青"), "#16a3a3"),
    "white": Colour(Text("white", "白"), "#b8b8b8"),
    "brown": Colour(Text("brown", "棕"), "#8b5a2b"),
    "red": Colour(Text("red", "红"), "#d62728"),
    "green": Colour(Text("green", "绿"), "#2c9e3f"),
    "blue": Colour(Text("blue", "蓝"), "#1f6fd6"),
    "orange": Colour(Text("orange", "橙"), "#e67e22"),
    "lime": Colour(Text("lime", "浅绿"), "#8fbf21"),
    "olive": Colour(Text("olive", "橄榄绿"), "#7a7a1e"),
    "navy": Colour(Text("navy", "深蓝"), "#1b2a6b"),
    "black": Colour(Text("black", "黑"), "#222222"),
}
RAIL_COLOURS: Final[dict[Rail, str]] = {"GND": "black", "3V3": "orange", "5V": "red"}


class Wire(NamedTuple):
    """One wire from a header pin to a terminal."""

    key: str  # of the board file: "printer.tx"
    pin: HeaderPin
    side: Side
    row: int  # of the header, from the top
    signal: Text
    terminal: str  # on the adapter, or on the device where there is none
    colour: str
    beyond: str = ""  # terminal of the device behind the adapter


class Supply(NamedTuple):
    """A terminal that takes a supply or ground from the board's header."""

    terminal: str
    rail: Rail
    pin: HeaderPin
    beyond: str = ""
    at_device: bool = False  # the terminal is the device's, not the adapter's


class Module(NamedTuple):
    """A device with what stands between it and the board."""

    kind: Kind
    device: Text
    adapter: Text | None
    side: Side
    wires: tuple[Wire, ...]
    supplies: tuple[Supply, ...]
    part: str = ""  # a value to print on the adapter: "330 Ω"


class Wiring(NamedTuple):
    model: Model
    link_on_usb: bool
    modules: tuple[Module, ...]
    parts: tuple[Text, ...]
    notes: tuple[Text, ...]


class NoPicture(Exception):
    """The board has no header that could be drawn; the message says why."""


def plan(board: Board) -> Wiring:
    """The wiring of a board that the checker found no error in. Raises NoPicture."""
    model = MODELS.get(board.port)
    if model is None:
        raise NoPicture(board.name)
    return _Planner(board, model).plan()


class _Planner:
    def __init__(self, board: Board, model: Model) -> None:
        self._board = board
        self._model = model

    def plan(self) -> Wiring:
        board = self._board
        modules = []
        on_usb = False
        for key, link in (("link", board.link), ("backup_link", board.backup_link)):
            if link is not None and link.transport == "uart":
                modules.append(self._link(key, link))
            on_usb = on_usb or (link is not None and link.transport == "usb")
        if board.printer:
            modules.append(self._printer(board.printer))
        if board.scanner:
            modules.append(self._scanner(board.scanner))
        if board.drawer and board.drawer.wiring == "gpio" and board.drawer.kick:
            modules.append(self._drawer())
        if board.indicator and board.indicator.kind in LIGHTS_WITH_WIRES:
            modules.append(self._light())
        if board.safe_mode:
            modules.append(self._button(board.safe_mode.pin))
        modules = [module for module in modules if module.wires]  # an on-board light has none
        return Wiring(self._model, on_usb, tuple(modules), tuple(self._parts()), tuple(self._notes()))

    def _wire(
        self, key: str, gpio: int, signal: tuple[str, str], terminal: str, colour: str, beyond: str = ""
    ) -> Wire | None:
        """None for a GPIO that isn't led out: the on-board LED."""
        for side, pins in (("left", self._model.left), ("right", self._model.right)):
            for row, pin in enumerate(pins):
                if pin.gpio == gpio:
                    where: Side = "left" if side == "left" else "right"
                    return Wire(key, pin, where, row, Text(*signal), terminal, colour, beyond)
        return None

    def _supply(
        self, terminal: str, rail: Rail, side: Side, row: float, beyond: str = "", *, at_device: bool = False
    ) -> Supply:
        """From the nearest header pin of that rail, on the same side if there is one."""
        places = [
            (each_side != side, abs(place - row), place, pin)
            for each_side, pins in (("left", self._model.left), ("right", self._model.right))
            for place, pin in enumerate(pins)
            if pin.label in _RAIL_LABELS[rail]
        ]
        return Supply(terminal, rail, min(places)[3], beyond, at_device)

    def _module(
        self,
        kind: Kind,
        device: tuple[str, str],
        adapter: tuple[str, str] | None,
        wires: list[Wire | None],
        supplies: list[tuple[str, Rail, str, bool]],
        part: str = "",
    ) -> Module:
        found = sorted((wire for wire in wires if wire), key=lambda wire: wire.row)
        left = sum(wire.side == "left" for wire in found)
        side: Side = "left" if left * 2 > len(found) else "right"
        row = sum(wire.row for wire in found) / max(1, len(found))
        given = tuple(
            self._supply(terminal, rail, side, row, beyond, at_device=at_device)
            for terminal, rail, beyond, at_device in supplies
        )
        return Module(kind, Text(*device), Text(*adapter) if adapter else None, side, tuple(found), given, part)

    def _link(self, key: str, link: Link) -> Module:
        """A link over a UART: an adapter cable to the till's USB."""
        main = key == "link"
        signal = ("link", "链路") if main else ("backup link", "备用链路")
        wires = [
            self._wire(f"{key}.tx", link.tx or 0, signal, "RXD", "turquoise" if main else "olive"),
            self._wire(f"{key}.rx", link.rx or 0, signal, "TXD", "blue" if main else "navy"),
        ]
        device = ("USB-UART cable, 3.3 V", "USB 转串口线（3.3 V）")
        return self._module("link", device, None, wires, [("GND", "GND", "", False)])

    def _printer(self, port: Printer) -> Module:
        wired = self._board.wiring.printer
        sense = self._printer_sense(port)
        if wired == "ttl":
            wires = [
                self._wire("printer.tx", port.tx, ("print data", "打印数据"), "RXD", "violet"),
                self._wire("printer.rx", port.rx, ("printer status", "打印机状态"), "TXD", "grey"),
                sense,
            ]
            if port.cts is not None:
                wires.append(self._wire("printer.cts", port.cts, ("busy", "忙信号"), "BUSY", "yellow"))
            return self._module("printer", _PRINTER, None, wires, [("GND", "GND", "", False)])
        wires = [
            self._wire("printer.tx", port.tx, ("print data", "打印数据"), "T1 IN", "violet", "3  RXD"),
            self._wire("printer.rx", port.rx, ("printer status", "打印机状态"), "R1 OUT", "grey", "2  TXD"),
            sense,
        ]
        busy = "4  RTS" if port.flow == "rts_cts" else "20  DTR"
        if port.cts is not None:
            wires.append(self._wire("printer.cts", port.cts, ("busy", "忙信号"), "R2 OUT", "yellow", busy))
        supplies: list[tuple[str, Rail, str, bool]] = [
            ("T2 IN", "GND", "6  DSR", False),
            ("VCC", "3V3", "", False),
            ("GND", "GND", "7  GND", False),
        ]
        return self._module("printer", (_PRINTER[0] + ", DB-25", _PRINTER[1] + "（DB-25）"), _MAX3232, wires, supplies)

    def _printer_sense(self, port: Printer) -> Wire | None:
        """The printer's +24 V over a divider; or its DTR, where that is not its busy signal."""
        if port.sense is None:
            return None
        signal = ("printer on", "打印机通电")
        if port.sense_on_level:
            return self._wire("printer.sense", port.sense, signal, f"÷ {_DIVISOR}", "white", "DK 4  +24 V")
        return self._wire("printer.sense", port.sense, signal, "R2 OUT", "white", "20  DTR")

    def _scanner(self, port: Scanner) -> Module:
        is_ttl = self._board.wiring.scanner == "ttl"
        wires = [
            self._wire(
                "scanner.tx",
                port.tx,
                ("trigger", "触发"),
                *(("RXD", "pink") if is_ttl else ("T1 IN", "pink", "3  RXD")),
            ),
            self._wire(
                "scanner.rx",
                port.rx,
                ("scans", "扫码数据"),
                *(("TXD", "turquoise") if is_ttl else ("R1 OUT", "turquoise", "2  TXD")),
            ),
        ]
        if port.sense is not None:
            wires.append(self._wire("scanner.sense", port.sense, ("plugged in", "插入检测"), "3.3 V ↩", "white"))
        if port.trigger_pin is not None:
            wires.append(
                self._wire("scanner.trigger_pin", port.trigger_pin, ("trigger line", "触发线"), "TRIG", "blue")
            )
        if is_ttl:
            return self._module("scanner", _SCANNER, None, wires, [("5V", "5V", "", False), ("GND", "GND", "", False)])
        supplies: list[tuple[str, Rail, str, bool]] = [
            ("VCC", "3V3", "", False),
            ("GND", "GND", "5  GND", False),
            ("9  +5 V", "5V", "", True),
        ]
        return self._module("scanner", (_SCANNER[0] + ", DE-9", _SCANNER[1] + "（DE-9）"), _MAX3232, wires, supplies)

    def _drawer(self) -> Module:
        drawer = self._board.drawer
        assert drawer is not None and drawer.kick
        plugs = ("2", "5")  # of the 6P6C plug: drive 1, drive 2
        wires = [
            self._wire(
                f"drawer.kick[{n}]",
                gpio,
                (f"open drawer {n + 1}", f"打开钱箱 {n + 1}"),
                f"KICK {n + 1}",
                "brown",
                plugs[n],
            )
            for n, gpio in enumerate(drawer.kick)
        ]
        if drawer.switch is not None:
            wires.append(
                self._wire("drawer.switch", drawer.switch, ("drawer switch", "钱箱开关"), "SWITCH", "white", "3")
            )
        ohms = self._board.wiring.drawer_pull_down_ohms
        return self._module(
            "drawer",
            ("Cash drawer, 24 V", "钱箱（24 V）"),
            ("Drawer driver", "钱箱驱动"),
            wires,
            [("6", "GND", "", True), ("GND", "GND", "", False)],
            _ohms(ohms) if ohms else "10 kΩ !",
        )

    def _light(self) -> Module:
        light = self._board.indicator
        assert light is not None
        resistor = _ohms(self._board.wiring.light_resistor_ohms)
        common: Rail = "GND" if light.active_level else "3V3"
        if light.kind == "rgb":
            wires = [
                self._wire(f"indicator.{name}", pin, (f"{name} light", f"{zh}灯"), resistor, name, mark)
                for name, zh, mark, pin in (
                    ("red", "红", "R", light.red),
                    ("green", "绿", "G", light.green),
                    ("blue", "蓝", "B", light.blue),
                )
                if pin is not None
            ]
            end = "common − 共阴" if light.active_level else "common + 共阳"
            return self._module(
                "light", ("RGB LED", "RGB 指示灯"), ("Resistors", "电阻"), wires, [(end, common, "", True)], resistor
            )
        wires = [self._wire("indicator.pin", light.pin or 0, ("light", "指示灯"), resistor, "green", "+")]
        if light.kind == "ws2812":
            wires = [self._wire("indicator.pin", light.pin or 0, ("light data", "彩灯数据"), resistor, "green", "DIN")]
            supplies: list[tuple[str, Rail, str, bool]] = [("VDD", "5V", "", True), ("GND", "GND", "", True)]
            return self._module(
                "light", ("WS2812 light", "WS2812 彩灯"), ("Resistor", "电阻"), wires, supplies, resistor
            )
        end = "-" if light.active_level else "+"
        if not light.active_level:
            wires = [self._wire("indicator.pin", light.pin or 0, ("light", "指示灯"), resistor, "green", "-")]
        return self._module(
            "light", ("LED", "指示灯"), ("Resistor", "电阻"), wires, [(end, common, "", True)], resistor
        )

    def _button(self, gpio: int) -> Module:
        wires = [self._wire("safe_mode.pin", gpio, ("safe mode", "安全模式"), "1", "lime")]
        return self._module("button", ("Safe-mode button", "安全模式按钮"), None, wires, [("2", "GND", "", False)])

    def _handshake(self, port: Printer) -> str:
        """What the printer has to be set to."""
        if port.flow == "xon_xoff":
            return "XON/XOFF"
        if port.cts is None or self._board.wiring.printer == "ttl":
            return ""
        return "RTS/CTS" if port.flow == "rts_cts" else "DTR/DSR"

    def _parts(self) -> list[Text]:
        board, found = self._board, []
        levels = (board.printer and board.wiring.printer, board.scanner and board.wiring.scanner)
        adapters = levels.count("rs232")
        if adapters:
            found.append(
                Text(
                    f"{adapters} × MAX3232 module, supplied with 3.3 V",
                    f"{adapters} × MAX3232 电平转换模块，3.3 V 供电",
                )
            )
        if board.printer and board.printer.sense is not None and board.printer.sense_on_level:
            upper, lower = _DIVIDER_KOHMS
            found.append(
                Text(
                    f"{upper} kΩ from the printer's +24 V (kick port, pin 4) to the sense pin, {lower} kΩ to ground",
                    f"打印机钱箱口第 4 脚（+24 V）经 {upper} kΩ 接检测引脚，引脚再经 {lower} kΩ 接地",
                )
            )
        if board.drawer and board.drawer.wiring == "gpio" and board.drawer.kick:
            count = len(board.drawer.kick)
            value = _ohms(board.wiring.drawer_pull_down_ohms or 10_000)
            found.append(
                Text(
                    f"{count} × N-channel MOSFET, ≥ 55 V, ≥ 2 A, specified at 2.5 V gate voltage (AO3422)",
                    f"{count} × N 沟道 MOSFET，≥ 55 V、≥ 2 A，栅压 2.5 V 可导通（如 AO3422）",
                )
            )
            found.append(Text(f"{count} × diode 1N4007 across the solenoid", f"{count} × 1N4007 续流二极管"))
            found.append(
                Text(
                    f"{count} × 220 Ω into the gate, {count} × {value} gate to ground",
                    f"{count} × 220 Ω 栅极电阻，{count} × {value} 下拉电阻",
                )
            )
            found.append(Text("24 V supply, 1 A or more", "24 V 电源，1 A 以上"))
        if board.indicator and board.indicator.kind in LIGHTS_WITH_WIRES:
            count, value = len(self._light().wires), _ohms(board.wiring.light_resistor_ohms)
            found.append(Text(f"{count} × {value} for the light", f"{count} × {value} 指示灯限流电阻"))
        return found

    def _notes(self) -> list[Text]:
        board = self._board
        notes = [
            Text(
                "Pull the USB plug and the 24 V supply before wiring. The chip's pins bear 3.3 V, never 5 V or RS-232.",
                "接线前请拔掉 USB 并关闭 24 V 电源。芯片引脚只能承受 3.3 V，切勿直接接 5 V 或 RS-232。",
            )
        ]
        if board.drawer and board.drawer.wiring == "gpio":
            notes.append(
                Text(
                    "Ground of the 24 V supply and ground of the board are joined at one point, beside the MOSFET.",
                    "24 V 电源地与开发板地在 MOSFET 旁单点相连。",
                )
            )
        elif board.drawer:
            notes.append(
                Text(
                    "The drawer's plug goes into the printer's kick port (DK), not into the hub.",
                    "钱箱插头请插入打印机的钱箱口（DK），不接集线盒。",
                )
            )
        handshake = self._handshake(board.printer) if board.printer else ""
        if board.printer and handshake:
            notes.append(
                Text(
                    f"Set the printer to {board.printer.baud_rate} baud, 8N1, handshake {handshake}.",
                    f"打印机设置：{board.printer.baud_rate} 波特，8N1，{handshake} 握手。",
                )
            )
        if board.scanner:
            notes.append(
                Text(
                    f"Set the scanner to {board.scanner.baud_rate} baud, 8N1, suffix CR. "
                    "If it draws over 300 mA, use its own adapter.",
                    f"扫码枪设置：{board.scanner.baud_rate} 波特，8N1，后缀 CR；若电流超过 300 mA，请使用其自带电源。",
                )
            )
        if board.chip == "rp2350":
            notes.append(
                Text(
                    "RP2350: pull-down resistors of 8.2 kΩ at most (erratum E9).",
                    "RP2350：下拉电阻不得大于 8.2 kΩ（勘误 E9）。",
                )
            )
        if board.chip == "esp32s3":
            notes.append(
                Text(
                    "The till's cable goes into the socket named USB, not UART.",
                    "收银机的线插入标有 USB 的接口，而非 UART。",
                )
            )
        notes.append(
            Text(
                "Where several wires name the same pin, join them on a terminal strip.",
                "多根线标注同一引脚时，请用接线端子并联。",
            )
        )
        notes.append(Text("Wire colours are a proposal; the pin numbers are not.", "线色仅供参考，引脚号必须一致。"))
        return notes


_DIVIDER_KOHMS: Final = (22, 3)  # 24 V becomes 2.9 V, enough beside a chip's own pull-down
_DIVISOR: Final = 8
_PRINTER = ("Receipt printer", "小票打印机")
_SCANNER = ("Barcode scanner", "扫码枪")
_MAX3232 = ("MAX3232", "电平转换")


def _ohms(value: int) -> str:
    return f"{value / 1000:g} kΩ" if value >= 1000 else f"{value} Ω"
