"""A counter's day on an emulated Pico: the image unmodified, the files laid by mpremote, the bridge on the chip's USB.

The tests share one chip and follow one another, as hours of a day do; each leaves a counter that sells.
"""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING, Any

import pytest

from host_bridge.escpos.commands import CommandParser
from host_bridge.escpos.receipt import ReceiptRenderer
from tests.emulator.bench import PULSE_MS, PULSE_SLACK_MS
from tests.emulator.drill import HANGING_CODE
from tests.live_bridge import Till, next_event

if TYPE_CHECKING:
    from tests.emulator.harness import EmulatedHub

EAN = "4006381333931"
PATIENCE_S = 200.0  # of this machine; the promises are judged by the chip's clock
CRASHED = "hub_crashed"
RED, GREEN, BLUE, DARK = "#ff0000", "#00ff00", "#0000ff", "#000000"

pytestmark = [pytest.mark.emulator, pytest.mark.asyncio(loop_scope="session")]


def receipt(number: int, rows: int = 60) -> bytes:
    """Text, a picture that no other receipt has, a cut."""
    picture = b"\x1dv0\x00\x30\x00" + rows.to_bytes(2, "little") + random.Random(number).randbytes(rows * 48)
    return b"\x1b@receipt %d\n" % number + picture + b"\ntotal 12.50\n\n\x1dV\x42\x00"


async def selling(till: Till) -> Any:
    """Wait for a counter with all devices ready and no fault, but that it may say for a while that it crashed."""
    return await till.until(
        lambda state: (
            state if state["devices"]["printer"]["status"] == "ready" and faults(state) <= {CRASHED} else None
        ),
        deadline_s=PATIENCE_S,
    )


def faults(state: Any) -> set[str]:
    return {fault["code"] for fault in state["faults"]}


def drawn(data: bytes) -> bytes:
    """What these bytes look like on paper, by a printer that nothing stood before."""
    renderer = ReceiptRenderer()
    renderer.feed(CommandParser().feed(data))
    (piece,) = renderer.take_pieces()
    return piece.png()


async def colours(pico: EmulatedHub, since: int) -> list[str]:
    """What the light has shown, by its pins, from that change on."""
    return [colour for _, colour in (await pico.ask("lights"))[since:]]


async def printed(pico: EmulatedHub) -> list[bytes]:
    receipts = await pico.ask("receipts")
    return [base64.b64decode(await pico.ask("receipt_bytes", n=entry["n"])) for entry in receipts]


async def test_the_hub_says_hello_and_all_is_well(pico: EmulatedHub, till: Till) -> None:
    state = await selling(till)

    assert (state["link"]["transport"], state["hub"]["board"]) == ("USB CDC", "pico")
    assert state["hub"]["reset_cause"] == "power_on" and not state["hub"]["crumb"]
    assert state["devices"]["drawer"]["status"] == "closed"
    await pico.pass_s(1)
    assert await colours(pico, -1) == [GREEN]


async def test_a_scan_reaches_the_till_once(pico: EmulatedHub, till: Till) -> None:
    async with till.events() as socket:
        await pico.ask("scan", data=EAN, symbology="EAN13")
        event = await next_event(socket, "scan", PATIENCE_S)
        assert (event["data"], event["symbology"]) == (EAN, "]E0")


async def test_a_receipt_with_a_picture_is_printed_whole_and_confirmed(pico: EmulatedHub, till: Till) -> None:
    job_id = await till.print(receipt(1))

    assert (await till.final(job_id, PATIENCE_S))["state"] == "printed"
    assert await printed(pico) == [receipt(1)]
    number = (await pico.ask("receipts"))[-1]["n"]
    assert base64.b64decode(await pico.ask("receipt_png", n=number)) == drawn(receipt(1))


async def test_a_kick_opens_the_drawer_with_one_pulse_that_ends(pico: EmulatedHub, till: Till) -> None:
    status, kick = await till.post("/api/v1/drawer/open")

    assert (status, kick["state"]) == (200, "opened")
    await pico.pass_s(1)  # it is open before the pulse ends
    drawer = await pico.ask("drawer_state", drawer=1)
    ((_, length_ms),) = drawer["pulses"]
    assert abs(length_ms - PULSE_MS) <= PULSE_SLACK_MS
    assert not drawer["energised"] and not drawer["solenoid_overheated"]
    await pico.ask("close_drawer")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed", deadline_s=PATIENCE_S)


