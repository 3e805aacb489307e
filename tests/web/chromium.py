"""A headless Chromium, driven through its DevTools protocol: enough to open a page, click, and read it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
START_DEADLINE_S = 60.0  # a shared machine with two cores starts a browser slowly
ANSWER_DEADLINE_S = 30.0
WAIT_DEADLINE_S = 20.0
POLL_S = 0.05
PROBLEM_LIMIT = 100
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """One tab. `problems` collects console errors, uncaught exceptions and policy violations."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.problems: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def start(self) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
        message = await asyncio.wait_for(answer, ANSWER_DEADLINE_S)
        if "error" in message:
            raise AssertionError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    async def look(
        self,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        language: str = "en-GB",
        still: bool = False,
    ) -> None:
        """Set the window, the reader's colours, language and motion; before `open`."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)
        version = await self.call("Browser.getVersion")
        await self.call("Emulation.setUserAgentOverride", userAgent=version["userAgent"], acceptLanguage=language)

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until the expression is true in the page."""
        found = None
        try:
            async with asyncio.timeout(WAIT_DEADLINE_S):
                while True:
                    with contextlib.suppress(AssertionError):  # the page is still being built
                        found = await self.value(expression)
                    if found:
                        return found
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            text = await self.value("document.body.innerText.slice(0, 1500)")
            raise AssertionError(f"never true: {expression}\nproblems: {self.problems}\npage: {text}") from None

    async def click(self, selector: str) -> None:
        """Click in the middle of the element with a real mouse event."""
        place = await self.value(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)});"
            " node.scrollIntoView({block: 'center'});"
            " const box = node.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    async def picture(self, *, whole: bool = True) -> bytes:
        """The page as PNG."""
        clip: dict[str, Any] = {}
        if whole:
            size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
            clip = {
                "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1},
                "captureBeyondViewport": True,
            }
        answer = await self.call("Page.captureScreenshot", format="png", **clip)
        return base64.b64decode(answer["data"])

    async def close(self) -> None:
        self._reader.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                self._answers.pop(content["id"]).set_result(content)
            else:
                self._note(content["method"], content["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if len(self.problems) >= PROBLEM_LIMIT:
            return
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"].get("exception", {}).get("description")))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(part.get("value")) for part in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


@contextlib.asynccontextmanager
async def chromium_page(path: str) -> AsyncIterator[Page]:
    """Start Chromium with a profile of its own, give its page, and end it."""
    with tempfile.TemporaryDirectory(prefix="counterhub-chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            path,
            *OPTIONS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = await asyncio.wait_for(_port(process, Path(profile)), START_DEADLINE_S)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    target = next(one for one in await response.json() if one["type"] == "page")
                socket = await session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=64 * 1024 * 1024)
                page = Page(socket)
                try:
                    await page.start()
                    yield page
                finally:
                    await page.close()
        finally:
            await _end(process)


async def _port(process: asyncio.subprocess.Process, profile: Path) -> int:
    """Chromium writes its port into the profile."""
    note = profile / "DevToolsActivePort"
    while process.returncode is None:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            return int(note.read_text(encoding="ascii").split("\n")[0])
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"Chromium ended with {process.returncode} before it was ready")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it with its helpers; they share a process group of their own."""
    import os

    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
            return
