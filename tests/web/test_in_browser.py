"""The page in a real browser, over the real HTTP interface with made-up devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from host_bridge.address import Address
from host_bridge.events import LightEvent
from host_bridge.interfaces.http.server import HttpInterface
from host_bridge.journal.records import JobState, ScanState
from host_bridge.state import ScannerState
from tests.web.chromium import Page, chromium_page, find_chromium
from tests.web.stub_bridge import StubBridge

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: the page was not opened in a browser"
)

LIVE = (
    "document.body.dataset.phase === 'live' && !document.querySelector('#break .empty')"
    " && document.querySelector('#scan-list .empty, #scan-list li') !== null"
)
HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202e\x00\x1b[2J" + "A" * 4000


def text_of(selector: str) -> str:
    return f"(document.querySelector({selector!r})?.innerText ?? '')"


class Stage:
    """A bridge, its address, and the page that looks at it."""

    def __init__(self, bridge: StubBridge, page: Page) -> None:
        self.bridge = bridge
        self.page = page
        self.port = 0
        self.interface: HttpInterface | None = None

    async def serve(self) -> None:
        self.interface = HttpInterface({self.bridge.name: self.bridge}, Address("127.0.0.1", self.port))
        await self.interface.start()
        self.port = self.interface.address.port

    async def stop(self) -> None:
        if self.interface is not None:
            await self.interface.stop()
            self.interface = None

    async def open(self, until: str = LIVE, **look: object) -> None:
        await self.page.look(**look)  # type: ignore[arg-type]
        await self.page.open(f"http://127.0.0.1:{self.port}/")
        await self.page.until(until)


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    assert CHROMIUM is not None
    async with chromium_page(CHROMIUM) as page:
        stage = Stage(StubBridge(), page)
        await stage.serve()
        try:
            yield stage
        finally:
            await stage.stop()


async def test_a_product_on_the_shelf_becomes_a_scan(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    await page.click("#shelf button:first-child")
    await page.until(f"{text_of('#scan-list')}.includes('2000000141015')")
    await page.until(f"{text_of('#scan-list')}.includes('Waiting')")
    stage.bridge.settle(1, ScanState.DELIVERED)
    await page.until(f"{text_of('#scan-list')}.includes('Delivered')")
    assert page.problems == []


async def test_a_hostile_scan_is_only_text(stage: Stage) -> None:
    page = stage.page
    stage.bridge.add_scan(HOSTILE, "]C0")
    await stage.open()
    await page.until(f"{text_of('#scan-list')}.includes('onerror')")
    assert await page.value("document.querySelectorAll('#scan-list img').length") == 0
    shown = await page.value(text_of(".scan-data bdi"))
    assert "NUL" in shown and "ESC" in shown and "U+202E" in shown and len(shown) < 200
    await page.click(".scan-data button")
    await page.until(f"{text_of('.scan-data bdi')}.length > 4000")
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert await page.value("document.title") != "owned"
    assert page.problems == []


async def test_a_fault_is_the_biggest_thing_and_says_what_to_do(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    assert "Everything works" in await page.value(text_of("#situation"))
    await page.click("#break button:nth-child(4)")
    await page.until(f"{text_of('#situation')}.includes('out of paper')")
    situation = await page.value(text_of("#situation"))
    assert "What to do now" in situation and "Do this one thing" in situation and "Since" in situation
    assert "out of paper" in await page.value("document.getElementById('announce').textContent")
    sizes = await page.value(
        "[...document.querySelectorAll('h1, h2, h3, p, b')].map((node) =>"
        " [parseFloat(getComputedStyle(node).fontSize), node.closest('#situation') !== null])"
    )
    assert max(sizes)[1] is True
    assert (
        await page.value("document.querySelector('#break button:nth-child(4)').getAttribute('aria-checked')") == "true"
    )
    assert "Out of paper" in await page.value("document.querySelector('#drawing svg').textContent")
    await page.click("#break button:nth-child(4)")
    await page.until(f"{text_of('#situation')}.includes('Everything works')")
    assert page.problems == []


async def test_a_pulled_cable_shows_in_the_drawing_and_makes_devices_unknown(stage: Stage) -> None:
    page = stage.page
    await stage.open(language="zh-CN")
    await page.click("#break button:first-child")
    await page.until("document.querySelector('.wire-link.dead') !== null")
    label = await page.value("document.querySelector('#drawing svg').getAttribute('aria-label')")
    assert "连接: 已断开" in label and "小票打印机: 未知" in label
    assert "端口消失" in await page.value(text_of(".slot-link"))


async def test_jobs_show_their_state_and_can_be_cancelled_while_they_wait(stage: Stage) -> None:
    page = stage.page
    job = stage.bridge.add_job(b"one\n\x1dV\x00", JobState.QUEUED)
    await stage.open()
    await page.until(f"{text_of('#job-list')}.includes('Queued')")
    await page.click("#job-list .job > button.small")
    await page.until(f"{text_of('#job-list')}.includes('Cancelled')")
    await page.until(f"{text_of('#jobs-note')}.includes('{job.job_id[:6]}')")
    stage.bridge.set_job(job.job_id, JobState.UNCONFIRMED, "hub_restarted")
    await page.until(f"{text_of('#job-list')}.includes('Look at the paper')")
    assert "The hub restarted" in await page.value(text_of("#job-list"))


async def test_printing_from_the_page_ends_in_the_tray_and_enlarges(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    await page.click("#print-zh")
    await page.until("document.querySelectorAll('#tray .paper').length === 1")
    assert "青禾便利店".encode("gb18030") in (
        await stage.bridge.job_data((await stage.bridge.jobs(limit=1))[0].job_id) or b""
    )
    await page.click("#print-text")
    await page.type("typed \u4f60\u597d")
    await page.click("#print-form button")
    await page.until("document.querySelectorAll('#tray .paper').length === 2")
    await page.click("#tray .thumbnail")
    await page.until(
        "document.getElementById('viewer').open && document.getElementById('viewer-picture').naturalWidth > 0"
    )
    await page.press("Escape", 27)
    await page.until("!document.getElementById('viewer').open")
    assert page.problems == []


async def test_a_png_is_printed_and_another_file_is_refused_with_words(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    give = (
        "(async () => {{ const data = new DataTransfer(); {make}; const drop = document.getElementById('drop');"
        " drop.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true, cancelable: true }})); }})()"
    )
    await page.value(give.format(make="data.items.add(new File(['hello'], 'a.png', { type: 'image/png' }))"))
    await page.until(f"{text_of('#counter-note')}.includes('not a PNG')")
    canvas = (
        "const canvas = document.createElement('canvas'); canvas.width = 60; canvas.height = 40;"
        "const blob = await new Promise((done) => canvas.toBlob(done));"
        "data.items.add(new File([blob], 'b.png', { type: 'image/png' }))"
    )
    await page.value(give.format(make=canvas))
    await page.until(f"{text_of('#counter-note')}.includes('took it as job')")


async def test_a_refusal_is_shown_in_the_bridges_words(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    await page.click("#break button:nth-child(9)")
    await page.until("document.querySelector('#break button:nth-child(9)').getAttribute('aria-checked') === 'true'")
    await page.click("#shelf button:first-child")
    await page.until(f"{text_of('#counter-note')}.includes('unplugged')")


async def test_the_drawer_opens_and_is_pushed_shut(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    await page.click("#drawer-open")
    await page.until(f"{text_of('#drawer-word')}.includes('Open')")
    assert stage.bridge.kicks == 1
    await page.click("#drawer-close")
    await page.until(f"{text_of('#drawer-word')}.includes('Closed')")


async def test_the_page_as_till_takes_scans_once_and_sells(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    await page.click("#till-take")
    for _ in range(2):
        await page.click("#shelf button:first-child")
    await page.until(f"{text_of('#basket-total')}.includes('25.80')")
    await page.until("document.querySelectorAll('#scan-list .chip-delivered').length === 2")
    await page.click("#till-pay")
    await page.until(f"{text_of('#counter-note')}.includes('Sold')")
    assert stage.bridge.kicks == 1
    job = (await stage.bridge.jobs(limit=1))[0]
    assert b"25.80" in (await stage.bridge.job_data(job.job_id) or b"")
    assert "empty" in await page.value(text_of("#basket"))


async def test_without_being_asked_the_page_takes_no_scan(stage: Stage) -> None:
    page = stage.page
    stage.bridge.add_scan("2000000141015", "]E0")
    await stage.open()
    await page.until(f"{text_of('#scan-list')}.includes('Waiting')")
    assert [scan.state for scan in await stage.bridge.after(0, limit=9)] == [ScanState.WAITING]


async def test_a_waiting_scan_says_how_long_it_waits_still(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    stage.bridge.add_scan("2000000141015", "]E0")
    await page.until(f"/expires in ([1-9]|10) s/.test({text_of('#scan-list')})")
    stage.bridge.settle(1, ScanState.DELIVERED)
    await page.until(f"!{text_of('#scan-list')}.includes('expires')")
    assert page.problems == []


async def test_an_unconfirmed_receipt_is_said_at_the_top_and_does_not_stay_for_ever(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    assert await page.value("document.getElementById('unsure').hidden")
    job = stage.bridge.add_job(b"x", JobState.UNCONFIRMED, reason="hub_restarted")
    await page.until(f"{text_of('#unsure')}.includes('Look at the paper')")
    assert job.job_id[:6] in await page.value(text_of("#unsure"))
    width = "document.querySelector('{}').getBoundingClientRect().width"
    assert await page.value(width.format("#unsure")) == await page.value(width.format("#path")), "as wide as the page"
    later = await page.value(
        "import('./situation.js').then(({ unsureJobs }) => { const job = {state: 'unconfirmed', updated_at: 1000};"
        " return [999, 1001, 2000].map((at) => unsureJobs({ jobs: [job] }, at * 1000).length); })"
    )
    assert later == [1, 1, 0]
    assert page.problems == []


async def test_a_stopped_bridge_is_said_and_found_again(stage: Stage) -> None:
    page = stage.page
    stage.bridge.add_scan("kept", None)
    await stage.open()
    await stage.stop()
    await page.until(f'{text_of("#situation")}.includes("doesn\'t answer")')
    assert "Next try" in await page.value(text_of("#situation")) or "Trying" in await page.value(text_of("#situation"))
    assert "kept" in await page.value(text_of("#scan-list"))
    assert "Not known" in await page.value("document.querySelector('#drawing svg').textContent")
    stage.bridge.add_scan("meanwhile", None)
    await stage.serve()
    await page.until("document.body.dataset.phase === 'live'")
    await page.until(f"{text_of('#scan-list')}.includes('meanwhile')")
    assert "Everything works" in await page.value(text_of("#situation"))


async def test_the_language_is_the_browsers_until_chosen_and_then_remembered(stage: Stage) -> None:
    page = stage.page
    await stage.open(language="zh-CN")
    assert await page.value("document.documentElement.lang") == "zh-CN"
    assert "一切正常" in await page.value(text_of("#situation"))
    await page.click("#language-en")
    await page.until(f"{text_of('#situation')}.includes('Everything works')")
    await page.call("Page.reload")
    await page.until(f"{LIVE} && document.documentElement.lang === 'en'")


async def test_the_lamp_follows_the_virtual_hubs_light(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    fill = "document.querySelector('#drawing .led-bulb').style.fill"
    await page.until(f"{fill} === 'rgb(0, 192, 64)'")
    stage.bridge.publish(LightEvent(colour="#2040ff", at_ms=1))
    await page.until(f"{fill} === 'rgb(32, 64, 255)'")
    stage.bridge.publish(LightEvent(colour="#000000", at_ms=2))
    await page.until(f"{fill} === ''")


async def test_the_lamp_begins_with_the_light_that_shines_already(stage: Stage) -> None:
    stage.bridge.shone = [(0, "#000000"), (700, "#2040ff")]
    await stage.open()
    await stage.page.until("document.querySelector('#drawing .led-bulb').style.fill === 'rgb(32, 64, 255)'")


async def test_with_a_real_hub_there_is_no_counter_to_play_with(stage: Stage) -> None:
    await stage.stop()
    stage.bridge = StubBridge(virtual=False)
    await stage.serve()
    await stage.open()
    assert await stage.page.value("document.getElementById('counter').hidden") is True
    assert stage.page.problems == []


async def test_a_storm_of_events_leaves_the_lists_short(stage: Stage) -> None:
    page = stage.page
    await stage.open()
    for number in range(300):
        stage.bridge.add_scan(f"storm {number}", None)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await page.until(f"{text_of('#scan-list')}.includes('storm 299')")
    assert await page.value("document.querySelectorAll('#scan-list li').length") == 50
    scanner: ScannerState = stage.bridge.state_now.devices.scanner
    await page.until(f"{text_of('.slot-scanner')}.includes('{scanner.scans}')")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1024, 768), (1920, 1080)])
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
async def test_nothing_runs_out_of_the_window(stage: Stage, width: int, height: int, language: str) -> None:
    page = stage.page
    await stage.bridge.set_fault("paper_end", True)
    stage.bridge.add_scan("W" * 300, "]C0")
    stage.bridge.add_job(b"x", JobState.UNCONFIRMED, reason="w" * 200)
    await stage.open(width=width, height=height, language=language, still=True)
    await page.until("document.querySelectorAll('#job-list li').length > 0")
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")


async def test_every_control_has_a_name_and_can_be_reached_by_keyboard(stage: Stage) -> None:
    page = stage.page
    stage.bridge.add_job(b"x", JobState.PRINTED)
    await stage.open()
    nameless = await page.value(
        "[...document.querySelectorAll('button, a, input, select, textarea')].filter((node) =>"
        " !(node.innerText?.trim() || node.getAttribute('aria-label') || node.labels?.length)"
        " || node.tabIndex < 0).map((node) => node.outerHTML.slice(0, 120))"
    )
    assert nameless == []
    await page.press("Tab", 9)
    assert await page.value("document.activeElement.className") == "skip"
    await page.value("document.querySelector('#shelf button').focus()")
    await page.press("Enter", 13)
    await page.until(f"{text_of('#scan-list')}.includes('2000000141015')")
