"""The unchanged firmware on MicroPython itself, at a counter, against the real bridge."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import Any

import aiohttp
import msgspec

from hublink.fault_table import BY_NUMBER, NUMBER_OF
from tests.live_bridge import TRIES, LiveBridge, Till, ask_counter, next_event
from tests.promises.test_bad_scanner import sends_rubbish_and_then_a_scan

EAN = "4006381333931"
RECEIPT_BYTES = 40_000
PULSE_MS_MIN, PULSE_MS_MAX = 50, 510  # shorter opens no drawer; the kick port's limit


def receipt(number: int, size_bytes: int = RECEIPT_BYTES) -> bytes:
    """A receipt of exactly this size: its number, a picture that no other has, and a cut at its end."""
    head = b"\x1b@receipt %d\n" % number
    cut = b"\n\n\x1dV\x42\x00"
    rows = (size_bytes - len(head) - len(cut) - 8) // 72
    picture = b"\x1dv0\x00\x48\x00" + rows.to_bytes(2, "little") + random.Random(number).randbytes(rows * 72)
    filler = b"\n" * (size_bytes - len(head) - len(cut) - len(picture))
    return head + picture + filler + cut


async def scan(till: Till, data: str, symbology: str | None = "]E0") -> None:
    status, answer = await till.post("/virtual/scan", json={"data": data, "symbology": symbology})
    assert status < 300, answer


async def taken(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """The next scan, acknowledged as a till does."""
    event = await next_event(socket, "scan")
    await socket.send_json({"type": "ack", "sequence": event["sequence"]})
    await next_event(socket, "ack")
    return event


async def printed(till: Till, job_id: str) -> bytes:
    """The newest receipt, once the job is printed."""
    job = await till.final(job_id)
    assert job["state"] == "printed", job
    newest = (await till.receipts())[-1]["n"]
    return bytes(await till.get(f"/virtual/receipts/{newest}.bin"))


async def test_it_boots_and_greets(till: Till) -> None:
    hub = (await till.state())["hub"]
    assert (hub["board"], hub["safe_mode"]) == ("virtual", False)
    assert hub["boots"] >= 1


async def test_a_scan_arrives_with_its_data_and_symbology(till: Till) -> None:
    async with till.events() as socket:
        await scan(till, EAN)
        event = await taken(socket)
    assert (event["data"], event["symbology"], event["check_digit_ok"]) == (EAN, "]E0", True)


async def test_a_receipt_is_printed_byte_for_byte_while_scans_go_on(till: Till) -> None:
    job_id = await till.print(receipt(1))
    async with till.events() as socket:
        for number in range(5):
            await scan(till, f"DURING-{number}", "]C0")
            assert (await taken(socket))["data"] == f"DURING-{number}"
    assert await printed(till, job_id) == receipt(1)


async def test_the_drawer_opens_by_one_short_pulse(till: Till, module_bridge: LiveBridge) -> None:
    before = await drawer(module_bridge)
    status, kick = await till.post("/api/v1/drawer/open", json={})
    assert (status, kick["state"]) == (200, "opened")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "open")
    after = await drawer(module_bridge)
    assert after["opened"] == before["opened"] + 1
    # Two where the drawer's simulation was held up for longer than a spring drawer takes to open.
    assert 1 <= len(after["pulses"]) - len(before["pulses"]) <= 2
    assert PULSE_MS_MIN <= after["pulses"][-1][1] <= PULSE_MS_MAX
    assert (after["energised"], after["solenoid_overheated"]) == (False, 0)
    await till.post("/virtual/drawer/close")
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")


async def drawer(bridge: LiveBridge) -> dict[str, Any]:
    """What the drawer itself went through; asked of the counter's process, as no till can see it."""
    return msgspec.convert(await ask_counter(bridge, "drawer_state", drawer=1), dict[str, Any])


