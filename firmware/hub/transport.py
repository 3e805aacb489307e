"""The transports: what carries the link's bytes."""

import machine


def open_uart(port):
    """A UART from a board file's section: uart, tx, rx, baud_rate, and cts where the other side signals busy by it."""
    return machine.UART(port["uart"], **_options(port))


def empty_uart(uart, port):
    """Throw away what the UART still holds, by setting it up again."""
    uart.init(**_options(port))


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
    """The stream of the board file's `link` section. ValueError if its transport is not known."""
    if link["transport"] == "uart":
        return open_uart(link)
    raise ValueError("link.transport: expected 'uart', found %r" % link["transport"])
