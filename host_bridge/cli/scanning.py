"""`counterhub scans`: the scans in the journal, and those to come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from rich.table import Table
from rich.text import Text as Styled

from host_bridge.cli import screen
from host_bridge.cli.client import Client, ScanRow, Unreachable
from host_bridge.cli.words import Words

LIST_LIMIT = 200  # scans in one listing
RETRY_S = (0.5, 1.0, 2.0, 5.0)  # between attempts to reach a bridge that went away; the last one repeats

STATE_STYLES = {"waiting": "yellow", "delivered": "green", "expired": "red"}


def show_list(rows: list[ScanRow], words: Words, *, as_json: bool) -> None:
    """Print a table, or one JSON array."""
    if as_json:
        screen.print_json(msgspec.to_builtins(rows))
    elif rows:
        screen.stdout().print(render(rows, words))
    else:
        screen.say(words("scans.none"))


def show_line(row: ScanRow, words: Words, *, as_json: bool) -> None:
    """Print one scan as it comes: a line, or one JSON document a line."""
    if as_json:
        screen.print_json_line(row)
    else:
        screen.say(line(row, words))


def render(rows: list[ScanRow], words: Words) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(words("scans.sequence"), justify="right")
    table.add_column(words("scans.time"), no_wrap=True)
    table.add_column(words("scans.symbology"))
    table.add_column(words("scans.data"), overflow="fold")
    table.add_column(words("scans.state"), no_wrap=True)
    for row in rows:
        table.add_row(
            str(row.sequence),
            screen.local_time(row.read_at),
            printable(row.symbology or "–"),
            Styled(shown(row)),
            Styled(state_words(row, words), STATE_STYLES.get(row.state, "")),
        )
    return table


def line(row: ScanRow, words: Words) -> str:
    """One scan as one line."""
    parts = [f"{row.sequence:>6}", screen.local_time(row.read_at), f"{printable(row.symbology or '–'):4}", shown(row)]
    remarks = _remarks(row, words)
    return "  ".join(parts) + (f"  ({', '.join(remarks)})" if remarks else "")


def state_words(row: ScanRow, words: Words) -> str:
    return ", ".join([words(f"scans.{row.state}"), *_remarks(row, words)])


def shown(row: ScanRow) -> str:
    """A GS1 barcode as it is printed below the bars, "(01)09501101530003(10)LOT7"; any other as it is."""
    if row.gs1 is None or not row.gs1.ok:
        return printable(row.data)
    return "".join(f"({printable(each.ai)}){printable(each.value)}" for each in row.gs1.elements)


def printable(data: str) -> str:
    """Barcodes may hold control characters (GS1 uses 0x1D); a terminal must not act on them."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in data)


async def follow(
    client: Client,
    after: int,
    notice: Callable[[str], None],
    words: Words,
    *,
    count: int | None = None,
    retry_s: tuple[float, ...] | None = None,
) -> AsyncIterator[ScanRow]:
    """Yield each scan after `after` once, in order, `count` of them or without end; outlives restarts of the bridge.

    Raises Unreachable if the bridge isn't there at the start, Refusal if it doesn't want us.
    """
    retry_s = retry_s or RETRY_S
    failures = 0
    connected_once = False
    while True:
        try:
            async for row in _one_connection(client, after):
                if row is None:
                    if failures:
                        notice(words("scans.back"))
                    failures, connected_once = 0, True
                    continue
                after = row.sequence
                yield row
                if count is not None:
                    count -= 1
                    if count == 0:
                        return
        except Unreachable as error:
            if not connected_once:
                raise
            if not failures:
                notice(words("scans.lost", why=error.message))
            await asyncio.sleep(retry_s[min(failures, len(retry_s) - 1)])
            failures += 1


async def _one_connection(client: Client, after: int) -> AsyncIterator[ScanRow | None]:
    """None once connected, then what came while nobody watched, then what comes. Ends with Unreachable."""
    async for event in client.events():
        if event.get("type") == "state":
            yield None
            while rows := await client.scans(after, LIST_LIMIT):
                for row in rows:
                    after = row.sequence
                    yield row
        elif event.get("type") == "scan":
            row = client.scan_of(event)
            if row.sequence > after:
                after = row.sequence
                yield row


def _remarks(row: ScanRow, words: Words) -> list[str]:
    wrong = [words("scans.check_digit")] if row.check_digit_ok is False else []
    if row.gs1 is not None and not row.gs1.ok:
        wrong.append(words("scans.gs1"))
    return wrong + ([words("scans.repeat")] if row.repeat else [])
