"""The simulated `machine`: firmware on it lives as on a chip."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from host_bridge.virtual import wires
from host_bridge.virtual.edge import Boot
from host_bridge.virtual.micropython_vm import installation
from tests.micropython.vm import why_skipped
from tests.virtual.bench import Bench

WITHOUT_NODE = why_skipped()
MICROPYTHON = pytest.param(
    "micropython",
    marks=[pytest.mark.micropython, pytest.mark.skipif(WITHOUT_NODE is not None, reason=str(WITHOUT_NODE))],
)
cpython_only = pytest.mark.parametrize("bench", ["cpython"], indirect=True)


@pytest.fixture(params=["cpython", MICROPYTHON])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each test runs on both engines: what differs is said where it does."""
    if request.param == "micropython":
        installation.install()
    bench = Bench(tmp_path, request.param)
    yield bench
    await bench.chip.kill()


async def test_boot_py_and_main_py_share_their_names_as_on_micropython(bench: Bench) -> None:
    await bench.start("print(greeting, __name__)", boot_py="greeting = 'hello'")
    await bench.text("hello __main__\r\n")


async def test_the_chip_knows_why_it_was_reset_and_who_it_is(bench: Bench) -> None:
    await bench.start(
        """
        import machine
        print(machine.reset_cause() == machine.WDT_RESET, machine.unique_id().hex(), machine.RTC().memory())
        """,
        cause=wires.WDT_RESET,
        boot=Boot(unique_id="0102030405060708", rtc=b"kept".hex()),
    )
    await bench.text("True 0102030405060708 b'kept'")


async def test_an_uncaught_exception_prints_its_traceback_and_the_chip_stays_at_its_prompt(bench: Bench) -> None:
    await bench.start(
        """
        import machine
        timer = machine.Timer(-1, mode=machine.Timer.PERIODIC, period=20, callback=lambda t: print("still here"))
        def broken():
            raise ValueError("ouch")
        broken()
        """
    )
    await bench.text("still here")
    await bench.text("ValueError: ouch\r\n")
    assert 'File "main.py", line 5, in broken' in bench.printed()
    assert not bench.ended.is_set()


@cpython_only  # MicroPython's one thread lets interrupts in at calls into the chip only
async def test_a_timer_fires_although_the_loop_hangs(bench: Bench) -> None:
    await bench.start(
        """
        from machine import Pin, Timer
        solenoid = Pin(14, Pin.OUT, value=0)
        solenoid.on()
        Timer(-1).init(mode=Timer.ONE_SHOT, period=100, callback=lambda t: solenoid.off())
        while True:
            pass
        """
    )
    await bench.until(lambda: [level for level, _ in bench.levels(14)] == [0, 1, 0])
    (_, on), (_, off) = bench.levels(14)[1:]
    assert 100_000 <= off - on < 400_000


async def test_a_hung_program_stands_still_but_its_interrupts_go_on(bench: Bench) -> None:
    await bench.start(
        """
        import asyncio
        from machine import Pin, Timer
        async def blink():
            led = Pin(18, Pin.OUT, value=0)
            while True:
                led.toggle()
                await asyncio.sleep_ms(1)
        tick = Pin(19, Pin.OUT, value=0)
        Timer(-1, mode=Timer.PERIODIC, period=5, callback=lambda t: tick.toggle())
        asyncio.run(blink())
        """
    )
    await bench.until(lambda: len(bench.levels(18)) > 3)
    bench.chip.send(wires.HANG, 1)
    ticks = len(bench.levels(19))
    await bench.until(lambda: len(bench.levels(19)) > ticks + 20)
    blinks = len(bench.levels(18))
    ticks = len(bench.levels(19))
    await bench.until(lambda: len(bench.levels(19)) > ticks + 20)
    assert len(bench.levels(18)) == blinks
    bench.chip.send(wires.HANG, 0)
    await bench.until(lambda: len(bench.levels(18)) > blinks + 3)


async def test_a_stopped_timer_never_fires(bench: Bench) -> None:
    await bench.start(
        """
        import time
        from machine import Timer
        timer = Timer(-1)
        timer.init(mode=Timer.ONE_SHOT, period=30, callback=lambda t: print("fired"))
        timer.deinit()
        timer.init(mode=Timer.ONE_SHOT, period=60, callback=lambda t: print("second"))
        """
    )
    await bench.text("second")
    assert "fired" not in bench.printed()


