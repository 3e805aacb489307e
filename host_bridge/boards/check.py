"""The checker: a board file against its schema, its chip's pin table and the rules of its wiring."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from host_bridge.boards.chips import CHIPS, MODELS, WATCHDOG_MS, Chip, Model
from host_bridge.boards.document import unknown_keys, wrong_values
from host_bridge.boards.files import BoardFile
from host_bridge.boards.schema import Board, Drawer, Indicator, Link, Printer, Scanner
from host_bridge.state import Text

HUB_NAME_BYTES_MAX = 40  # as HELLO carries it
FINDINGS_LIMIT = 100  # of one file
INDICATOR_PINS = {"mono": ("pin",), "rgb": ("red", "green", "blue"), "ws2812": ("pin",), "onboard": (), "none": ()}


def wrong_hub_name(name: str) -> tuple[str, str] | None:
    """Why a hub can't have that name, in English and Chinese; None if it can."""
    size = len(name.encode())
    if 1 <= size <= HUB_NAME_BYTES_MAX:
        return None
    return (
        f"a hub's name has 1 to {HUB_NAME_BYTES_MAX} bytes, this one {size}",
        f"集线盒名称应为 1 至 {HUB_NAME_BYTES_MAX} 字节，当前为 {size} 字节",
    )


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a board file that will not work (error), or that a technician must see to (warning)."""

    file: str
    key: str  # as in TOML: "printer.tx"; "" for the file as a whole
    severity: Literal["error", "warning"]
    reason: Text
    remedy: Text | None = None
    pins: list[int] = []  # GPIOs that would do


class Use(NamedTuple):
    """A pin that the file gives away."""

    key: str
    gpio: int
    direction: Literal["out", "in", "in_pulled"]
    uart: tuple[int, str] | None = None  # number and signal


def check(file: BoardFile) -> tuple[Board | None, list[Finding]]:
    """The board, if the file can be read as one, and what is to be said about it, errors first."""
    try:
        document = tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        text = Text(f"this is no TOML: {error}", f"不是有效的 TOML：{error}")
        return None, [Finding(file=file.name, key="", severity="error", reason=text)]
    unknown = unknown_keys(document)
    wrong = list(wrong_values(document))
    findings = [
        Finding(
            file=file.name, key=each.key, severity="error", reason=each.reason, remedy=each.remedy, pins=[*each.pins]
        )
        for each in (*unknown, *wrong)
    ]
    if wrong:
        return None, findings[:FINDINGS_LIMIT]
    board = msgspec.convert(document, Board)
    found = [*findings, *_Checker(file.name, board).findings()]
    return board, sorted(found, key=lambda finding: finding.severity)[:FINDINGS_LIMIT]


def uses(board: Board) -> list[Use]:
    """Every pin that the board file gives away, in the order of the file."""
    found: list[Use] = []
    for key, link in links(board):
        if link.transport == "uart":
            found += _uart_uses(key, link.uart, link.tx, link.rx, None)
    for key in ("printer", "scanner"):
        port: Printer | Scanner | None = getattr(board, key)
        if port is not None:
            found += _uart_uses(key, port.uart, port.tx, port.rx, getattr(port, "cts", None))
    if board.printer and board.printer.sense is not None:
        found.append(Use("printer.sense", board.printer.sense, "in_pulled"))
    if board.scanner and board.scanner.sense is not None:
        found.append(Use("scanner.sense", board.scanner.sense, "in_pulled"))
    if board.scanner and board.scanner.trigger_pin is not None:
        found.append(Use("scanner.trigger_pin", board.scanner.trigger_pin, "out"))
    if board.drawer:
        found += [Use(f"drawer.kick[{n}]", pin, "out") for n, pin in enumerate(board.drawer.kick or ())]
        if board.drawer.switch is not None:
            found.append(Use("drawer.switch", board.drawer.switch, "in_pulled"))
    if board.indicator:
        for key in INDICATOR_PINS[board.indicator.kind]:
            pin = getattr(board.indicator, key)
            if pin is not None:
                found.append(Use(f"indicator.{key}", pin, "out"))
    if board.safe_mode:
        found.append(Use("safe_mode.pin", board.safe_mode.pin, "in_pulled"))
    return found


def links(board: Board) -> list[tuple[str, Link]]:
    """The ways to the bridge, with their keys."""
    given = (("link", board.link), ("backup_link", board.backup_link))
    return [(key, link) for key, link in given if link is not None]


def _uart_uses(key: str, uart: int | None, tx: int | None, rx: int | None, cts: int | None) -> Iterator[Use]:
    for signal, pin in (("tx", tx), ("rx", rx), ("cts", cts)):
        if pin is not None and uart is not None:
            yield Use(f"{key}.{signal}", pin, "out" if signal == "tx" else "in", (uart, signal))


class _Checker:
    """The rules, for one board."""

    def __init__(self, file: str, board: Board) -> None:
        self._file = file
        self._board = board
        self._chip: Chip = CHIPS[board.chip]
        self._model: Model | None = MODELS.get(board.port)
        self._uses = uses(board)
        self._given = {use.gpio for use in self._uses}

    def findings(self) -> Iterator[Finding]:
        yield from self._port()
        yield from self._hub_name()
        yield from self._watchdog()
        for key, link in links(self._board):
            yield from self._link(key, link)
        yield from self._two_links()
        yield from self._uarts()
        for use in self._uses:
            yield from self._pin(use)
        yield from self._clashes()
        yield from self._scanner()
        yield from self._flow()
        yield from self._drawer()
        yield from self._indicator()
        yield from self._pull_downs()

    def _finding(
        self,
        key: str,
        reason: tuple[str, str],
        remedy: tuple[str, str] | None = None,
        *,
        pins: Iterable[int] = (),
        warning: bool = False,
    ) -> Finding:
        """`pins`: what would do; those given away elsewhere or not led out are left away."""
        free = [pin for pin in pins if pin not in self._given and (self._model is None or self._model.is_free(pin))]
        return Finding(
            file=self._file,
            key=key,
            severity="warning" if warning else "error",
            reason=Text(*reason),
            remedy=Text(*remedy) if remedy else None,
            pins=free,
        )

    def _port(self) -> Iterator[Finding]:
        if self._board.chip == "simulated":
            return
        known = ", ".join(sorted(MODELS))
        if not self._board.port:
            yield self._finding(
                "port",
                ("MicroPython's name of the board is missing", "缺少 MicroPython 板卡名称"),
                (
                    f"One of {known}; without it the header's pins can't be checked.",
                    f"请填写其中之一：{known}；否则无法检查排针。",
                ),
                warning=True,
            )
        elif self._model is None:
            yield self._finding(
                "port",
                (f"{self._board.port} has no header table here", f"没有 {self._board.port} 的排针表"),
                (
                    f"Known are {known}. The chip's pins are checked, the header is not.",
                    f"已知板卡：{known}。仅检查芯片引脚，不检查排针。",
                ),
                warning=True,
            )
        elif self._model.chip != self._board.chip:
            yield self._finding(
                "chip",
                (
                    f"{self._board.port} carries {CHIPS[self._model.chip].title}, the file says {self._chip.title}",
                    f"{self._board.port} 使用 {CHIPS[self._model.chip].title}，文件中却写 {self._chip.title}",
                ),
                (
                    f'Write chip = "{self._model.chip}", or the right port.',
                    f'请写 chip = "{self._model.chip}"，或更正 port。',
                ),
            )

    def _hub_name(self) -> Iterator[Finding]:
        reason = None if self._board.hub_name is None else wrong_hub_name(self._board.hub_name)
        if reason:
            remedy = (
                "A Chinese character has 3 bytes, an English letter 1.",
                "一个汉字占 3 字节，一个英文字母占 1 字节。",
            )
            yield self._finding("hub_name", reason, remedy)

    def _watchdog(self) -> Iterator[Finding]:
        least, most = WATCHDOG_MS
        if not least <= self._board.watchdog_ms <= most:
            yield self._finding(
                "watchdog_ms",
                (
                    f"expected {least} to {most} ms, found {self._board.watchdog_ms}",
                    f"应为 {least} 至 {most} 毫秒，文件中为 {self._board.watchdog_ms}",
                ),
                ("8000 is a good value.", "建议使用 8000。"),
            )

    def _link(self, section: str, link: Link) -> Iterator[Finding]:
        given = [key for key in ("uart", "tx", "rx", "baud_rate") if getattr(link, key) is not None]
        if link.transport == "uart":
            for key in ("uart", "tx", "rx", "baud_rate"):
                if key not in given:
                    yield self._finding(
                        f"{section}.{key}",
                        ("a link over a UART needs it", "通过 UART 连接时必须填写"),
                        pins=self._chip.pins_for(link.uart or 0, key) if key in ("tx", "rx") else (),
                    )
        elif given:
            yield self._finding(
                f"{section}.{given[0]}",
                ("a link over USB has no UART", "通过 USB 连接时没有 UART"),
                ('Leave it out, or write transport = "uart".', '请删除该项，或写 transport = "uart"。'),
            )

    def _two_links(self) -> Iterator[Finding]:
        backup = self._board.backup_link
        if backup is None:
            return
        if backup.transport == self._board.link.transport == "usb":
            yield self._finding(
                "backup_link.transport",
                ("both links are over USB, and there is one USB", "两条链路都使用 USB，而 USB 只有一个"),
                ('Write transport = "uart" for one of them.', '请将其中之一写为 transport = "uart"。'),
            )

    def _uarts(self) -> Iterator[Finding]:
        taken: dict[int, str] = {}
        by_uart = [key for key, link in links(self._board) if link.transport == "uart"]
        sections = (*by_uart, "printer", "scanner")
        chip = self._chip
        ports = {section: port for section in sections if (port := getattr(self._board, section)) is not None}
        asked = {port.uart for port in ports.values()} | {chip.console_uart}
        free = ", ".join(str(uart) for uart in chip.uarts if uart not in asked)
        remedy = (
            (f"Free: {free}.", f"可用：{free}。")
            if free
            else ("None is free: one link or device has to go.", "没有空闲的 UART：须去掉一条链路或一个设备。")
        )
        for section, port in ports.items():
            if port.uart is None:
                continue
            if port.uart not in chip.uarts:
                numbers = ", ".join(map(str, chip.uarts))
                yield self._finding(
                    f"{section}.uart",
                    (
                        f"{chip.title} has the UARTs {numbers}, found {port.uart}",
                        f"{chip.title} 只有 UART {numbers}，文件中为 {port.uart}",
                    ),
                    remedy,
                )
            elif port.uart == chip.console_uart:
                yield self._finding(
                    f"{section}.uart",
                    (
                        f"UART{port.uart} is MicroPython's console: nothing else can open it",
                        f"UART{port.uart} 是 MicroPython 控制台，不能再作他用",
                    ),
                    ('Write transport = "usb".', '请写 transport = "usb"。') if section == "link" else remedy,
                )
            elif port.uart in taken:
                yield self._finding(
                    f"{section}.uart",
                    (
                        f"UART{port.uart} belongs to {taken[port.uart]} already",
                        f"UART{port.uart} 已被 {taken[port.uart]} 占用",
                    ),
                    remedy,
                )
            else:
                taken[port.uart] = section

    def _candidates(self, use: Use) -> tuple[int, ...]:
        if use.uart is not None:
            return self._chip.pins_for(*use.uart)
        if use.direction == "out":
            return self._chip.outputs()
        return self._chip.pulled_inputs()

    def _pin(self, use: Use) -> Iterator[Finding]:
        """At most one error a pin: the first that makes it useless."""
        chip, gpio = self._chip, use.gpio
        candidates = self._candidates(use)
        if gpio not in chip.gpios:
            yield self._finding(
                use.key, (f"{chip.title} has no GPIO{gpio}", f"{chip.title} 没有 GPIO{gpio}"), pins=candidates
            )
        elif gpio in chip.used:
            what = chip.used[gpio]
            yield self._finding(
                use.key, (f"GPIO{gpio} is taken: {what.en}", f"GPIO{gpio} 已被占用：{what.zh}"), pins=candidates
            )
        elif gpio in chip.input_only and use.direction == "out":
            yield self._finding(
                use.key,
                (f"GPIO{gpio} can only read, and this is an output", f"GPIO{gpio} 只能输入，而此处需要输出"),
                pins=candidates,
            )
        elif gpio in chip.input_only and use.direction == "in_pulled":
            yield self._finding(
                use.key,
                (
                    f"GPIO{gpio} has no pull resistor, and this input needs one",
                    f"GPIO{gpio} 没有上下拉电阻，而此输入需要",
                ),
                pins=candidates,
            )
        elif use.uart and use.uart[0] in chip.uarts and gpio not in candidates and chip.uart_pins is not None:
            uart, signal = use.uart
            yield self._finding(
                use.key,
                (
                    f"GPIO{gpio} can't be UART{uart} {signal.upper()}",
                    f"GPIO{gpio} 不能用作 UART{uart} {signal.upper()}",
                ),
                pins=candidates,
            )
        else:
            yield from self._pin_on_board(use, candidates)
            yield from self._doubts(use, candidates)

    def _pin_on_board(self, use: Use, candidates: tuple[int, ...]) -> Iterator[Finding]:
        model, gpio = self._model, use.gpio
        if model is None or (use.key == "indicator.pin" and gpio == model.onboard_led):
            return
        if gpio in model.taken:
            what = model.taken[gpio]
            yield self._finding(
                use.key,
                (
                    f"GPIO{gpio} is taken on {model.title}: {what.en}",
                    f"{model.title} 的 GPIO{gpio} 已被占用：{what.zh}",
                ),
                pins=candidates,
            )
        elif model.pin_of(gpio) is None:
            yield self._finding(
                use.key,
                (f"GPIO{gpio} is not on the header of {model.title}", f"{model.title} 的排针没有引出 GPIO{gpio}"),
                pins=candidates,
            )

    def _doubts(self, use: Use, candidates: tuple[int, ...]) -> Iterator[Finding]:
        chip, gpio = self._chip, use.gpio
        is_kick = use.key.startswith("drawer.kick")
        if gpio in chip.strapping:
            what = chip.strapping[gpio]
            yield self._finding(
                use.key,
                (f"GPIO{gpio} is a strapping pin: {what.en}", f"GPIO{gpio} 是启动配置引脚：{what.zh}"),
                None
                if is_kick
                else (
                    "Another pin saves trouble; what hangs on it decides whether the board starts.",
                    "建议换用其他引脚；外接电路会影响开发板启动。",
                ),
                pins=candidates,
                warning=not is_kick,
            )
        elif gpio in chip.noisy_at_boot and use.direction == "out":
            yield self._finding(
                use.key,
                (
                    f"the loader drives GPIO{gpio} at power-on" + (": the drawer would open" if is_kick else ""),
                    f"上电时引导程序会驱动 GPIO{gpio}" + ("：钱箱会弹开" if is_kick else ""),
                ),
                pins=candidates,
                warning=not is_kick,
            )
        elif gpio in chip.doubtful:
            what = chip.doubtful[gpio]
            yield self._finding(
                use.key, (f"GPIO{gpio}: {what.en}", f"GPIO{gpio}：{what.zh}"), pins=candidates, warning=True
            )

    def _clashes(self) -> Iterator[Finding]:
        first: dict[int, Use] = {}
        for use in self._uses:
            if use.gpio in first:
                other = first[use.gpio].key
                yield self._finding(
                    use.key,
                    (f"GPIO{use.gpio} is given to {other} already", f"GPIO{use.gpio} 已分配给 {other}"),
                    pins=self._candidates(use),
                )
            else:
                first[use.gpio] = use

    def _scanner(self) -> Iterator[Finding]:
        scanner: Scanner | None = self._board.scanner
        if scanner is None:
            return
        if scanner.trigger == "pin" and scanner.trigger_pin is None:
            yield self._finding(
                "scanner.trigger_pin",
                ('trigger = "pin" needs the pin of the trigger line', 'trigger = "pin" 时必须填写触发线引脚'),
                pins=self._chip.outputs(),
            )
        elif scanner.trigger != "pin" and scanner.trigger_pin is not None:
            yield self._finding(
                "scanner.trigger_pin",
                (
                    f'with trigger = "{scanner.trigger}" no pin is driven',
                    f'trigger = "{scanner.trigger}" 时不使用引脚',
                ),
                ('Leave it out, or write trigger = "pin".', '请删除该项，或写 trigger = "pin"。'),
            )

        elif scanner.trigger == "pin" and self._board.wiring.scanner == "rs232":
            yield self._finding(
                "scanner.trigger",
                (
                    "a trigger line is found on modules with TTL levels; an RS-232 scanner has none in its plug",
                    "触发线只见于 TTL 电平模块；RS-232 扫码枪的插头没有触发线",
                ),
                (
                    'Write wiring.scanner = "ttl", or trigger = "serial_syn" where the scanner knows these commands.',
                    '请写 wiring.scanner = "ttl"；若扫码枪支持串口触发指令，可写 trigger = "serial_syn"。',
                ),
                warning=True,
            )

    def _flow(self) -> Iterator[Finding]:
        """How the printer says that it is busy, and by which pin."""
        port: Printer | None = self._board.printer
        if port is None:
            return
        by_line = port.flow in ("rts_cts", "dtr_dsr")
        if by_line and port.cts is None:
            yield self._finding(
                "printer.cts",
                (f'flow = "{port.flow}" needs the line by which it is said', f'flow = "{port.flow}" 需要忙信号引脚'),
                pins=self._chip.pins_for(port.uart, "cts"),
            )
        elif port.cts is not None and port.flow in ("none", "xon_xoff"):
            yield self._finding(
                "printer.cts",
                (f'with flow = "{port.flow}" nobody looks at it', f'flow = "{port.flow}" 时不使用该引脚'),
                ('Leave it out, or write flow = "dtr_dsr".', '请删除该项，或写 flow = "dtr_dsr"。'),
            )
        if port.slack_bytes is not None and port.flow != "xon_xoff":
            yield self._finding(
                "printer.slack_bytes",
                ("only XON/XOFF knows it", "仅用于 XON/XOFF"),
                ('Leave it out, or write flow = "xon_xoff".', '请删除该项，或写 flow = "xon_xoff"。'),
            )
        if not by_line and port.cts is None and port.flow != "xon_xoff":
            yield self._finding(
                "printer.flow",
                (
                    "the printer has no way to say that its buffer is full: long receipts lose bytes",
                    "打印机无法告知缓冲区已满：长小票会丢失内容",
                ),
                (
                    'Wire its busy line to a cts pin, or set it and the file to "xon_xoff".',
                    '请连接忙信号引脚 cts，或把打印机和文件都设为 "xon_xoff"。',
                ),
                warning=True,
            )
        if port.sense is not None and not port.sense_on_level and port.cts is not None:
            yield self._finding(
                "printer.sense_on_level",
                (
                    "DTR is the printer's busy line here, and tells nothing of its power",
                    "此处 DTR 是忙信号，不能反映通电状态",
                ),
                ("Sense its +24 V: sense_on_level = 1.", "请检测其 +24 V：sense_on_level = 1。"),
                warning=True,
            )

    def _drawer(self) -> Iterator[Finding]:
        drawer: Drawer | None = self._board.drawer
        if drawer is None:
            return
        if drawer.wiring == "printer":
            if self._board.printer is None:
                yield self._finding(
                    "drawer.wiring",
                    (
                        "there is no printer on whose kick port the drawer could hang",
                        "没有打印机，钱箱无法接在打印机的钱箱口上",
                    ),
                    ('Describe the printer, or write wiring = "gpio".', '请填写打印机，或写 wiring = "gpio"。'),
                )
            for key in ("kick", "switch"):
                if getattr(drawer, key) is not None:
                    yield self._finding(
                        f"drawer.{key}",
                        (
                            "the drawer hangs on the printer's kick port: the hub has no pin for it",
                            "钱箱接在打印机上，集线盒没有对应引脚",
                        ),
                        ('Leave it out, or write wiring = "gpio".', '请删除该项，或写 wiring = "gpio"。'),
                    )
            return
        if not drawer.kick:
            yield self._finding(
                "drawer.kick",
                (
                    "a drawer on the hub's own pins needs one pin for each drawer",
                    "钱箱接在集线盒上时，每个钱箱需要一个引脚",
                ),
                pins=self._chip.outputs(),
            )
        if drawer.switch is None:
            yield self._finding(
                "drawer.switch",
                ("without the drawer's switch nobody learns whether it opened", "没有钱箱开关就无法确认钱箱是否打开"),
                (
                    "Wire pins 3 and 6 of the drawer's plug, or live with unconfirmed kicks.",
                    "请连接钱箱插头的第 3、6 脚；否则开箱无法确认。",
                ),
                pins=self._chip.pulled_inputs(),
                warning=True,
            )

    def _indicator(self) -> Iterator[Finding]:
        light: Indicator | None = self._board.indicator
        if light is None or light.kind == "none":
            yield self._finding(
                "indicator.kind" if light else "indicator",
                (
                    "without a light the hub can't say what is wrong when there is no till",
                    "没有指示灯，收银机离线时集线盒无法提示故障",
                ),
                ("Fit at least one LED.", "请至少安装一个 LED。"),
                warning=True,
            )
            return
        wanted = INDICATOR_PINS[light.kind]
        for key in ("pin", "red", "green", "blue"):
            is_given = getattr(light, key) is not None
            if key in wanted and not is_given:
                yield self._finding(
                    f"indicator.{key}",
                    (f'a light of kind "{light.kind}" needs it', f'"{light.kind}" 类型的指示灯必须填写'),
                    pins=self._chip.outputs(),
                )
            elif is_given and key not in wanted:
                yield self._finding(
                    f"indicator.{key}",
                    (f'a light of kind "{light.kind}" has no such pin', f'"{light.kind}" 类型的指示灯没有该引脚'),
                    ("Leave it out.", "请删除该项。"),
                )
        if light.kind == "onboard" and self._model is not None and self._model.onboard_led is None:
            yield self._finding(
                "indicator.kind",
                (f"{self._model.title} has no plain LED of its own", f"{self._model.title} 没有板载单色 LED"),
                ('Write kind = "mono" or "rgb" and fit a LED.', '请写 kind = "mono" 或 "rgb" 并安装 LED。'),
            )

    def _pull_downs(self) -> Iterator[Finding]:
        board, chip = self._board, self._chip
        ohms = board.wiring.drawer_pull_down_ohms
        if board.drawer and board.drawer.wiring == "gpio" and board.drawer.kick and board.chip != "simulated":
            most = chip.pull_down_ohms_max
            advice = "4.7 kΩ" if most < 10_000 else "10 kΩ"
            remedy = (
                f"Fit {advice} from the MOSFET's gate to ground and write drawer_pull_down_ohms.",
                f"请在 MOSFET 栅极与地之间接 {advice} 电阻，并填写 drawer_pull_down_ohms。",
            )
            if ohms is None:
                yield self._finding(
                    "wiring.drawer_pull_down_ohms",
                    (
                        "no pull-down on the drawer's pin: while the chip starts nothing holds the solenoid off",
                        "钱箱引脚没有下拉电阻：芯片启动期间无法保证电磁铁断电",
                    ),
                    remedy,
                    warning=True,
                )
            elif ohms > most:
                yield self._finding(
                    "wiring.drawer_pull_down_ohms",
                    (
                        f"{ohms} Ω is too weak on {chip.title}: expected {most} Ω at most",
                        f"{ohms} Ω 对 {chip.title} 过大：最多 {most} Ω",
                    ),
                    remedy,
                    warning=True,
                )
        if board.scanner and board.scanner.sense is not None and chip.pull_down_ohms_max < 10_000:
            yield self._finding(
                "scanner.sense",
                (
                    f"{chip.title}'s own pull-down does not hold the pin low (erratum RP2350-E9)",
                    f"{chip.title} 的内部下拉无法可靠拉低引脚（勘误 RP2350-E9）",
                ),
                ("Fit 4.7 kΩ from the pin to ground.", "请在该引脚与地之间接 4.7 kΩ 电阻。"),
                warning=True,
            )
