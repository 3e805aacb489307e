"""The transports: what carries the link's bytes."""

import asyncio

import machine


def open_uart(port):
    """A UART from a board file's section: uart, tx, rx, baud_rate, and cts where the other side signals busy by it."""
    return machine.UART(port["uart"], **_options(port))


def empty_uart(uart, port):
    """Throw away what the UART still holds, by setting it up again: the ports keep a buffer whose size stays."""
    options = _options(port)
    uart.init(**dict(options, txbuf=options["txbuf"] + 1))
    uart.init(**options)


def _options(port):
    options = {
        "baudrate": port["baud_rate"],
        "tx": machine.Pin(port["tx"]),
        "rx": machine.Pin(port["rx"]),
        "rxbuf": port.get("rx_buffer_bytes", 1024),
        "txbuf": port.get("tx_buffer_bytes", 256),
        "timeout": 0,
    }
    if "cts" in port:
        options["cts"] = machine.Pin(port["cts"])
        options["flow"] = machine.UART.CTS
    return options


def open_link(link):
    """The way to the bridge from the board file's `link` section. ValueError if its transport is not known.

    It has `await readinto(buffer)`, `await write(data)` and `close()`.
    """
    if link["transport"] == "uart":
        return UartLink(open_uart(link))
    if link["transport"] == "usb":
        from hub.console import ConsoleLink

        return ConsoleLink()
    raise ValueError("link.transport: expected 'uart' or 'usb', found %r" % link["transport"])


class UartLink:
    """The link on a UART of its own."""

    def __init__(self, uart):
        self._reader = asyncio.StreamReader(uart)
        self._writer = asyncio.StreamWriter(uart, {})

    def readinto(self, buffer):
        """Awaitable: how many bytes came, at least one."""
        return self._reader.readinto(buffer)

    def write(self, data):
        """Awaitable: hand all of it to the UART."""
        self._writer.write(data)
        return self._writer.drain()

    def close(self):
        pass
