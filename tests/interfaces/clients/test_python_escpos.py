"""python-escpos, a library that many tills print with: `escpos.printer.Network`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from escpos.printer import Network
from PIL import Image

from host_bridge.escpos.commands import Command, CommandParser
from tests.interfaces.clients.conftest import Counter

pytestmark = pytest.mark.interfaces


@contextmanager
def printer(counter: Counter) -> Iterator[Network]:
    device = Network(counter.raw_host, counter.raw_port, timeout=10, profile="TM-T88V")
    try:
        yield device
    finally:
        device.close()


def commands(receipt: bytes) -> list[Command]:
    parser = CommandParser()
    found = parser.feed(receipt)
    assert parser.missing_bytes == 0
    return found


async def test_text_image_barcode_chinese_and_cut_arrive_as_one_job(counter: Counter) -> None:
    def sell() -> None:
        with printer(counter) as till:
            till.set(align="center", bold=True, double_height=True)
            till.textln("COFFEE SHOP")
            till.set_with_default()
            till.textln("Flat white        3.20")
            till._raw(b"\x1c&" + "合计：三元二角\n".encode("gb18030") + b"\x1c.")
            till.image(Image.linear_gradient("L").resize((200, 100)))
            till.barcode("4006381333931", "EAN13", 64, 2, "BELOW", "A")
            till.qr("https://example.org/receipt/42", native=True)
            till.cut()

    await asyncio.to_thread(sell)
    (receipt,) = await counter.receipts(1)
    names = [command.name for command in commands(receipt)]
    assert "unknown" not in names
    assert {"text", "GS k", "GS ( k"} <= set(names)
    assert "GS v 0" in names or "GS ( L" in names
    assert b"COFFEE SHOP" in receipt
    assert "合计：三元二角".encode("gb18030") in receipt
    assert names[-1] == "GS V"


async def test_each_cut_on_an_open_connection_is_a_job(counter: Counter) -> None:
    def sell() -> None:
        with printer(counter) as till:
            for number in (1, 2, 3):
                till.textln(f"receipt {number}")
                till.cut()

    await asyncio.to_thread(sell)
    receipts = await counter.receipts(3)
    assert [f"receipt {n}".encode() in receipt for n, receipt in enumerate(receipts, 1)] == [True] * 3
    assert [receipt.count(b"\x1dV") for receipt in receipts] == [1, 1, 1]


async def test_online_and_paper_are_told_as_they_are(counter: Counter) -> None:
    def ask() -> tuple[bool, int]:
        with printer(counter) as till:
            return till.is_online(), till.paper_status()

    assert await asyncio.to_thread(ask) == (True, 2)
    await counter.set_paper_end(True)
    try:
        assert await asyncio.to_thread(ask) == (False, 0)
    finally:
        await counter.set_paper_end(False)
    assert await asyncio.to_thread(ask) == (True, 2)


async def test_the_drawer_opens_and_the_kick_is_no_part_of_the_receipt(counter: Counter) -> None:
    def sell() -> None:
        with printer(counter) as till:
            till.textln("paid in cash")
            till.cashdraw(2)
            till.cut()

    await asyncio.to_thread(sell)
    await counter.drawer_opened()
    (receipt,) = await counter.receipts(1)
    assert "ESC p" not in [command.name for command in commands(receipt)]
    assert b"paid in cash" in receipt
