"""Promise 4: whatever breaks, within 2 s the LED, the page and the API name the same fault; and it clears."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.live_bridge import Till, in_time

pytestmark = pytest.mark.virtual_hub
NAMED_WITHIN_S = 2.0
CLEARED_WITHIN_S = 4.0

# the fault injected → (code in the state, what the LED shows; None: the hub can't tell)
EXPECTED = {
    "cable": ("port_missing", "waiting"),
    "hub_power": ("port_missing", None),
    "printer_power": ("printer_power", "fault:printer_power"),
    "paper_end": ("paper_end", "fault:paper_end"),
    "paper_near_end": ("paper_near_end", "fault:paper_near_end"),
    "cover_open": ("cover_open", "fault:cover_open"),
    "cutter": ("cutter", "fault:cutter"),
    "drawer_stuck": ("drawer_stuck", "fault:drawer_stuck"),
    "scanner_unplugged": ("scanner_unplugged", "fault:scanner_unplugged"),
}


def named(state: Any, code: str, pattern: str | None) -> Any:
    codes = [fault["code"] for fault in state["faults"]]
    return state if codes == [code] and pattern in (None, state["indicator"]["pattern"]) else None


@pytest.mark.parametrize("fault", EXPECTED)
async def test_it_is_named_in_time_with_a_remedy_and_clears(till: Till, fault: str) -> None:
    code, pattern = EXPECTED[fault]

    async def once() -> bool:
        await till.until(lambda state: state["devices"]["printer"]["status"] == "ready")
        await till.post("/virtual/drawer/close")  # one that is open can not be stuck
        await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")

        begun = time.monotonic()
        await till.fault(fault, True)
        state = await till.until(lambda state: named(state, code, pattern))
        named_s = time.monotonic() - begun
        for text in ("title", "cause", "remedy"):
            assert state["faults"][0][text]["en"]
            assert state["faults"][0][text]["zh"]

        begun = time.monotonic()
        await till.fault(fault, False)
        await till.until(lambda state: not state["faults"] and state["indicator"]["pattern"] == "ready")
        return named_s < NAMED_WITHIN_S and time.monotonic() - begun < CLEARED_WITHIN_S

    await in_time(once)


async def test_a_drawer_opened_with_the_key_is_named_until_somebody_is_at_the_till(till: Till) -> None:
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")
    await till.fault("drawer_forced", True)
    pattern = "fault:drawer_forced_open"
    await till.until(lambda state: named(state, "drawer_forced_open", pattern))
    assert (await till.state())["devices"]["drawer"]["status"] == "open"
    await till.fault("drawer_forced", False)
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")
    assert named(await till.state(), "drawer_forced_open", pattern)  # also once it is shut: for ten seconds

    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "opened")
    await till.until(lambda state: not state["faults"])


async def test_a_switch_that_flutters_is_named_and_the_drawer_still_opens(till: Till) -> None:
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "closed")
    await till.fault("drawer_switch", True)
    await till.until(lambda state: named(state, "drawer_switch", "fault:drawer_switch"))
    status, kick = await till.post("/api/v1/drawer/open")
    assert (status, kick["state"]) == (200, "unverified")
    await till.fault("drawer_switch", False)
    await till.until(lambda state: not state["faults"] and state["devices"]["drawer"]["status"] == "open")


async def test_of_several_faults_the_worst_shows_and_the_others_follow(till: Till) -> None:
    await till.fault("paper_near_end", True)
    await till.until(lambda state: state["indicator"]["pattern"] == "fault:paper_near_end")
    await till.fault("cover_open", True)
    await till.until(lambda state: state["indicator"]["pattern"] == "fault:cover_open")
    await till.fault("cover_open", False)
    await till.until(lambda state: state["indicator"]["pattern"] == "fault:paper_near_end")
