"""UARTs: how one is opened, fed and read without ever waiting inside it."""

from micropython import const
import asyncio
import sys

import machine

_BITS = const(10)  # of a byte on the wire
TX_BUFFER_BYTES = 768
_TX_BUFFER_LEAST_BYTES = const(32)  # ports/rp2, MIN_BUFFER_SIZE
_AHEAD_MS = const(130)  # of the wire's time may lie in a printer's UART: at 115200 baud two messages of 748 bytes
_ESP32_BUFFER_BYTES_MIN = const(256)  # ESP-IDF's uart_driver_install refuses less than its FIFO's 128 bytes and one


def open_uart(port):
    """A UART from a board file's section: uart, tx, rx, baud_rate, and cts where the other side signals busy by it."""
    return machine.UART(port["uart"], **_options(port))


def open_feeder(uart, port, ahead_ms):
    """What feeds the UART without holding up the program: `room(size)`, `await wait(size)`, `put(data)`, `moved()`,
    `all_sent()`, `forget()`."""
    if sys.platform == "esp32":
        from hub.sent_feeder import SentFeeder as Feeder
    else:
        from hub.uart_feeder import UartFeeder as Feeder
    return Feeder(uart, port, ahead_ms)


def open_fed_uart(port):
    """A UART that is given much at a time, and what feeds it: the chip's DMA, where MicroPython lets it be used."""
    if sys.platform != "rp2":
        uart = open_uart(port)
        return uart, open_feeder(uart, port, _AHEAD_MS)
    from hub.uart_dma import DmaFeeder

    ahead_bytes = min(port["tx_buffer_bytes"], _AHEAD_MS * port["baud_rate"] // (_BITS * 1000))
    port["tx_buffer_bytes"] = _TX_BUFFER_LEAST_BYTES  # for what does not go by DMA, a few bytes
    uart = open_uart(port)
    return uart, DmaFeeder(uart, port, ahead_bytes)


def empty_uart(uart, port):
    """Throw away what the UART still holds, by setting it up again. A buffer whose size stays is kept by the ports."""
    options = _options(port)
    if sys.platform == "esp32" and sys.implementation.version >= (1, 27):  # before it no `init` may follow a `deinit`
        uart.deinit()  # else `init` waits for what is held, 1 s at a busy printer, and the whole program with it
    else:
        uart.init(**dict(options, txbuf=options["txbuf"] + 1))
    uart.init(**options)


def mind_busy(uart, port, minded):
    """Send whether the other side signals busy or not; what the UART holds is thrown away."""
    uart.init(**dict(_options(port), flow=0) if not minded else _options(port))


def _options(port):
    options = {
        "baudrate": port["baud_rate"],
        "tx": machine.Pin(port["tx"]),
        "rx": machine.Pin(port["rx"]),
        "rxbuf": port.get("rx_buffer_bytes", 1024),
        "txbuf": port.get("tx_buffer_bytes", TX_BUFFER_BYTES),
        "timeout": 0,
    }
    if sys.platform == "esp32":
        for key in ("rxbuf", "txbuf"):
            options[key] = max(options[key], _ESP32_BUFFER_BYTES_MIN)
    if "cts" in port and port.get("flow") not in ("none", "xon_xoff"):
        options["cts"] = machine.Pin(port["cts"])
        options["flow"] = machine.UART.CTS
    return options


class UartReader:
    """Reads what a UART has: its own `readinto` waits, and the program with it, until the line has been quiet."""

    def __init__(self, uart):
        self._uart = uart
        self._stream = asyncio.StreamReader(uart)
        self._nothing = bytearray(0)

    async def readinto(self, buffer):
        """Wait for bytes; how many came, at least one."""
        while True:
            await self._stream.readinto(self._nothing)
            count = self.take(buffer)
            if count:
                return count

    def take(self, buffer):
        """What is there; how many bytes."""
        count = min(self._uart.any(), len(buffer))
        return (self._uart.readinto(buffer, count) or 0) if count else 0
