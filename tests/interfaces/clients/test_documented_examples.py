"""The examples of docs/till-setup.md, run as they stand there, against a live bridge."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interfaces.clients import install_node_clients
from tests.interfaces.clients.conftest import PATIENCE_S
from tests.live_bridge import LiveBridge, Till

pytestmark = [pytest.mark.interfaces, pytest.mark.virtual_hub]

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "till-setup.md"


def example(heading: str, language: str, bridge: LiveBridge) -> str:
    """The first code block below a heading, with this bridge's addresses for the usual ones."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, f"no {language} example below {heading!r}"
    code = found[1].replace("http://127.0.0.1:9180", bridge.http_url.rstrip("/"))
    code = code.replace("127.0.0.1:9100", f"{bridge.raw_host}:{bridge.raw_port}")
    return code.replace("port=9100", f"port={bridge.raw_port}")


async def run(program: str, *arguments: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(PATIENCE_S):
        output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output


@pytest.fixture
async def till(bridge: LiveBridge) -> AsyncIterator[Till]:
    client = Till(bridge)
    await client.until(lambda state: state["devices"]["printer"]["status"] == "ready")
    yield client
    await client.close()


async def the_receipt(till: Till) -> bytes:
    """The one receipt's bytes, once its job is printed."""
    await till.until(lambda answer: [job["state"] for job in answer["jobs"]] == ["printed"], "/api/v1/jobs")
    return bytes(await till.get("/virtual/receipts/1.bin"))


async def drawer_is_open(till: Till) -> None:
    await till.until(lambda state: state["devices"]["drawer"]["status"] == "open")


async def test_python_escpos(bridge: LiveBridge, till: Till) -> None:
    await run(sys.executable, "-c", example("python-escpos", "python", bridge))
    assert b"Jasmine tea      2.50" in await the_receipt(till)
    await drawer_is_open(till)


async def test_node_thermal_printer(bridge: LiveBridge, till: Till) -> None:
    modules = install_node_clients.install() / "node_modules"
    code = example("node-thermal-printer", "js", bridge)
    await run(str(install_node_clients.node()), "-e", code, NODE_PATH=str(modules))
    assert b"SALE-1017" in await the_receipt(till)
    await drawer_is_open(till)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine: its examples were not run")
async def test_curl(bridge: LiveBridge, till: Till) -> None:
    code = example("The API, by hand", "sh", bridge).replace("JOB_ID", "$JOB_ID")
    first, rest = code.split("# What became of it", 1)
    script = f'set -e\nJOB_ID=$(\n{first}\n)\nJOB_ID=${{JOB_ID#*job_id\\":\\"}}\nJOB_ID=${{JOB_ID%%\\"*}}\n# {rest}'
    output = await run("sh", "-c", f'curl() {{ command curl --silent --show-error --fail "$@"; }}\n{script}')
    assert '"state":"opened"' in output
    assert '"scans":[]' in output
    assert b"Jasmine tea  2.50" in await the_receipt(till)


async def test_the_whole_till_sells_three_articles(bridge: LiveBridge, till: Till) -> None:
    code = example("The API, a whole till", "python", bridge)
    process = await asyncio.create_subprocess_exec(sys.executable, "-u", "-c", code, stdout=asyncio.subprocess.PIPE)
    try:
        for number in range(1, 4):
            await till.post("/virtual/scan", json={"data": f"ARTICLE-{number}", "symbology": "]C0"})
        receipt = await the_receipt(till)
        assert b"ARTICLE-1\nARTICLE-2\nARTICLE-3" in receipt.replace(b"\r", b"")
        scans = (await till.get("/api/v1/scans?newest=10"))["scans"]
        assert [scan["state"] for scan in scans] == ["delivered"] * 3
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"is printed" not in await process.stdout.readline():
                assert process.returncode is None
    finally:
        process.kill()
        await process.wait()
