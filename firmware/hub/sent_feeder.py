"""Feeds a UART of the esp32 port, by what it says to have sent."""

from micropython import const
import asyncio

from hub.transport import TX_BUFFER_BYTES

_SENT_POLL_MS = const(2)


class SentFeeder:
    """Feeds a UART of the esp32 port, which always says that it has room and then waits for it, and the whole program
    with it: for as long as a printer signals busy (ports/esp32/machine_uart.c, mp_machine_uart_ioctl; ESP-IDF,
    uart_write_bytes). It only tells when all is sent; so no more is handed to it until then than surely fits.
    """

    def __init__(self, uart, port, ahead_ms):
        self._uart = uart
        self._fits_bytes = port.get("tx_buffer_bytes", TX_BUFFER_BYTES) // 4  # its ring takes no item of half its size
        self._given_bytes = 0

    def room(self, size):
        """Milliseconds until it is worth asking again if there is room for so many bytes; 0: there is."""
        if self._given_bytes and self._uart.txdone():
            self._given_bytes = 0
        return 0 if self._given_bytes + min(size, self._fits_bytes) <= self._fits_bytes else _SENT_POLL_MS

    def put(self, data):
        """Hand over what fits; how many bytes."""
        if self.room(len(data)):
            return 0
        data = data[: self._fits_bytes]
        self._given_bytes += len(data)
        self._uart.write(data)
        return len(data)

    async def wait(self, size):
        """Wait until there is room for so many bytes, or as many as can ever be."""
        while self.room(size):
            await asyncio.sleep_ms(_SENT_POLL_MS)

    def moved(self):
        """Whether anything has gone since this was asked last: here nobody knows."""
        return False

    def all_sent(self):
        """Nothing is on its way any more."""
        return self._uart.txdone()

    def forget(self):
        """The UART is emptied."""
        self._given_bytes = 0
