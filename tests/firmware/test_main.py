"""boot.py and main.py themselves: who gets the prompt, what counts as a quick start, what a crash leaves."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.counter import BOARD
from tests.firmware.board import HARD_RESET, PWRON_RESET, SOFT_RESET, WDT_RESET, Board, Life, micropython
from tests.firmware.virtual_time import in_virtual_time, run_in_virtual_time, seconds

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
BUTTON, KICK = 21, 14


def bench(**parts: Any) -> Board:
    config = {"name": "bench", "watchdog_ms": 4000, "link": BOARD["link"], "safe_mode": {"pin": BUTTON}}
    hub = Board(config | {"drawer": {"wiring": "gpio", "kick": [KICK]}} | parts)
    hub.modules["micropython"] = micropython()
    hub.modules["micropython"].kbd_intr = lambda character: None  # type: ignore[attr-defined]
    hub.set_level(BUTTON, 1)
    return hub


def run(hub: Board, cause: int = PWRON_RESET, *files: str, spoil: Callable[[Life], None] | None = None) -> Life:
    """Start as MicroPython does; the files run until they return or the board is reset. `spoil` breaks the firmware."""
    hub.end()
    hub.resets.append(cause)
    life = hub.life = Life(hub, cause)
    life.module("technician").time.sleep_ms = life.pass_ms
    life.module("survival").time.sleep_ms = life.pass_ms
    said: list[str] = []
    make = life.module("app").make_hub

    def make_hub() -> Any:
        life.hub = make()
        return life.hub

    life.module("app").make_hub = make_hub
    if spoil:
        spoil(life)
    with life.in_place():
        for name in files or ("boot.py", "main.py"):
            scope = {"__name__": "__main__", "print": said.append}
            try:
                exec(compile((FIRMWARE / name).read_text(encoding="utf-8"), name, "exec"), scope)
            except BaseException as error:
                if life.alive:
                    raise
                assert type(error).__name__ == "CancelledError"  # the bench's reset
    life.printed, life.scope = said, scope
    return life


def at_prompt(life: Life) -> bool:
    return any("not started" in line for line in life.printed)


def started(life: Life) -> bool:
    return bool(life.tasks)


@in_virtual_time
async def test_the_hub_starts_and_the_drawers_are_at_rest_before_anything_else() -> None:
    hub = bench()
    hub.set_level(KICK, 1)
    life = run(hub, PWRON_RESET, "boot.py")
    assert hub.levels[KICK] == 0 and not started(life)
    life = run(hub)
    assert started(life) and not at_prompt(life)


@in_virtual_time
async def test_what_the_start_alone_needs_is_let_go_of_and_nothing_that_runs_names_it() -> None:
    life = run(bench(indicator={"kind": "mono", "pin": 2}, scanner=BOARD["scanner"], printer=BOARD["printer"]))
    assert started(life)
    names = life.module("start_only")._MODULES
    kept = [module for name, module in life._modules.items() if name not in names]
    let_go = [module for name, module in life._modules.items() if name in names]
    assert len(let_go) == len(names) and len(kept) > 20
    for module in [*kept, types.SimpleNamespace(**life.scope)]:
        held = [name for name, value in vars(module).items() if any(value is one for one in let_go)]
        assert not held, f"{module} holds {held}"


@in_virtual_time
async def test_the_devices_load_ahead_and_a_damaged_one_is_left_for_its_opening_to_tell() -> None:
    hub = bench(scanner=BOARD["scanner"])
    for boot, wanted in ((1, ["hub.drawer", "hub.scanner"]), (5, [])):  # with the fifth quick one it is safe mode
        life = hub.life = Life(hub, HARD_RESET)
        app = life.module("app")
        asked: list[str] = []

        def load(name: str, asked: list[str] = asked) -> None:
            asked.append(name)
            raise ValueError("incompatible .mpy file")

        app.__import__ = load
        with life.in_place():
            for _ in range(boot):
                life.module("survival")._boots = None
                life.module("survival").count_boot()
            app.load_devices()
            assert asked == wanted
            life.end()


@in_virtual_time
async def test_a_pin_at_rest_needs_no_other_good_pin() -> None:
    hub = bench(drawer={"wiring": "gpio", "kick": [99, "x", None, KICK]})
    hub.set_level(KICK, 1)
    run(hub, PWRON_RESET, "boot.py")
    assert hub.levels[KICK] == 0


@in_virtual_time
async def test_the_button_gives_the_prompt() -> None:
    hub = bench()
    hub.set_level(BUTTON, 0)
    assert at_prompt(run(hub))


@pytest.mark.parametrize("pin", [99, None, "GP77"])
def test_a_button_that_is_wired_wrong_is_told_and_keeps_nobody_from_starting(pin: Any) -> None:
    async def main() -> None:
        hub = bench(safe_mode={"pin": pin})
        life = run(hub)
        assert started(life)
        assert life.module("board").problems[0].startswith("board.json: safe_mode.pin: there is no pin")

    run_in_virtual_time(main())


@in_virtual_time
async def test_a_hub_that_is_asked_restarts_into_the_prompt_once() -> None:
    hub = bench()
    life = run(hub)
    restarts = no_restart(hub)
    with pytest.raises(asyncio.CancelledError):  # the bench's reset
        life.hub.ask_for_prompt(b"flash")
    assert restarts == [HARD_RESET]
    assert at_prompt(run(hub, WDT_RESET))
    assert started(run(hub, HARD_RESET))


@pytest.mark.parametrize(("transport", "listens"), [("usb", True), ("uart", False)])
def test_only_a_hub_whose_link_is_the_console_listens_to_that(transport: str, listens: bool) -> None:
    async def main() -> None:
        hub = bench(link={**BOARD["link"], "transport": transport})
        life = run(hub)  # the bench has no console: nothing comes and nothing goes
        assert ("prompt" in life.hub.uplink._handlers) == listens

    run_in_virtual_time(main())


@in_virtual_time
async def test_starts_that_end_at_the_prompt_and_soft_resets_of_a_tool_lead_to_no_safe_mode() -> None:
    hub = bench()
    for _ in range(6):
        hub.set_level(BUTTON, 0)
        assert at_prompt(run(hub, HARD_RESET))
        hub.set_level(BUTTON, 1)
        run(hub, SOFT_RESET, "boot.py")  # mpremote: into the raw prompt
    assert not run(hub, HARD_RESET).module("survival").wants_safe_mode()


@in_virtual_time
async def test_a_program_that_can_not_start_tries_again_and_stays_at_the_prompt_in_safe_mode() -> None:
    hub = bench()
    restarts = no_restart(hub)
    hub.files.statvfs = None  # type: ignore[method-assign, assignment]  # whatever raises where nobody expects it
    hub.files.open = broken_open(hub)  # type: ignore[method-assign]
    for number in range(1, 5):
        run(hub, HARD_RESET)
        assert len(restarts) == number
    life = run(hub, HARD_RESET)
    assert life.module("survival").wants_safe_mode() and len(restarts) == 4
    await seconds(1)
    assert life.module("survival").last_crumb() == "crash:main:ZeroDivisionError:4x"


@in_virtual_time
async def test_in_safe_mode_a_program_that_dies_with_its_watchdog_begun_gives_a_prompt_that_nothing_ends() -> None:
    def die(*_: Any) -> None:
        raise ZeroDivisionError

    def spoil(life: Life) -> None:
        life.module("app").Indicator = die  # the supervisor is there already

    hub = bench()
    restarts = no_restart(hub)
    for _ in range(5):
        run(hub, HARD_RESET, spoil=spoil)
    assert restarts == [HARD_RESET] * 5
    prompt = run(hub, HARD_RESET, spoil=spoil)
    assert at_prompt(prompt) and "ZeroDivisionError" in hub.files.texts["traceback.txt"]
    resets = len(hub.resets)
    await seconds(30)
    assert prompt.alive and (len(hub.resets), len(restarts)) == (resets, 5)


def no_restart(hub: Board) -> list[int]:
    """Resets end a life and begin none; their causes."""
    causes: list[int] = []

    def restart(cause: int) -> None:
        causes.append(cause)

    hub.restart = restart  # type: ignore[method-assign]
    return causes


def broken_open(hub: Board) -> Any:
    real = hub.files.open

    def open_(path: str, mode: str = "r") -> Any:
        if path == "board.kept.json":
            raise ZeroDivisionError
        return real(path, mode)

    return open_