async def test_an_output_never_shows_its_old_level(bench: Bench) -> None:
    await bench.start("from machine import Pin\nPin(14, Pin.OUT, value=0)\nprint('done')")
    await bench.text("done")
    kinds = [frame.kind for frame in bench.frames if frame.number == 14]
    assert kinds == [wires.PIN_OUT, wires.PIN_MODE]
    assert [level for level, _ in bench.levels(14)] == [0]


async def test_inputs_follow_the_world_and_interrupt_on_the_edges_asked_for(bench: Bench) -> None:
    await bench.start(
        """
        import time
        from machine import Pin
        free = Pin(22, Pin.IN, Pin.PULL_UP)
        switch = Pin(16, Pin.IN, Pin.PULL_DOWN)
        switch.irq(lambda pin: print("rising", pin.value(), pin is switch), trigger=Pin.IRQ_RISING)
        print("free", free.value(), "switch", switch.value())
        while True:
            time.sleep_ms(1000)
        """,
        boot=Boot(pins={"16": 1}),
    )
    await bench.text("free 1 switch 1")
    bench.pin(16, 0)
    bench.pin(16, 1)
    await bench.text("rising 1 True")
    assert bench.printed().count("rising") == 1


async def test_interrupts_switched_off_wait(bench: Bench) -> None:
    await bench.start(
        """
        import machine, time
        state = machine.disable_irq()
        machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=5, callback=lambda t: print("late"))
        time.sleep_ms(50)
        print("before")
        machine.enable_irq(state)
        """
    )
    await bench.text("late")
    assert bench.printed().index("before") < bench.printed().index("late")


async def test_uart_write_takes_what_the_ring_has_room_for_and_never_blocks(bench: Bench) -> None:
    bench.acknowledge = False
    await bench.start(
        """
        from machine import UART, Pin
        uart = UART(1, baudrate=115200, bits=8, tx=Pin(4), rx=Pin(5), txbuf=64, rxbuf=64, timeout=0)
        print(uart.write(b"x" * 50), uart.write(b"y" * 50), uart.write(b"z"), uart.write(b""), uart.txdone())
        while not uart.txdone():
            pass
        print("done", uart.write(b"!" * 100))
        """
    )
    await bench.text("50 14 None 0 False")
    assert bench.written(1) == b"x" * 50 + b"y" * 14
    bench.sent(1, 64)
    await bench.text("done 64")


async def test_setting_a_uart_up_again_empties_it_and_old_reports_no_longer_count(bench: Bench) -> None:
    bench.acknowledge = False
    await bench.start(
        """
        from machine import UART
        uart = UART(1, baudrate=9600, txbuf=64)
        uart.write(b"x" * 64)
        while not uart.any():
            pass
        uart.init(baudrate=9600, txbuf=64)
        print("empty", uart.any(), uart.txdone(), uart.write(b"y" * 64))
        while uart.any() < 2:
            pass
        print("later", uart.write(b"z"))
        """
    )
    await bench.until(lambda: len(bench.written(1)) == 64)
    bench.rx(1, b"a")
    await bench.text("empty 0 True 64")
    bench.chip.send(wires.UART_SENT, 1, wires.UART_COUNT.pack(64, 1))
    bench.rx(1, b"bb")
    await bench.text("later None")


async def test_a_full_receive_ring_loses_the_newest_bytes(bench: Bench) -> None:
    await bench.start(
        """
        from machine import UART
        uart, behind = UART(1, 115200, rxbuf=64), UART(2, 9600)
        print("ready")
        while not behind.any():  # then all of the other's bytes have come
            pass
        print(uart.read())
        """
    )
    await bench.text("ready")
    bench.rx(1, bytes(range(32, 96)) + b"lost")
    bench.rx(2, b".")
    await bench.text(repr(bytes(range(32, 96))))
    assert "lost" not in bench.printed()
    taken = [
        wires.UART_COUNT.unpack(frame.payload)[0] for frame in bench.of_kind(wires.UART_TAKEN) if frame.number == 1
    ]
    assert sum(taken) == 68


async def test_uart_reads_as_micropython_does(bench: Bench) -> None:
    await bench.start(
        """
        from machine import UART
        uart = UART(2, 9600)
        print("none", uart.read(), uart.readinto(bytearray(4)), uart.any())
        while uart.any() < 12:
            pass
        buffer = bytearray(3)
        print(uart.read(2), uart.readinto(buffer), bytes(buffer), uart.readline())
        print(uart.readinto(buffer, 1), uart.read())
        """
    )
    await bench.text("none None None 0")
    bench.rx(2, b"0123456\n89AB")
    await bench.text("b'01' 3 b'234' b'56\\n'\r\n1 b'9AB'")


