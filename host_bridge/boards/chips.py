"""What the pins of each chip and each board can do, from the makers' documents.

RP2040: RP2040 datasheet, 1.4.3 "GPIO functions". RP2350: RP2350 datasheet, 1.2.3 "GPIO functions (Bank 0)", function
F2, which every MicroPython knows; erratum RP2350-E9. Pico boards: each board's datasheet, "Pinout and design files".
ESP32, ESP32-S3: their datasheets, "Pin overview" and "Strapping pins"; ESP-IDF, "GPIO & RTC GPIO". Their boards:
Espressif's ESP32-DevKitC V4 and ESP32-S3-DevKitC-1 v1.1 user guides, "Header block". Watchdog: MicroPython's
`machine.WDT`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from host_bridge.state import Text

Signal = str  # "tx", "rx", "cts", "rts"
SIGNALS: Final = ("tx", "rx", "cts", "rts")


class Chip(NamedTuple):
    """One chip's pin table."""

    title: str
    gpios: frozenset[int]
    uarts: tuple[int, ...]
    console_uart: int | None = None  # MicroPython's: no program can open it (ports/esp32/machine_uart.c)
    uart_pins: dict[tuple[int, Signal], tuple[int, ...]] | None = None  # None: any pin, by the GPIO matrix
    input_only: frozenset[int] = frozenset()  # no output, and no pull resistor
    used: MappingProxyType[int, Text] = MappingProxyType({})  # by the chip itself: flash, USB, console
    strapping: MappingProxyType[int, Text] = MappingProxyType({})  # read at reset: what they decide
    doubtful: MappingProxyType[int, Text] = MappingProxyType({})  # used by some modules with this chip
    noisy_at_boot: frozenset[int] = frozenset()  # driven by the loader before any program runs
    pull_down_ohms_max: int = 100_000  # a weaker one does not hold a pin low

    def pins_for(self, uart: int, signal: Signal) -> tuple[int, ...]:
        """The GPIOs that can carry a UART's signal; `uart` out of range gives none."""
        if uart not in self.uarts:
            return ()
        if self.uart_pins is not None:
            return self.uart_pins.get((uart, signal), ())
        return self.outputs() if signal in ("tx", "rts") else self.inputs()

    def outputs(self) -> tuple[int, ...]:
        """GPIOs that can drive something, with no second meaning."""
        return tuple(pin for pin in self.inputs() if pin not in self.input_only)

    def inputs(self) -> tuple[int, ...]:
        """GPIOs that can read something, with no second meaning."""
        return tuple(
            sorted(self.gpios - set(self.used) - set(self.doubtful) - set(self.strapping) - self.noisy_at_boot)
        )

    def pulled_inputs(self) -> tuple[int, ...]:
        """Inputs that have a pull resistor of their own."""
        return tuple(pin for pin in self.inputs() if pin not in self.input_only)


class HeaderPin(NamedTuple):
    """One pin of a board's header."""

    number: str  # as printed or counted on the board: "1", or "J1-4"
    label: str  # what is printed beside it
    gpio: int | None = None


class Model(NamedTuple):
    """A board that can be bought: its header as seen from above with the USB socket at the top."""

    title: str
    chip: str
    left: tuple[HeaderPin, ...]
    right: tuple[HeaderPin, ...]
    taken: MappingProxyType[int, Text] = MappingProxyType({})  # GPIOs that the board itself uses
    onboard_led: int | None = None  # a GPIO; -1: behind the radio chip

    def header(self) -> tuple[HeaderPin, ...]:
        return self.left + self.right

    def pin_of(self, gpio: int) -> HeaderPin | None:
        """The header pin of a GPIO; None if it isn't led out."""
        return next((pin for pin in self.header() if pin.gpio == gpio), None)

    def is_free(self, gpio: int) -> bool:
        """It is led out, and the board itself has no use for it."""
        return gpio not in self.taken and self.pin_of(gpio) is not None


