"""The page's files. The list is made once at the start, so that no request path ever becomes a file path."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from host_bridge.interfaces.http.problem import Problem

INDEX = "index.html"
FILE_LIMIT_BYTES = 8 * 1024 * 1024
FILES_LIMIT = 1_000

# Not from the system's table: some tills' registry calls JavaScript text/plain, which a browser then refuses to run.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


def find_files(root: Path) -> dict[str, Path]:
    """Map each URL path below `root` to its file; files of unknown kinds, hidden ones and links out are left away."""
    top = root.resolve()
    found: dict[str, Path] = {}
    for path in sorted(top.rglob("*")):
        relative = path.relative_to(top)
        if path.suffix.lower() not in CONTENT_TYPES or any(part.startswith((".", "_")) for part in relative.parts):
            continue
        if not path.is_file() or not path.resolve().is_relative_to(top):
            continue
        if len(found) >= FILES_LIMIT:
            raise ValueError(f"{root} holds more than {FILES_LIMIT} files: is it the page's folder?")
        found["/" + relative.as_posix()] = path
    return found


def file_handler(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            data = await asyncio.to_thread(_read, path)
        except OSError as error:
            raise Problem("not_found", f"{request.path} can't be read: {error.strerror}.") from error
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Type": CONTENT_TYPES[path.suffix.lower()]}
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=data, headers=headers)

    return serve


def add_routes(router: web.UrlDispatcher, root: Path) -> None:
    """Serve the files, and the index at `/`."""
    for url, path in find_files(root).items():
        router.add_get(url, file_handler(path))
        if url == f"/{INDEX}":
            router.add_get("/", file_handler(path))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(FILE_LIMIT_BYTES + 1)
    if len(data) > FILE_LIMIT_BYTES:
        raise OSError(27, f"larger than {FILE_LIMIT_BYTES} bytes")
    return data
