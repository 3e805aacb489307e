"""The hub's reset line on a pin of the till: the last step of recovery.

The till's pins are driven by adafruit-blinka: those of a Raspberry Pi and its relatives, or of an FT232H, MCP2221 or
u2if board on USB. Between pulses the pin is an input, so that the hub's own pull-up and its button go on working: an
open-drain output, which few of these drivers have. A driver may hang: it is called in a thread, with a deadline.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, Literal

from host_bridge.hub.worker import in_thread, stuck

log = logging.getLogger(__name__)

PULSE_MS: Final = 100  # RUN on an RP2040 and EN on an ESP32 want microseconds; a board's capacitor there takes some ms
DEADLINE_MS: Final = 3000  # beyond the pulse itself, for a driver to find its board
AGAIN_FIRST_MS: Final = (
    60_000  # a hub needs seconds to start; one that is silent a minute later wants more than a reset
)
AGAIN_MAX_MS: Final = 3_600_000
PINS_SHOWN: Final = 40
_THREAD: Final = "reset line"
_WITHOUT_PINS: Final = "OS_AGNOSTIC_BOARD"  # Blinka's board of make-believe


class ResetLineError(Exception):
    """The line can't be used; says what was found, and what to do."""


class ResetLine:
    """``pin`` is a name of Blinka's module ``board``; ``active``: the level that resets the hub."""

    def __init__(
        self,
        pin: str,
        *,
        active: Literal["low", "high"] = "low",
        pulse_ms: int = PULSE_MS,
        deadline_ms: int = DEADLINE_MS,
        load: Callable[[], tuple[Any, Any]] | None = None,
    ) -> None:
        """``load`` returns Blinka's modules ``board`` and ``digitalio``."""
        self._name = pin
        self._active = active
        self._pulse_ms = pulse_ms
        self._deadline_ms = deadline_ms
        self._load = load or _load_blinka
        self._checking: asyncio.Task[None] | None = None
        self._pulls = 0  # in a row, each soon after the one before
        self._pulled_at: float | None = None

    async def check(self) -> None:
        """Take the pin and let go of it. Raise :class:`ResetLineError`."""
        await self._in_thread(self._release)

    def check_soon(self) -> None:
        """A line that can't be used is told in the log now, and not on the day it is needed."""
        self._checking = asyncio.get_running_loop().create_task(self._check_and_tell(), name="check the reset line")

    async def _check_and_tell(self) -> None:
        try:
            await self.check()
        except ResetLineError as error:
            log.error("the hub's reset line can't be used: %s", error)

    async def pull(self) -> bool:
        """Reset the hub; False if the last time is too recent. Raise :class:`ResetLineError`."""
        now = asyncio.get_running_loop().time()
        wait_ms = min(AGAIN_FIRST_MS * 2 ** min(self._pulls - 1, 16), AGAIN_MAX_MS) if self._pulls else 0
        if self._pulled_at is not None:
            since_ms = (now - self._pulled_at) * 1000
            if since_ms < wait_ms:
                log.debug("the reset line rests for another %.0f s", (wait_ms - since_ms) / 1000)
                return False
            if since_ms > 2 * AGAIN_MAX_MS:
                self._pulls = 0
        self._pulled_at = now
        self._pulls += 1
        log.warning("pulling the hub's reset line, pin %s", self._name)
        await self._in_thread(self._pulse)
        return True

    async def _in_thread(self, work: Callable[[], None]) -> None:
        if stuck.holds(_THREAD):
            raise ResetLineError(f"pin {self._name}: its driver still hangs in an earlier call; start the bridge again")
        deadline_ms = self._deadline_ms + self._pulse_ms
        try:
            await in_thread(work, deadline_ms, _THREAD, _THREAD)
        except TimeoutError:
            raise ResetLineError(f"pin {self._name}: its driver did not answer within {deadline_ms} ms") from None

    # -- in the worker thread ----------------------------------------------------------------------------------------

    def _pulse(self) -> None:
        line = self._take()
        try:
            line.switch_to_output(value=self._active == "high")
            threading.Event().wait(self._pulse_ms / 1000)
        except Exception as error:  # a driver raises what it likes
            raise self._explained(error) from error
        finally:
            self._let_go(line)

    def _release(self) -> None:
        self._let_go(self._take())

    def _take(self) -> Any:
        try:
            board, digitalio = self._load()
            pin = self._find(board)
            return digitalio.DigitalInOut(pin)
        except ResetLineError:
            raise
        except Exception as error:
            raise self._explained(error) from error

    def _let_go(self, line: Any) -> None:
        """An input drives nothing, whatever the driver leaves behind when the pin is given back."""
        try:
            line.switch_to_input()
        except Exception as error:
            raise self._explained(error) from error
        finally:
            line.deinit()

    def _find(self, board: Any) -> Any:
        found = str(getattr(board, "board_id", "this machine"))
        if found == _WITHOUT_PINS:
            raise ResetLineError("Blinka runs without a board (BLINKA_OS_AGNOSTIC): no pin is driven")
        pins = sorted(name for name in dir(board) if name[:1].isupper() and _is_pin(getattr(board, name)))
        if self._name in pins:
            return getattr(board, self._name)
        if not pins:
            raise ResetLineError(
                f"{found} has no pins that Blinka knows. For an adapter on USB set BLINKA_FT232H=1, BLINKA_MCP2221=1 "
                "or BLINKA_U2IF=1 in the bridge's environment, as its guide says"
            )
        more = f" and {len(pins) - PINS_SHOWN} more" if len(pins) > PINS_SHOWN else ""
        raise ResetLineError(f"{found} has no pin {self._name}; it has {', '.join(pins[:PINS_SHOWN])}{more}")

    def _explained(self, error: Exception) -> ResetLineError:
        if isinstance(error, PermissionError):
            return ResetLineError(
                f"pin {self._name}: {error}. Add the bridge's user to the group of the pins: "
                "sudo usermod -a -G gpio USER (plugdev for an adapter on USB); then start the bridge again"
            )
        return ResetLineError(f"pin {self._name}: {type(error).__name__}: {error}")


def _is_pin(value: Any) -> bool:
    """Blinka's pins have an id; a board without one of its buses has None in its place."""
    return getattr(value, "id", None) is not None and not callable(value)


def _load_blinka() -> tuple[Any, Any]:
    """Import takes a second, looks for the board and may hang: in a thread, and only when it is wanted."""
    try:
        import adafruit_blinka  # noqa: F401
    except ImportError:
        raise ResetLineError(
            "the reset line needs adafruit-blinka, which is not installed: pip install 'counterhub[gpio]'"
        ) from None
    try:
        import board
        import digitalio
    except ImportError as error:
        raise ResetLineError(f"Blinka can't drive this board's pins: {error}") from error
    except NotImplementedError as error:
        raise ResetLineError(f"Blinka does not know this machine: {error}") from error
    return board, digitalio
