"""`counterhub run`: builds the configuration, starts the bridge, and says where it is to be found."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Styled

from host_bridge.cli import emulating, screen
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words

if TYPE_CHECKING:
    from host_bridge.address import Address
    from host_bridge.bridge import Addresses
    from host_bridge.config import Config

_ADDRESS_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


def run(path: Path | None, given: Mapping[str, object], words: Words) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises CommandError if the configuration is wrong or the bridge can't start."""
    config = load_config(path, given)
    with emulating.prepared(config, words) as new_loop:
        serve(config, new_loop, words)


def serve(config: Config, new_loop: Callable[[], asyncio.AbstractEventLoop] | None, words: Words) -> None:
    """Run the bridge on such a loop. Raises CommandError."""
    # Imported here, because the whole bridge takes a second to load and the other commands don't need it.
    from host_bridge import bridge
    from host_bridge.journal import JournalError
    from host_bridge.virtual.control import VirtualHubError

    def on_ready(addresses: Addresses) -> None:
        announce(addresses, _what(config), words=words)

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(bridge.serve(config, on_ready=on_ready))
    except TimeoutError as error:
        raise CommandError(ExitCode.FAILED, words("run.stop_late")) from error
    except OSError as error:
        raise explain(error, (config.http.address, config.raw.address), words) from error
    except (JournalError, VirtualHubError) as error:
        raise CommandError(ExitCode.FAILED, words("run.failed", why=error)) from error
    except bridge.ServiceDied as error:
        message = words("run.died", why=f"{error}: {error.__cause__}" if error.__cause__ else error)
        raise CommandError(ExitCode.FAILED, message, words("run.died.remedy")) from error


def load_config(path: Path | None, given: Mapping[str, object]) -> Config:
    """Return the configuration: defaults, then the file, then what was given. Raises CommandError."""
    from host_bridge import config
    from host_bridge.toml_document import NO_FILE, ConfigError

    try:
        loaded = config.load(path, given)
        if "virtual.hubs" in given and not loaded.virtual.enabled:
            problem = "--hubs is for virtual hubs: give --virtual too"
            raise ConfigError(NO_FILE, None, problem, "real ones are named in the configuration, as [hubs.NAME]")
        return loaded
    except ConfigError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error


def _what(config: Config) -> str | None:
    """What the hub is, if it is no real one: the key of a few words."""
    if not config.virtual.enabled:
        return None
    return "run.emulated" if config.virtual.emulated_pico else "run.virtual"


def announce(addresses: Addresses, what: str | None = None, *, words: Words) -> None:
    """Print the dashboard's address: a panel on a terminal, a plain line otherwise. `what` the hub is: see words."""
    console = screen.stdout()
    title = words("run.ready")
    if what is not None:
        title += f" · {words(what)}"
    if not console.is_terminal:
        raws = _raws(addresses)
        raw = f", {words('run.raw')} {', '.join(raws)}" if raws else ""
        screen.say(f"{title}: {words('run.dashboard')} {addresses.dashboard}{raw}")
        return
    table = Table.grid(padding=(0, 2))
    table.add_row(words("run.dashboard"), Styled(addresses.dashboard, "bold cyan"), "")
    for number, raw in enumerate(_raws(addresses)):
        hint = words("run.raw.hint") if number == 0 else ""
        table.add_row("" if number else words("run.raw"), Styled(raw, "bold"), Styled(hint, "dim"))
    panel = Panel(
        table,
        title=screen.mark("ok", title),
        title_align="left",
        subtitle=words("run.stop"),
        subtitle_align="right",
        border_style="green",
        expand=False,
    )
    console.print(panel)


def _raws(addresses: Addresses) -> list[str]:
    """Where tills print raw, each with its hub's name if there are several."""
    if addresses.raw:
        return [addresses.raw]
    return [f"{name} {raw}" for name, raw in addresses.hubs.items() if raw]


def explain(error: OSError, addresses: Sequence[Address], words: Words) -> CommandError:
    """Turn what the system said about an address or a file into a sentence with a remedy."""
    why = error.strerror or str(error)
    remedy = None
    if error.errno in _ADDRESS_ERRORS and not any(str(address) in why for address in addresses):
        why += f" ({', '.join(str(address) for address in addresses)})"
    if error.filename is not None:
        why = f"{error.filename}: {why}"
    if error.errno == errno.EADDRINUSE:
        remedy = words("run.in_use.remedy")
    elif error.errno in (errno.EACCES, errno.EPERM):
        remedy = words("run.privilege")
    elif error.errno == errno.EADDRNOTAVAIL:
        remedy = words("run.address")
    return CommandError(ExitCode.FAILED, words("run.failed", why=why), remedy)