def _rp2_uart_pins() -> dict[tuple[int, Signal], tuple[int, ...]]:
    """UART0 on 0-3, UART1 on 4-11, UART0 on 12-19, UART1 on 20-27, UART0 on 28 and 29; in fours: TX, RX, CTS, RTS."""
    table: dict[tuple[int, Signal], tuple[int, ...]] = {}
    for gpio in range(30):
        key = ((gpio + 4) // 8 % 2, SIGNALS[gpio % 4])
        table[key] = (*table.get(key, ()), gpio)
    return table


_FLASH = Text("wired to the flash memory", "连接到闪存")

# The hub's limits on every chip (firmware/hub/board.py): an RP2040 counts no further.
WATCHDOG_MS: Final = (1000, 8388)
CHIPS: Final[dict[str, Chip]] = {
    "rp2040": Chip(
        title="RP2040",
        gpios=frozenset(range(30)),
        uarts=(0, 1),
        uart_pins=_rp2_uart_pins(),
    ),
    "rp2350": Chip(
        title="RP2350",
        gpios=frozenset(range(30)),
        uarts=(0, 1),
        uart_pins=_rp2_uart_pins(),
        pull_down_ohms_max=8200,  # erratum RP2350-E9: a weaker one lets the pin float to about 2 V
    ),
    "esp32": Chip(
        title="ESP32",
        gpios=frozenset((*range(20), 21, 22, 23, 25, 26, 27, *range(32, 40))),
        uarts=(0, 1, 2),
        console_uart=0,
        input_only=frozenset(range(34, 40)),
        used=MappingProxyType(
            {
                **dict.fromkeys(range(6, 12), _FLASH),
                1: Text("the console's TX (UART0, to the USB chip)", "控制台 TX（UART0，接 USB 芯片）"),
                3: Text("the console's RX (UART0, to the USB chip)", "控制台 RX（UART0，接 USB 芯片）"),
            }
        ),
        doubtful=MappingProxyType(
            dict.fromkeys((16, 17), Text("wired to the PSRAM on WROVER modules", "在 WROVER 模组上用于 PSRAM"))
        ),
        strapping=MappingProxyType(
            {
                0: Text("low at reset starts the loader", "复位时为低则进入下载模式"),
                2: Text("high at reset keeps the loader from starting", "复位时为高则无法进入下载模式"),
                5: Text("decides the timing of SDIO at reset", "复位时决定 SDIO 时序"),
                12: Text("high at reset gives the flash the wrong voltage", "复位时为高会使闪存电压错误"),
                15: Text("low at reset silences the loader", "复位时为低会关闭启动信息"),
            }
        ),
        noisy_at_boot=frozenset({14}),
    ),
    "esp32s3": Chip(
        title="ESP32-S3",
        gpios=frozenset((*range(22), *range(26, 49))),
        uarts=(0, 1, 2),
        console_uart=0,
        used=MappingProxyType(
            {
                **dict.fromkeys(range(26, 33), Text("wired to the flash memory or PSRAM", "连接到闪存或 PSRAM")),
                19: Text("USB D-", "USB D-"),
                20: Text("USB D+", "USB D+"),
                43: Text("the console's TX (UART0)", "控制台 TX（UART0）"),
                44: Text("the console's RX (UART0)", "控制台 RX（UART0）"),
            }
        ),
        doubtful=MappingProxyType(
            dict.fromkeys(
                range(33, 38), Text("wired to octal flash or PSRAM on many modules", "在许多模组上用于八线闪存或 PSRAM")
            )
        ),
        strapping=MappingProxyType(
            {
                0: Text("low at reset starts the loader", "复位时为低则进入下载模式"),
                3: Text("chooses the JTAG pins at reset", "复位时选择 JTAG 引脚"),
                45: Text("decides the flash's voltage at reset", "复位时决定闪存电压"),
                46: Text("decides about the loader at reset", "复位时影响下载模式"),
            }
        ),
    ),
    # The virtual hub's own: host_bridge/virtual/wiring.py. Its UARTs take any pin.
    "simulated": Chip(title="simulated", gpios=frozenset(range(30)), uarts=(0, 1, 2, 3)),
}


def _header(names: str, *, first: int, step: int, prefix: str = "", gpio_prefix: str = "") -> tuple[HeaderPin, ...]:
    """Header pins from their labels, top to bottom. A label that is a number, after `gpio_prefix`, is a GPIO."""
    pins = []
    for place, name in enumerate(names.split()):
        label, _, given = name.partition("=")
        number = f"{prefix}{first + step * place}"
        digits = given or label.removeprefix(gpio_prefix)
        pins.append(HeaderPin(number, label, int(digits) if digits.isdigit() else None))
    return tuple(pins)


_PICO_LEFT = _header(
    "GP0 GP1 GND GP2 GP3 GP4 GP5 GND GP6 GP7 GP8 GP9 GND GP10 GP11 GP12 GP13 GND GP14 GP15",
    first=1,
    step=1,
    gpio_prefix="GP",
)
_PICO_RIGHT = _header(
    "VBUS VSYS GND 3V3_EN 3V3 ADC_VREF GP28 AGND GP27 GP26 RUN GP22 GND GP21 GP20 GP19 GP18 GND GP17 GP16",
    first=40,
    step=-1,
    gpio_prefix="GP",
)
_PICO_TAKEN = MappingProxyType(
    {
        23: Text("the power supply's mode", "电源模式控制"),
        24: Text("senses the USB supply", "检测 USB 供电"),
        25: Text("the on-board LED", "板载 LED"),
        29: Text("measures the supply", "测量供电电压"),
    }
)
_RADIO = Text("wired to the radio chip", "连接到无线芯片")
_PICO_W_TAKEN = MappingProxyType(dict.fromkeys((23, 24, 25, 29), _RADIO))

# By MicroPython's name of the board.
MODELS: Final[dict[str, Model]] = {
    "RPI_PICO": Model("Raspberry Pi Pico", "rp2040", _PICO_LEFT, _PICO_RIGHT, _PICO_TAKEN, 25),
    "RPI_PICO_W": Model("Raspberry Pi Pico W", "rp2040", _PICO_LEFT, _PICO_RIGHT, _PICO_W_TAKEN, -1),
    "RPI_PICO2": Model("Raspberry Pi Pico 2", "rp2350", _PICO_LEFT, _PICO_RIGHT, _PICO_TAKEN, 25),
    "RPI_PICO2_W": Model("Raspberry Pi Pico 2 W", "rp2350", _PICO_LEFT, _PICO_RIGHT, _PICO_W_TAKEN, -1),
    # Espressif's pictures hold the USB socket down; here it is at the top, so that all boards look alike: the header
    # that stands on the right there, J3, is on the left here, and both run from the socket upwards.
    "ESP32_GENERIC": Model(
        "ESP32-DevKitC V4",
        "esp32",
        tuple(
            reversed(
                _header(
                    "GND 23 22 TX=1 RX=3 21 GND 19 18 5 17 16 4 0 2 15 D1=8 D0=7 CLK=6", first=1, step=1, prefix="J3-"
                )
            )
        ),
        tuple(
            reversed(
                _header(
                    "3V3 EN VP=36 VN=39 34 35 32 33 25 26 27 14 12 GND 13 D2=9 D3=10 CMD=11 5V",
                    first=1,
                    step=1,
                    prefix="J2-",
                )
            )
        ),
    ),
    "ESP32_GENERIC_S3": Model(
        "ESP32-S3-DevKitC-1",
        "esp32s3",
        tuple(
            reversed(
                _header(
                    "GND TX=43 RX=44 1 2 42 41 40 39 38 37 36 35 0 45 48 47 21 20 19 GND GND",
                    first=1,
                    step=1,
                    prefix="J3-",
                )
            )
        ),
        tuple(
            reversed(
                _header("3V3 3V3 RST 4 5 6 7 15 16 17 18 8 3 46 9 10 11 12 13 14 5V GND", first=1, step=1, prefix="J1-")
            )
        ),
        MappingProxyType(
            {
                38: Text("the on-board light (board version 1.1)", "板载彩灯（1.1 版）"),
                48: Text("the on-board light (board version 1.0)", "板载彩灯（1.0 版）"),
            }
        ),
    ),
}
