"""The transports: what carries the link's bytes."""

import asyncio
import sys

import machine

_TX_BUFFER_BYTES = 256
_PACED_POLL_MS = 2


def open_uart(port):
    """A UART from a board file's section: uart, tx, rx, baud_rate, and cts where the other side signals busy by it."""
    return machine.UART(port["uart"], **_options(port))


def open_writer(uart, port):
    """What writes to the UART and waits for room without holding up the program: `write(data)`, `await drain()`."""
    if sys.platform == "esp32":
        return PacedWriter(uart, port.get("tx_buffer_bytes", _TX_BUFFER_BYTES))
    return asyncio.StreamWriter(uart, {})


def empty_uart(uart, port):
    """Throw away what the UART still holds, by setting it up again: the ports keep a buffer whose size stays."""
    options = _options(port)
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
        "txbuf": port.get("tx_buffer_bytes", _TX_BUFFER_BYTES),
        "timeout": 0,
    }
    if "cts" in port:
        options["cts"] = machine.Pin(port["cts"])
        options["flow"] = machine.UART.CTS
    return options


def open_link(link):
    """The way to the bridge from the board file's `link` or `backup_link`. ValueError if its transport is not known.

    It has `await readinto(buffer)`, `await write(data)` and `close()`.
    """
    if link["transport"] == "uart":
        return UartLink(link)
    if link["transport"] == "usb":
        from hub.console import ConsoleLink

        return ConsoleLink()
    raise ValueError("link.transport: expected 'uart' or 'usb', found %r" % link["transport"])


class UartLink:
    """The link on a UART of its own."""

    def __init__(self, link):
        uart = open_uart(link)
        self._reader = asyncio.StreamReader(uart)
        self._writer = open_writer(uart, link)

    def readinto(self, buffer):
        """Awaitable: how many bytes came, at least one."""
        return self._reader.readinto(buffer)

    def write(self, data):
        """Awaitable: hand all of it to the UART."""
        self._writer.write(data)
        return self._writer.drain()

    def close(self):
        pass


class PacedWriter:
    """A UART of the esp32 port, which always says that it has room and then waits for it, and the whole program with
    it: for as long as a printer signals busy (ports/esp32/machine_uart.c, mp_machine_uart_ioctl; ESP-IDF,
    uart_write_bytes). It only tells when all is sent; so no more is handed to it until then than surely fits.
    """

    def __init__(self, uart, tx_buffer_bytes):
        self._uart = uart
        self._fits_bytes = tx_buffer_bytes // 4  # its ring has headers, and takes no item of half its size
        self._given_bytes = 0
        self._left = b""

    def write(self, data):
        self._left += data

    async def drain(self):
        while self._left:
            room = self._fits_bytes - self._given_bytes
            if room > 0:
                piece = self._left[:room]
                self._left = self._left[len(piece) :]
                self._given_bytes += len(piece)
                self._uart.write(piece)
            if self._left:
                await self._wait_until_sent()
        await asyncio.sleep_ms(0)

    async def _wait_until_sent(self):
        while not self._uart.txdone():
            await asyncio.sleep_ms(_PACED_POLL_MS)
        self._given_bytes = 0


class NoLink:
    """In the place of a link that could not be opened: nothing comes, and what is sent is lost."""

    async def readinto(self, buffer):
        await asyncio.Event().wait()

    async def write(self, data):
        await asyncio.sleep_ms(0)

    def close(self):
        pass