async def test_uart_settings_reach_the_wire_and_nonsense_is_refused(bench: Bench) -> None:
    await bench.start(
        """
        from machine import UART, Pin
        UART(1, baudrate=115200, tx=Pin(4), rx=Pin(5), cts=Pin(6), flow=UART.CTS, rxbuf=1024)
        for arguments in ((7,), (1, 0)):
            try:
                UART(*arguments)
            except ValueError as error:
                print("ValueError", error)
        try:
            UART(1, baudrat=1)
        except TypeError as error:
            print("TypeError", error)
        """
    )
    await bench.text("TypeError")
    assert bench.printed().count("ValueError") == 2
    settings = msgspec.json.decode(bench.of_kind(wires.UART_CONFIG)[0].payload)
    assert settings["baud"] == 115200 and settings["rx_bytes"] == 1024
    assert (settings["tx"], settings["rx"], settings["cts"], settings["flow"]) == (4, 5, 6, wires.FLOW_CTS)


@cpython_only  # micropython_vm/machine.py has no UART.irq
async def test_uart_interrupts_tell_of_idleness_and_break(bench: Bench) -> None:
    await bench.start(
        """
        from machine import UART
        uart = UART(2, 9600)
        def handler(uart):
            print("flags", uart_irq.flags(), uart.any())
        uart_irq = uart.irq(handler, UART.IRQ_RXIDLE | UART.IRQ_BREAK)
        print("ready")
        """
    )
    await bench.text("ready")
    bench.rx(2, b"abc")
    await bench.text("flags 64 3")
    bench.chip.send(wires.UART_BREAK, 2)
    await bench.text("flags 512 3")


async def test_asyncio_streams_read_and_write_a_uart(bench: Bench) -> None:
    bench.acknowledge = False
    await bench.start(
        """
        import asyncio
        from machine import UART
        async def echo():
            uart = UART(0, 115200, rxbuf=1024, txbuf=32)
            reader, writer = asyncio.StreamReader(uart), asyncio.StreamWriter(uart, {})
            buffer = bytearray(256)
            print("ready")
            while True:
                count = await reader.readinto(buffer)
                writer.write(memoryview(buffer)[:count])
                await writer.drain()
        asyncio.run(echo())
        """
    )
    await bench.text("ready")
    sent = bytes(range(256)) * 2
    bench.rx(0, sent)
    done = 0

    def more() -> bool:
        return len(bench.written(0)) > done

    while done < len(sent):
        await bench.until(more)
        bench.sent(0, len(bench.written(0)) - done)
        done = len(bench.written(0))
    assert bench.written(0) == sent


@cpython_only  # an imitation has to be tested; of MicroPython's own see the next one
async def test_asyncio_is_micropythons(bench: Bench) -> None:
    await bench.start(
        """
        import asyncio, machine, time
        print("no Queue", hasattr(asyncio, "Queue"), issubclass(asyncio.TimeoutError, OSError))
        async def forever():
            await asyncio.sleep(1000)
        async def dies():
            raise ValueError("nobody waits for me")
        async def main():
            try:
                await asyncio.wait_for_ms(forever(), 10)
            except asyncio.TimeoutError:
                print("timed out")
            flag = asyncio.ThreadSafeFlag()
            event = asyncio.Event()
            def interrupt(timer):
                try:
                    event.set()
                except RuntimeError as error:
                    print(error)
                flag.set()
            machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=10, callback=interrupt)
            await flag.wait()
            print("flagged")
            task = asyncio.create_task(dies())
            await asyncio.sleep_ms(50)
            print("after", task.done())
            try:
                await asyncio.create_task(dies())
            except ValueError:
                print("waited for")
        asyncio.run(main())
        print("run returned")
        """
    )
    text = await bench.text("run returned")
    assert "no Queue False False" in text and "timed out" in text and "flagged" in text
    assert "use asyncio.ThreadSafeFlag" in text
    assert text.index("Task exception wasn't retrieved") < text.index("after True")
    assert text.count("wasn't retrieved") == 1 and "waited for" in text