async def test_a_drawer_opened_with_the_key_and_a_switch_that_flutters_are_named(till: Till) -> None:
    for fault, code in (("drawer_forced", "drawer_forced_open"), ("drawer_switch", "drawer_switch")):
        await till.fault(fault, True)
        await till.until(partial(names, code))
        await till.fault(fault, False)
        status, kick = await till.post("/api/v1/drawer/open", json={})
        assert (status, kick["state"]) in ((200, "opened"), (200, "unverified"))
        await till.until(lambda state: not state["faults"])
        await till.post("/virtual/drawer/close")
        await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")


def names(code: str, state: Any) -> bool:
    return [fault["code"] for fault in state["faults"]] == [code]


async def test_the_scanner_goes_off_and_on_and_what_it_sends_wrong_is_named(
    till: Till, module_bridge: LiveBridge
) -> None:
    status, scanner = await till.post("/api/v1/scanner", json={"enabled": False})
    assert (status, scanner["status"]) == (200, "off")
    status, scanner = await till.post("/api/v1/scanner", json={"enabled": True})
    assert (status, scanner["status"]) == (200, "ready")
    await sends_rubbish_and_then_a_scan(module_bridge, till)


async def test_paper_end_holds_the_receipt_and_the_light_counts_it(till: Till) -> None:
    blinks = BY_NUMBER[NUMBER_OF["paper_end"]][4]
    async with till.events("?observe=1") as socket:
        job_id = await till.print(receipt(2))
        await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{job_id}")
        await till.fault("paper_end", True)
        await till.until(
            lambda state: (
                [fault["code"] for fault in state["faults"]] == ["paper_end"]
                and state["indicator"]["pattern"] == "fault:paper_end"
            )
        )
        counted = [await flashes(socket, "#ff0000")]
        while counted[-1] != blinks and len(counted) < TRIES:  # one that the machine held up is seen too long
            counted.append(await flashes(socket, "#ff0000"))
        assert counted[-1] == blinks, counted
    await till.fault("paper_end", False)
    assert await printed(till, job_id) == receipt(2)


async def flashes(socket: Any, colour: str) -> int:
    """How often the light shows the colour between two of its long pauses."""
    changes: list[tuple[int, str]] = []
    while True:
        event = await next_event(socket, "light")
        changes.append((event["at_ms"], event["colour"]))
        pauses = [at for at in range(1, len(changes)) if changes[at][0] - changes[at - 1][0] > 600]
        if len(pauses) == 2:
            return [shown for _, shown in changes[pauses[0] : pauses[1]]].count(colour)


