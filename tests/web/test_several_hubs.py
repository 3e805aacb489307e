"""The page in front of several hubs: an overview first, then one hub's page, and never another one's resources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest
import pytest_asyncio

from host_bridge.address import Address
from host_bridge.interfaces.http.server import HttpInterface
from tests.web.chromium import Page, chromium_page
from tests.web.stub_bridge import StubBridge
from tests.web.test_in_browser import CHROMIUM, LIVE, pytestmark, text_of

__all__ = ["pytestmark"]  # skipped where there is no Chromium

NO_SIDEWAYS = "document.documentElement.scrollWidth <= window.innerWidth"
SHOWN = "document.querySelectorAll('.hub-card').length === 2"


class Shop(NamedTuple):
    one: StubBridge
    two: StubBridge
    page: Page
    url: str


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    assert CHROMIUM is not None
    hubs = []
    for name in ("till-1", "till-2"):
        hub = StubBridge()
        hub.name = name
        assert hub.state_now.hub is not None
        hub.change(hub=msgspec.structs.replace(hub.state_now.hub, name=name))
        hubs.append(hub)
    interface = HttpInterface({hub.name: hub for hub in hubs}, Address("127.0.0.1", 0))
    await interface.start()
    try:
        async with chromium_page(CHROMIUM) as page:
            yield Shop(hubs[0], hubs[1], page, interface.url)
    finally:
        await interface.stop()


async def test_the_overview_names_each_hub_its_state_and_what_to_do(shop: Shop) -> None:
    page = shop.page
    await page.look(width=1200, height=800)
    await page.open(f"{shop.url}/")
    await page.until(SHOWN)
    assert "Every counter can sell." in await page.value(text_of("#overview"))
    assert await page.value("document.querySelector('#situation').offsetParent === null")
    await shop.two.set_fault("paper_end", True)
    await page.until(f"{text_of('.hub-card:first-child')}.includes('till-2')")  # the worst comes first
    words = await page.value(text_of("#overview"))
    assert "1 of 2 counters can't sell." in words and "out of paper" in words and "Ready" in words
    await page.click("#language-zh")
    await page.until(f"{text_of('#overview')}.includes('2 个收银台中有 1 个无法收银')")
    assert page.problems == []


async def test_a_hub_is_chosen_and_only_its_own_resources_are_used(shop: Shop) -> None:
    page = shop.page
    await page.look(width=390, height=800)
    await page.open(f"{shop.url}/")
    await page.until(SHOWN)
    assert await page.value(NO_SIDEWAYS)
    await page.click(".hub-card[href='?hub=till-2']")
    await page.until(LIVE)
    assert await page.value(NO_SIDEWAYS)
    assert "till-2" in await page.value(text_of("#all-hubs"))
    await page.click("#shelf button:first-child")
    await page.until(f"{text_of('#scan-list')}.includes('2000000141015')")
    assert await shop.one.newest(limit=9) == [] and len(await shop.two.newest(limit=9)) == 1
    await page.click("#all-hubs")
    await page.until(SHOWN)
    assert page.problems == []


@pytest.mark.parametrize("name", ["till-3", "%3Cimg%20src=x%20onerror=alert(1)%3E"])
async def test_a_name_that_no_hub_has_leads_to_the_overview(shop: Shop, name: str) -> None:
    page = shop.page
    await page.open(f"{shop.url}/?hub={name}")
    await page.until(SHOWN)
    assert "There is no hub" in await page.value(text_of("#overview"))
    assert await page.value("document.querySelectorAll('#overview img').length") == 0
    assert page.problems == []
