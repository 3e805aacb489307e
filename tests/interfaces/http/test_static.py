"""The page's files: right types, revalidated, and nothing else of the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host_bridge.interfaces.http.server import WEB_DIR
from host_bridge.interfaces.http.static import CONTENT_TYPES
from tests.interfaces.http.conftest import Running, Start
from tests.interfaces.http.test_api import problem


@pytest.fixture
def web(tmp_path: Path) -> Path:
    root = tmp_path / "web"
    (root / "parts").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>页</title>", "utf-8")
    (root / "app.js").write_text("export {};")
    (root / "parts" / "a.css").write_text("p{}")
    (root / ".hidden.js").write_text("secret")
    (root / "notes.py").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    return root


async def test_the_page_and_its_files_are_served_with_their_types(start: Start, web: Path) -> None:
    running = await start(web_dir=web)
    for path, content_type in (
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/parts/a.css", "text/css; charset=utf-8"),
    ):
        answer = await running.client.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
        assert answer.headers["Cache-Control"] == "no-cache"
    assert "页" in await (await running.client.get("/")).text()


async def test_an_unchanged_file_is_not_sent_again_and_a_changed_one_is(start: Start, web: Path) -> None:
    running = await start(web_dir=web)
    etag = (await running.client.get("/app.js")).headers["ETag"]
    again = await running.client.get("/app.js", headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status, await again.read()) == (304, b"")
    (web / "app.js").write_text("export const changed = 1;")
    assert (await running.client.get("/app.js", headers={"If-None-Match": etag})).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/parts/../../secret.txt",
        "/parts/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/etc/passwd",
        "/.hidden.js",
        "/notes.py",
        "/parts",
        "/parts/",
        "/app.js/",
        "/app.js%00.png",
        "/link.txt",
    ],
)
async def test_nothing_else_is_served(start: Start, web: Path, path: str) -> None:
    try:
        os.symlink(web.parent / "secret.txt", web / "link.txt")
    except OSError:
        pytest.skip("no symbolic links here")
    running = await start(web_dir=web)
    answer = await running.exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer
    assert b"secret\n" not in answer and not answer.endswith(b"secret")


async def test_a_file_that_vanished_is_a_404(start: Start, web: Path) -> None:
    running = await start(web_dir=web)
    (web / "app.js").unlink()
    await problem(await running.client.get("/app.js"), 404, "not_found")


async def test_without_a_page_the_root_is_a_404(server: Running) -> None:
    await problem(await server.client.get("/"), 404, "not_found")


async def test_the_real_page_is_served_whole(start: Start) -> None:
    running = await start(web_dir=WEB_DIR)
    assert (await running.client.get("/")).status == 200
    for path in WEB_DIR.rglob("*"):
        if path.is_file() and path.suffix in CONTENT_TYPES:
            answer = await running.client.get("/" + path.relative_to(WEB_DIR).as_posix())
            assert await answer.read() == path.read_bytes()
