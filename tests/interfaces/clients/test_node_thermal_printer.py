"""node-thermal-printer, what tills written in JavaScript print with."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from host_bridge.escpos.commands import CommandParser
from tests.interfaces.clients.conftest import Counter
from tests.interfaces.clients.install_node_clients import install, node

pytestmark = pytest.mark.interfaces

SCRIPT = Path(__file__).parent / "node" / "receipt.js"
DEADLINE_S = 30


@pytest.fixture(scope="session")
def node_modules() -> Path:
    return install() / "node_modules"


async def test_it_finds_the_printer_prints_and_opens_the_drawer(counter: Counter, node_modules: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(node()),
        str(SCRIPT),
        counter.raw_host,
        str(counter.raw_port),
        env={**os.environ, "NODE_PATH": str(node_modules)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(out)["connected"] is True
    sent = bytes.fromhex(json.loads(out)["bytes"])
    (receipt,) = await counter.receipts(1)
    await counter.drawer_opened()
    expected = [command.data for command in CommandParser().feed(sent) if command.name not in ("ESC p", "NUL")]
    assert receipt == b"".join(expected), "every byte but the kick and a stray NUL"
    assert b"NODE TILL" in receipt
    assert b"https://example.org/r/1" in receipt