@pytest.mark.parametrize("bench", [MICROPYTHON], indirect=True)
async def test_what_the_interpreter_lacks_of_asyncio_is_supplied(bench: Bench) -> None:
    await bench.start(
        """
        import asyncio, machine, os
        async def forever():
            await asyncio.sleep(1000)
        async def dies():
            raise ValueError("nobody waits for me")
        async def main():
            try:
                await asyncio.wait_for_ms(forever(), 10)
            except asyncio.TimeoutError:
                print("timed out")
            flag = asyncio.ThreadSafeFlag()
            machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=10, callback=lambda timer: flag.set())
            await flag.wait()
            print("flagged", len(os.urandom(8)))
            asyncio.create_task(dies())
            await asyncio.sleep_ms(10)
            print("after")
        asyncio.run(main())
        print("run returned")  # at once: the loop is JavaScript's
        """
    )
    text = await bench.text("after")
    assert text.startswith("run returned\r\ntimed out\r\nflagged 8\r\n")
    assert "ValueError: nobody waits for me" in text


async def test_an_interrupt_wakes_a_task_through_a_ring_and_may_switch_itself_off(bench: Bench) -> None:
    await bench.start(
        """
        import asyncio, micropython
        from machine import Pin
        ring = micropython.RingIO(2)
        contact, over = Pin(6, Pin.IN), Pin(7, Pin.IN)
        def edge(pin):
            pin.irq(None)
            ring.write(b"eee")  # what it has no room for is lost
        async def main():
            stream = asyncio.StreamReader(ring)
            read = bytearray(4)
            for _ in range(2):
                contact.irq(edge, Pin.IRQ_RISING | Pin.IRQ_FALLING, hard=True)
                print("armed", contact.value())
                print("woken", await stream.readinto(read), bytes(read[:2]), ring.any())
            while not over.value():
                await asyncio.sleep_ms(5)
            print("left", ring.any())
        asyncio.run(main())
        """,
        boot=Boot(pins={"6": 0, "7": 0}),
    )
    await bench.text("armed 0")
    bench.pin(6, 1)
    await bench.text("armed 1")
    bench.pin(6, 0)
    await bench.until(lambda: bench.printed().count("woken 2 b'ee' 0") == 2)
    for level in (1, 0, 1):
        bench.pin(6, level)
    bench.pin(7, 1)
    await bench.text("left 0")


async def test_ticks_wrap_at_two_to_the_thirty(bench: Bench) -> None:
    await bench.start(
        """
        import time, gc, sys, io, micropython
        first = time.ticks_ms()
        while time.ticks_ms() >= first:
            pass
        print("wrapped", time.ticks_diff(time.ticks_ms(), first) < 1000, time.ticks_diff(5, time.ticks_add(5, 100)))
        text = io.StringIO()
        try:
            raise ValueError("k")
        except ValueError as error:
            sys.print_exception(error, text)
        print("ValueError: k" in text.getvalue(), gc.mem_free() > 0, micropython.const(3))
        """,
        boot=Boot(ticks_ms=(1 << 30) - 300),
    )
    await bench.text("wrapped True -100\r\nTrue True 3")


async def test_watchdog_reset_and_rtc_reach_the_world(bench: Bench) -> None:
    await bench.start(
        """
        import machine
        try:
            machine.WDT(timeout=8389)
        except ValueError as error:
            print(error)
        watchdog = machine.WDT(timeout=8388)
        watchdog.feed()
        machine.RTC().memory(b"crumb")
        try:
            machine.RTC().memory(bytes(2049))
        except ValueError:
            print("too long")
        machine.PWM(machine.Pin(18), freq=1000, duty_u16=32768)
        machine.reset()
        print("never")
        """
    )
    await bench.until(lambda: bool(bench.of_kind(wires.RESET)))
    assert bench.of_kind(wires.WDT_START)[0].payload == wires.COUNT.pack(8388)
    assert bench.of_kind(wires.RTC)[-1].payload == b"crumb"
    assert wires.PWM_FIELDS.unpack(bench.of_kind(wires.PWM_OUT)[0].payload) == (32768, 1000)
    assert bench.frames[-1] == wires.Frame(wires.RESET, wires.HARD_RESET, b"")
    assert "exceeds 8388" in bench.printed() and "too long" in bench.printed()


async def test_a_failing_interrupt_handler_is_printed_and_the_next_one_runs(bench: Bench) -> None:
    await bench.start(
        """
        import machine
        count = [0]
        def handler(timer):
            count[0] += 1
            print("call", count[0])
            raise RuntimeError("in the handler")
        machine.Timer(-1, mode=machine.Timer.PERIODIC, period=10, callback=handler)
        """
    )
    text = await bench.text("call 3")
    assert "RuntimeError: in the handler" in text


async def test_the_chip_dies_with_the_world(bench: Bench) -> None:
    await bench.start("while True: pass")
    process = bench.chip._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert await process.wait() in (0, -signal.SIGKILL)
