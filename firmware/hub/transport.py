"""The transports: what carries the link's bytes, and how a UART is fed and read without ever waiting inside it."""

from micropython import const
import asyncio
import sys
import time

import machine

_BITS = const(10)  # of a byte on the wire
_TX_BUFFER_BYTES = const(768)
_AHEAD_MS = const(125)  # of the wire's time may lie in a printer's UART: at 115200 baud four messages and two to spare
_LINK_AHEAD_MS = const(25)  # a full frame at 115200 baud; more would make the important wait behind the long
_HELD_MS = const(20)  # how often a line that the other side holds is tried
_HELD_BYTES = const(16)  # and with how many bytes: while it gets room for more, `write` waits for the wire
_SMALL_INT_MAX = const(0x1FFFFFFF)  # what a chip counts in without allocating
_SENT_POLL_MS = const(2)


def open_uart(port):
    """A UART from a board file's section: uart, tx, rx, baud_rate, and cts where the other side signals busy by it."""
    return machine.UART(port["uart"], **_options(port))


def open_feeder(uart, port, ahead_ms=_AHEAD_MS):
    """What feeds the UART without holding up the program: `room(size)`, `await wait(size)`, `put(data)`, `forget()`."""
    return (SentFeeder if sys.platform == "esp32" else UartFeeder)(uart, port, ahead_ms)


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
    if "cts" in port and port.get("flow") not in ("none", "xon_xoff"):
        options["cts"] = machine.Pin(port["cts"])
        options["flow"] = machine.UART.CTS
    return options


class UartFeeder:
    """Feeds a UART at the pace of its wire.

    MicroPython's `write` stops the whole program until the UART's buffer has taken everything. So it is given no more
    than there is surely room for: what the wire has carried away since is known from the clock. Where the other side
    holds the line (CTS) less has gone; then `write` takes a part, or nothing, and is tried again later.
    """

    def __init__(self, uart, port, ahead_ms):
        self._uart = uart
        self._baud = port["baud_rate"]
        # In bits times 1000: the wire carries `baud` of them away each ms.
        self._buffer = port.get("tx_buffer_bytes", _TX_BUFFER_BYTES) * _BITS * 1000
        self._limit = min(self._buffer, ahead_ms * self._baud)
        self._ahead = 0  # given and not yet carried away
        self._held = False  # it was full when by the clock it had room
        self._looked_at = time.ticks_ms()
        self._span_ms_max = _SMALL_INT_MAX // self._baud  # longer than any buffer needs

    def room(self, size):
        """Milliseconds until there is room for so many bytes."""
        now = time.ticks_ms()
        span_ms = time.ticks_diff(now, self._looked_at)
        self._looked_at = now
        span_ms = span_ms if 0 <= span_ms < self._span_ms_max else self._span_ms_max
        ahead = max(0, self._ahead - span_ms * self._baud)
        self._ahead = ahead
        size *= _BITS * 1000
        wanted = max(0, min(self._limit // 3, self._buffer - size))  # so that one wait serves two messages
        if ahead + size <= self._limit or ahead <= wanted:
            return 0
        return (ahead - wanted) // self._baud + 1

    async def wait(self, size):
        """Wait until there may be room for so many bytes."""
        wait_ms = _HELD_MS if self._held else self.room(size)
        if wait_ms:
            await asyncio.sleep_ms(wait_ms)
            self.room(0)  # only looks at the clock

    def put(self, data):
        """Hand over what is taken; how many bytes. Only after `room` or `wait`: then it doesn't wait."""
        if self._held:
            data = data[:_HELD_BYTES]
        count = self._uart.write(data) or 0
        refused = count < len(data)
        self._ahead = self._buffer if refused or self._held else self._ahead + count * _BITS * 1000
        self._held = refused
        return count

    def forget(self):
        """The UART was emptied."""
        self._ahead = 0
        self._held = False


class SentFeeder:
    """Feeds a UART of the esp32 port, which always says that it has room and then waits for it, and the whole program
    with it: for as long as a printer signals busy (ports/esp32/machine_uart.c, mp_machine_uart_ioctl; ESP-IDF,
    uart_write_bytes). It only tells when all is sent; so no more is handed to it until then than surely fits.
    """

    def __init__(self, uart, port, ahead_ms):
        self._uart = uart
        self._fits_bytes = port.get("tx_buffer_bytes", _TX_BUFFER_BYTES) // 4  # its ring takes no item of half its size
        self._given_bytes = 0

    def room(self, size):
        """Milliseconds until it is worth asking again if there is room for so many bytes; 0: there is."""
        if self._given_bytes and self._uart.txdone():
            self._given_bytes = 0
        return 0 if self._given_bytes + min(size, self._fits_bytes) <= self._fits_bytes else _SENT_POLL_MS

    def put(self, data):
        """Hand over what fits; how many bytes. Only after `room` or `wait`."""
        data = data[: self._fits_bytes]
        self._given_bytes += len(data)
        self._uart.write(data)
        return len(data)

    async def wait(self, size):
        """Wait until there is room for so many bytes, or as many as can ever be."""
        while self.room(size):
            await asyncio.sleep_ms(_SENT_POLL_MS)

    def forget(self):
        """The UART was emptied."""
        self._given_bytes = 0


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


def open_link(link):
    """The way to the bridge from the board file's `link` or `backup_link`. ValueError if its transport is not known.

    It has `await readinto(buffer)`, `write_now(data)`, which takes what it can, `await write(data)` and `close()`.
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
        self._feeder = open_feeder(uart, link, _LINK_AHEAD_MS)

    def readinto(self, buffer):
        """Awaitable: how many bytes came, at least one."""
        return self._reader.readinto(buffer)

    def write_now(self, data):
        """Hand over as much as is taken without waiting; how many bytes."""
        return 0 if self._feeder.room(len(data)) else self._feeder.put(data)

    async def write(self, data):
        """Hand all of it to the UART."""
        while data:
            await self._feeder.wait(len(data))
            data = data[self._feeder.put(data) :]

    def close(self):
        pass


class NoLink:
    """In the place of a link that could not be opened: nothing comes, and what is sent is lost."""

    async def readinto(self, buffer):
        await asyncio.Event().wait()

    def write_now(self, data):
        return len(data)

    async def write(self, data):
        await asyncio.sleep_ms(0)

    def close(self):
        pass
