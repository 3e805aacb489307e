"""The link on a UART of its own."""

from micropython import const
import asyncio

from hub import transport

_AHEAD_MS = const(25)  # a full frame at 115200 baud; more would make the important wait behind the long


class UartLink:
    def __init__(self, link):
        uart = transport.open_uart(link)
        self._reader = asyncio.StreamReader(uart)
        self._feeder = transport.open_feeder(uart, link, _AHEAD_MS)

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