async def test_the_link_is_lost_and_regained_with_nothing_lost_nor_repeated(till: Till) -> None:
    before = (await till.get("/api/v1/scans?after=0"))["scans"]
    job_id = await till.print(receipt(3))
    await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{job_id}")
    await till.fault("cable", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    await till.until(lambda state: state["faults"] and state["indicator"]["pattern"] == "waiting")
    codes = [f"AWAY-{number}" for number in range(10)]
    for code in codes:
        await scan(till, code, "]C0")
    await till.fault("cable", False)

    assert await printed(till, job_id) == receipt(3)
    after = before[-1]["sequence"] if before else 0
    scans = await till.until(
        lambda answer: answer["scans"] if len(answer["scans"]) >= len(codes) else None, f"/api/v1/scans?after={after}"
    )
    assert [entry["data"] for entry in scans] == codes


async def test_a_power_cut_leaves_its_job_unconfirmed_and_the_next_ones_whole(till: Till) -> None:
    """The printer is left in the middle of a picture, and must not take the next job for the rest of it."""
    boot_id = (await till.state())["hub"]["boot_id"]
    job_id = await till.print(receipt(4))
    following = [await till.print(receipt(number)) for number in (41, 42)]
    await till.until(lambda job: job["state"] == "sending", f"/api/v1/jobs/{job_id}")
    await till.fault("hub_power", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    await till.fault("hub_power", False)
    job = await till.final(job_id)
    assert (job["state"], job["reason"]) == ("unconfirmed", "hub_restarted")
    assert [(await till.final(job))["state"] for job in following] == ["printed"] * 2
    newest = [entry["n"] for entry in (await till.receipts())[-2:]]
    paper = [await till.get(f"/virtual/receipts/{n}.bin") for n in newest]
    assert paper[0].endswith(receipt(41))  # what the first one left on the paper may stand above it
    assert paper[1] == receipt(42)
    hub = (await till.link_up())["hub"]
    assert hub["boot_id"] != boot_id
    assert hub["reset_cause"] == "power_on"


async def test_a_hung_program_is_reset_by_the_watchdog_and_leaves_its_crumb(till: Till) -> None:
    boots = (await till.state())["hub"]["boots"]
    await till.fault("hub_hang", True)
    hub = await till.until(lambda state: state["hub"]["boots"] > boots and state["hub"])
    assert (hub["boots"], hub["reset_cause"]) == (boots + 1, "watchdog")
    what, task, step, uptime = hub["crumb"].split(":")
    # The drill strikes wherever the program touches the chip next: whose turn that is, and where, is always named.
    assert what == "hang" and "?" not in hub["crumb"] and task and step, hub["crumb"]
    assert uptime.endswith("s")
    (fault,) = (await till.until(lambda state: state["faults"] and state))["faults"]
    assert (fault["code"], fault["severity"]) == ("hub_crashed", "notice")


async def test_five_crashes_lead_to_safe_mode_and_a_mended_board_leaves_it(
    till: Till, module_bridge: LiveBridge
) -> None:
    flash = module_bridge.state_dir / "virtual-hub" / "flash"
    good = (flash / "main.py").read_bytes()
    crash = b"import machine\nfrom hub import survival\nif not survival.wants_safe_mode(): machine.reset()\n"
    try:
        (flash / "main.py").write_bytes(crash + good)
        await power_cycle(till)
        state = await till.until(lambda state: (state["hub"] or {}).get("safe_mode") and state)
        assert state["hub"]["boots"] == 5
        await till.until(
            lambda state: (
                "safe_mode" in [fault["code"] for fault in state["faults"]]
                and state["indicator"]["pattern"] == "safe_mode"
            )
        )
    finally:
        (flash / "main.py").write_bytes(good)
        await power_cycle(till)
    await till.until(lambda state: not state["faults"] and not state["hub"]["safe_mode"])
    assert await printed(till, await till.print(receipt(5, 2000))) == receipt(5, 2000)


async def test_a_board_file_that_is_wrong_or_damaged_is_told_and_the_counter_goes_on(
    till: Till, module_bridge: LiveBridge
) -> None:
    flash = module_bridge.state_dir / "virtual-hub" / "flash"
    good = (flash / "board.json").read_bytes()
    wrong = json.loads(good)
    wrong["scanner"]["rx"] = 77
    try:
        (flash / "board.json").write_text(json.dumps(wrong))
        await power_cycle(till)
        await named(till, {"board_file", "scanner_left_out"}, "board.json: scanner.rx: there is no pin 77")
        assert await printed(till, await till.print(receipt(6, 2000))) == receipt(6, 2000)

        (flash / "board.json").write_bytes(good[:40])
        (flash / "board.kept.json").write_bytes(good)
        await power_cycle(till)
        await named(till, {"board_file"}, "board.json: ")
        await scan(till, "4006381333931")
        await till.until(lambda state: state["devices"]["scanner"]["scans"] > 0)

        (flash / "board.json").write_bytes(good)
        (flash / "hub" / "scanner.py").rename(flash / "hub" / "scanner.away")
        await power_cycle(till)
        await named(till, {"board_file", "scanner_left_out"}, "firmware: scanner: ")
    finally:
        (flash / "board.json").write_bytes(good)
        if (flash / "hub" / "scanner.away").exists():
            (flash / "hub" / "scanner.away").rename(flash / "hub" / "scanner.py")
        await power_cycle(till)
    await till.until(lambda state: not state["faults"])


async def named(till: Till, codes: set[str], problem: str) -> None:
    """The hub's faults are these, and it says why."""
    await till.until(
        lambda state: (
            {fault["code"] for fault in state["faults"]} == codes
            and any(said.startswith(problem) for said in state["hub"]["problems"])
        )
    )


async def power_cycle(till: Till) -> None:
    await till.fault("hub_power", True)
    await till.until(lambda state: state["link"]["status"] == "down")
    await till.fault("hub_power", False)
