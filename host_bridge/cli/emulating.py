"""`counterhub run --emulated-pico`: what has to be done before the bridge can start."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_bridge.cli import screen
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.progress import FileBar
from host_bridge.cli.words import Words

if TYPE_CHECKING:
    from host_bridge.config import Config
    from host_bridge.emulator.image import PicoImage
    from host_bridge.flash.install import Plan
    from host_bridge.state import Text

NewLoop = Callable[[], asyncio.AbstractEventLoop]


@contextlib.contextmanager
def prepared(config: Config, words: Words) -> Iterator[NewLoop | None]:
    """The loop on which the bridge runs: of an emulated Pico's time, once the firmware is laid on it, if one is wanted.

    Raises CommandError, and KeyboardInterrupt: nothing is left running then.
    """
    if not (config.virtual.enabled and config.virtual.emulated_pico):
        yield None
        return
    from host_bridge.emulator import hub, image
    from host_bridge.emulator.bridge_time import BridgeLoop
    from host_bridge.flash.errors import FlashError
    from host_bridge.virtual.control import VirtualHubError

    state_dir = config.state_path
    try:
        image.check_installed()
        found = image.read_image(Path(config.virtual.emulated_pico))
    except FlashError as error:
        raise _explained(ExitCode.USAGE, error.reason, error.remedy, words) from error
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(hub.claimed(state_dir))
            if not hub.is_laid(state_dir, found):
                _try_addresses(config, words)
                _lay(state_dir, found, words)
        except FlashError as error:
            raise _explained(ExitCode.FAILED, error.reason, error.remedy, words) from error
        except (OSError, VirtualHubError) as error:
            raise CommandError(ExitCode.FAILED, words("run.failed", why=error)) from error
        screen.tell(words("run.emulated.slow"))
        yield lambda: BridgeLoop(hub.clock_file(state_dir))


def _try_addresses(config: Config, words: Words) -> None:
    """Say at once what would stop the bridge after minutes of laying. Raises CommandError."""
    from host_bridge.cli.running import explain

    wanted = [config.http.address, *([config.raw.address] if config.raw.enabled else ())]
    for address in wanted:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            socket.create_server((address.host, address.port), family=family).close()
        except OSError as error:
            raise explain(error, wanted, words) from error


def _lay(state_dir: Path, image: PicoImage, words: Words) -> None:
    from host_bridge.emulator import hub

    screen.tell(words("run.emulated.lay"))
    with FileBar() as bar:
        laying = hub.prepare(state_dir, image, lambda text: screen.tell(words.of(text)), bar.show)
        done = asyncio.run(_unless_stopped(laying))
    if done is None:
        screen.tell(words("run.emulated.stopped"))
        raise KeyboardInterrupt
    screen.tell(words("run.emulated.laid", count=len(done.write)))


async def _unless_stopped(work: Coroutine[Any, Any, Plan]) -> Plan | None:
    """Its result, or None if SIGTERM or Ctrl-C came, once all is put away."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


def _explained(code: ExitCode, reason: Text, remedy: Text | None, words: Words) -> CommandError:
    return CommandError(code, words.of(reason), words.of(remedy) if remedy else None)
