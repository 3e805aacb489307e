"""The commands and their options."""

from __future__ import annotations

import asyncio
import enum
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

import host_bridge
from host_bridge.cli import (
    boards_screen,
    flashing,
    overview,
    ports_screen,
    printing,
    running,
    scanning,
    screen,
    status_screen,
)
from host_bridge.cli.client import Client, Refusal
from host_bridge.cli.outcome import CommandError, ExitCode
from host_bridge.cli.words import Words, choose_language
from host_bridge.hub.manners import udev_rules
from host_bridge.journal.records import Kick, KickState


class LanguageName(enum.StrEnum):
    EN = "en"
    ZH = "zh"


DEFAULT_URL = "http://127.0.0.1:9180"
EPILOG = (
    "Exit codes: 0 ok · 1 the counter did not do it · 2 wrong command line, file or configuration · "
    "3 no bridge answers · 4 the bridge refused · 5 nobody can know whether it was printed · "
    "6 still under way · 130 stopped by Ctrl-C. More in docs/command-line.md."
)

app = typer.Typer(
    name="counterhub",
    help="Keep a checkout's scanner, receipt printer, cash drawer and status light working.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
drawer_app = typer.Typer(name="drawer", help="The cash drawer.", no_args_is_help=True, epilog=EPILOG)
app.add_typer(drawer_app)
scanner_app = typer.Typer(name="scanner", help="The barcode scanner.", no_args_is_help=True, epilog=EPILOG)
app.add_typer(scanner_app)
app.add_typer(boards_screen.boards_app)
flashing.register(app)

Url = Annotated[str, typer.Option("--url", envvar="COUNTERHUB_URL", help="Where the bridge is.")]
Hub = Annotated[
    str | None,
    typer.Option("--hub", envvar="COUNTERHUB_HUB", metavar="NAME", help="Which of several hubs, by name or id."),
]
Lang = Annotated[
    LanguageName | None,
    typer.Option("--lang", envvar="COUNTERHUB_LANG", help="Language; otherwise the locale's.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="TEXT", help="Idempotency key: the same key again does nothing a second time."),
]


def run_app() -> None:
    """Run the command line; errors become one message with a remedy, and an exit code."""
    screen.prepare_streams()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # `counterhub scans | head`: the reader has what it wanted
        sys.stderr.close()
        sys.exit(ExitCode.OK)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"counterhub {host_bridge.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command(epilog=EPILOG)
def run(
    port: Annotated[
        str | None,
        typer.Option(metavar="auto|PATH|URL", help="The hub's serial port, or a pyserial URL. [default: auto]"),
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Run with a virtual hub: the real firmware with simulated devices.")
    ] = False,
    hubs: Annotated[
        int | None, typer.Option(metavar="N", help="With --virtual: so many hubs, named hub1, hub2, … [default: 1]")
    ] = None,
    emulated_pico: Annotated[
        Path | None,
        typer.Option(
            metavar="UF2",
            help="As --virtual, on an emulated Pico with this image (micropython.org/download/RPI_PICO).",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="cpython|micropython", help="What runs the virtual hub's firmware. [default: cpython]"),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where the API and the dashboard are. [default: 127.0.0.1:9180]"),
    ] = None,
    raw: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where tills print raw. [default: 127.0.0.1:9100]")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the journal is kept. [default: the user's data folder]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration (TOML); what is given here goes before it.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(metavar="text|json", help="How to log. [default: text]")] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="debug|info|warning|error", help="How much to log. [default: info]")
    ] = None,
    lang: Lang = None,
) -> None:
    """Start the bridge; SIGTERM or Ctrl-C stops it."""
    words = words_for(lang)
    if emulated_pico is not None and (port is not None or engine is not None):
        fail(CommandError(ExitCode.USAGE, words("run.emulated.alone")), words)
    given = {
        "hub.port": port,
        "virtual.enabled": virtual or emulated_pico is not None or None,
        "virtual.hubs": hubs,
        "virtual.emulated_pico": None if emulated_pico is None else str(emulated_pico),
        "virtual.engine": engine,
        "http.listen": http,
        "raw.listen": raw,
        "state_dir": None if state_dir is None else str(state_dir),
        "log.format": log_format,
        "log.level": log_level,
    }
    try:
        running.run(config, {key: value for key, value in given.items() if value is not None}, words)
    except CommandError as error:
        fail(error, words)


@app.command(epilog=EPILOG)
def status(url: Url = DEFAULT_URL, hub: Hub = None, as_json: AsJson = False, lang: Lang = None) -> None:
    """Show the link, the hub, its devices and faults, with what to do. Exits with 1 if the counter can't sell.

    Of several hubs all are shown, unless one is named.
    """
    words = words_for(lang)

    async def ask(client: Client) -> ExitCode:
        try:
            state, document = await client.state()
        except Refusal as refusal:
            if refusal.code != "hub_not_named":
                raise
            return await overview.show(client, words, as_json=as_json)
        if as_json:
            screen.print_json(document)
        else:
            screen.stdout().print(status_screen.render(state, words))
            await overview.show_unused(client, words)
        return status_screen.exit_code(state)

    ask_bridge(url, hub, words, ask)


@app.command("print", epilog=EPILOG)
def print_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .txt, .png, .bin, .prn or .escpos file; - for stdin.")],
    kind: Annotated[
        printing.Kind | None, typer.Option("--type", help="What the file is, whatever its name.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is known what became of it.")] = True,
    timeout: Annotated[float, typer.Option(min=0.1, max=86_400, metavar="SECONDS", help="How long to wait.")] = 120,
    key: Key = None,
    url: Url = DEFAULT_URL,
    hub: Hub = None,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Print a text, a picture or printer commands. The exit code says what became of it."""
    words = words_for(lang)

    try:
        data = printing.read_input(file, words)
        content_type = printing.content_type(file, data, kind, words)
    except CommandError as error:
        fail(error, words)

    async def ask(client: Client) -> ExitCode:
        accepted = await client.print(data, content_type, key or new_key())
        if not wait:
            return printing.tell_accepted(accepted, words, as_json=as_json)
        return await printing.follow(client, accepted, words, timeout_s=timeout, as_json=as_json)

    ask_bridge(url, hub, words, ask)


@app.command(epilog=EPILOG)
def scans(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each new scan. Takes none away from a till.")
    ] = False,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Only scans with a higher sequence number.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=scanning.LIST_LIMIT, metavar="N", help="How many to list; the newest.")
    ] = 20,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --follow: end after so many new scans.")
    ] = None,
    url: Url = DEFAULT_URL,
    hub: Hub = None,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """List the newest scans, or follow them as they come."""
    words = words_for(lang)

    async def ask(client: Client) -> ExitCode:
        rows = await client.newest_scans(limit) if after is None else await client.scans(after, limit)
        if not follow:
            scanning.show_list(rows, words, as_json=as_json)
            return ExitCode.OK
        screen.tell(words("scans.following", url=client.url))
        for row in rows:
            scanning.show_line(row, words, as_json=as_json)
        newest = rows[-1].sequence if rows else after or 0
        async for row in scanning.follow(client, newest, screen.tell, words, count=count):
            scanning.show_line(row, words, as_json=as_json)
        return ExitCode.OK

    ask_bridge(url, hub, words, ask)


@drawer_app.command("open", epilog=EPILOG)
def drawer_open(
    drawer: Annotated[int, typer.Option(min=1, max=2, help="Which drawer of the hub.")] = 1,
    within: Annotated[
        int, typer.Option(min=1, max=30_000, metavar="MS", help="Open within so many milliseconds, or never.")
    ] = 2000,
    key: Key = None,
    url: Url = DEFAULT_URL,
    hub: Hub = None,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Open the cash drawer now, or not at all."""
    words = words_for(lang)

    async def ask(client: Client) -> ExitCode:
        try:
            kick = await client.open_drawer(drawer, within, key or new_key())
        except Refusal as refusal:
            if refusal.kick is None:
                raise
            if as_json:
                screen.print_json(msgspec.to_builtins(refusal.kick))
            raise CommandError(ExitCode.FAILED, kick_words(refusal.kick, words)) from refusal
        if as_json:
            screen.print_json(msgspec.to_builtins(kick))
        else:
            kind = "ok" if kick.state is KickState.OPENED else "warning"
            screen.stdout().print(screen.mark(kind, words(f"drawer.{kick.state}")))
        return ExitCode.OK

    ask_bridge(url, hub, words, ask)


@scanner_app.command("off", epilog=EPILOG)
def scanner_off(
    span_s: Annotated[
        int, typer.Option("--for", min=1, max=3600, metavar="SECONDS", help="On again by itself after so long.")
    ] = 300,
    url: Url = DEFAULT_URL,
    hub: Hub = None,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Keep the scanner from reading, for a time."""
    _switch_scanner(False, span_s * 1000, url, hub, as_json, lang)


@scanner_app.command("on", epilog=EPILOG)
def scanner_on(url: Url = DEFAULT_URL, hub: Hub = None, as_json: AsJson = False, lang: Lang = None) -> None:
    """Let the scanner read again."""
    _switch_scanner(True, None, url, hub, as_json, lang)


def _switch_scanner(
    enabled: bool, for_ms: int | None, url: str, hub: str | None, as_json: bool, lang: LanguageName | None
) -> None:
    words = words_for(lang)

    async def ask(client: Client) -> ExitCode:
        state = await client.switch_scanner(enabled, for_ms)
        if as_json:
            screen.print_json(msgspec.to_builtins(state))
        elif state.off_until is None:
            screen.stdout().print(screen.mark("ok", words("scanner.on")))
        else:
            until = screen.local_time(state.off_until)
            screen.stdout().print(screen.mark("warning", words("scanner.off", time=until)))
        return ExitCode.OK

    ask_bridge(url, hub, words, ask)


@app.command(epilog=EPILOG)
def ports(
    ask: Annotated[
        bool, typer.Option("--ask", help="Listen on each likely port for the hub's greeting, which tells its id.")
    ] = False,
    udev: Annotated[
        bool, typer.Option("--udev", help="Print the udev rules for hubs instead: who may use them, no ModemManager.")
    ] = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """List this machine's serial ports, and which of them may be a hub.

    Needs no running bridge; one that runs on this machine tells which hubs it serves.
    """
    if udev:
        typer.echo(udev_rules(), nl=False)
        return
    words = words_for(lang)
    try:
        found = asyncio.run(ports_screen.find(url, words, ask=ask))
    except OSError as error:
        fail(CommandError(ExitCode.FAILED, words("ports.failed", why=error.strerror or error)), words)
    except CommandError as error:
        fail(error, words)
    if as_json:
        screen.print_json(msgspec.to_builtins(found))
    elif found:
        screen.stdout().print(ports_screen.render(found, words))
    else:
        screen.say(f"{words('ports.none')}\n{words('ports.none.remedy')}")


# --- what the commands share


def words_for(language: LanguageName | None) -> Words:
    return Words(choose_language(language))


def kick_words(kick: Kick, words: Words) -> str:
    """Why the drawer did not open, or that nobody can know."""
    key = "drawer.unsure" if kick.reason in ("link_lost", "no_answer", "bridge_restarted") else "drawer.failed"
    return words(key, reason=words.reason(kick.reason))


def new_key() -> str:
    """An idempotency key, so that an answer that got lost can be asked for again."""
    return f"cli-{uuid.uuid4()}"


def ask_bridge(url: str, hub: str | None, words: Words, ask: Callable[[Client], Awaitable[ExitCode]]) -> NoReturn:
    """Run one conversation with the bridge and exit with its code; an error is printed with its remedy."""

    async def converse() -> ExitCode:
        async with Client(url, words, hub=hub) as client:
            return await ask(client)

    try:
        code = asyncio.run(converse())
    except CommandError as error:
        fail(error, words)
    raise typer.Exit(int(code))


def fail(error: CommandError, words: Words) -> NoReturn:
    screen.print_error(error, words)
    raise typer.Exit(int(error.exit_code))