async def test_paper_that_ends_in_a_receipt_is_named_and_the_receipt_goes_on(pico: EmulatedHub, till: Till) -> None:
    before = len(await printed(pico))
    await pico.fault("paper_end", True)
    await till.until(lambda s: [f for f in s["faults"] if f["code"] == "paper_end"], deadline_s=PATIENCE_S)
    shown = len(await pico.ask("lights"))
    job_id = await till.print(receipt(2))
    await pico.pass_s(3)
    assert len(await printed(pico)) == before
    assert RED in await colours(pico, shown)
    await pico.fault("paper_end", False)

    assert (await till.final(job_id, PATIENCE_S))["state"] == "printed"
    assert (await printed(pico))[-1] == receipt(2)


async def test_with_the_cable_out_scans_wait_and_arrive_once_in_order_and_a_kick_is_refused(
    pico: EmulatedHub, till: Till
) -> None:
    life = (await selling(till))["hub"]["boot_id"]
    known = len((await till.get("/api/v1/scans?after=0"))["scans"])
    await pico.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down", deadline_s=PATIENCE_S)
    codes = [f"CABLE-{number}" for number in range(6)]
    for code in codes:
        await pico.ask("scan", data=code, symbology="CODE128")
    pulses = len((await pico.ask("drawer_state", drawer=1))["pulses"])
    status, _ = await till.post("/api/v1/drawer/open")
    assert status >= 400
    await pico.pass_s(3)  # the hub has noticed
    shown = len(await pico.ask("lights"))
    await pico.pass_s(7)  # and its watchdog would have bitten
    assert set(await colours(pico, shown)) == {BLUE, DARK}  # it waits
    await pico.fault("cable", False)

    scans = await till.until(
        lambda answer: answer["scans"] if len(answer["scans"]) >= known + 6 else None,
        "/api/v1/scans?after=0",
        deadline_s=PATIENCE_S,
    )
    assert [scan["data"] for scan in scans[known:]] == codes
    assert (await selling(till))["hub"]["boot_id"] == life
    assert len((await pico.ask("drawer_state", drawer=1))["pulses"]) == pulses


async def test_a_hung_task_resets_the_hub_and_is_named(pico: EmulatedHub, till: Till) -> None:
    life = (await selling(till))["hub"]["boot_id"]
    await pico.ask("scan", data=HANGING_CODE, symbology="CODE128")

    hub = await till.until(
        lambda state: state["hub"] if state["hub"] and state["hub"]["boot_id"] != life else None,
        deadline_s=PATIENCE_S,
    )

    assert hub["reset_cause"] == "watchdog" and hub["boots"] == 2
    assert hub["crumb"].startswith("hang:scanner:scan:"), hub
    assert faults(await selling(till)) == {CRASHED}


async def test_after_a_power_cut_in_a_job_it_is_unconfirmed_the_drawer_at_rest_and_the_next_one_printed(
    pico: EmulatedHub, till: Till
) -> None:
    await selling(till)
    pulses = len((await pico.ask("drawer_state", drawer=1))["pulses"])
    before = len(await printed(pico))
    job_id = await till.print(receipt(3, rows=300))
    await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{job_id}", PATIENCE_S)
    await pico.pass_s(0.5)
    await pico.fault("hub_power", True)
    await till.until(lambda state: state["link"]["status"] == "down", deadline_s=PATIENCE_S)
    await pico.pass_s(1)
    assert await colours(pico, -1) == [DARK]
    assert not (await pico.ask("drawer_state", drawer=1))["energised"]
    await pico.fault("hub_power", False)

    job = await till.final(job_id, PATIENCE_S)
    assert (job["state"], job["reason"]) == ("unconfirmed", "hub_restarted")
    state = await selling(till)
    assert state["hub"]["reset_cause"] == "power_on" and not state["hub"]["crumb"] and not faults(state)
    assert (await till.final(await till.print(receipt(4)), PATIENCE_S))["state"] == "printed"
    paper = await printed(pico)
    assert paper[-1].endswith(receipt(4)) and len(paper) <= before + 2
    assert not any(receipt(3, rows=300) in piece for piece in paper)  # nor was it sent a second time
    drawer = await pico.ask("drawer_state", drawer=1)
    assert len(drawer["pulses"]) == pulses and not drawer["energised"]
