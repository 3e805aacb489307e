"""The ways to the bridge, by the board file. The start's alone: see start_only.py."""

import sys


def open_link(link):
    """The way to the bridge from the board file's `link` or `backup_link`. ValueError if its transport is not known.

    It has `await readinto(buffer)`, `write_now(data)`, which takes what it can, `await write(data)` and `close()`.
    """
    if link["transport"] == "uart":
        from hub.uart_link import UartLink

        return UartLink(link)
    if link["transport"] == "usb":
        if sys.platform == "esp32":
            from hub.timed_console import TimedConsole as Console
        else:
            from hub.console import ConsoleLink as Console
        return Console()
    raise ValueError("link.transport: expected 'uart' or 'usb', found %r" % link["transport"])
