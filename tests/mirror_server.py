"""A local web server with the faults that a test selects."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread


class Mirror(BaseHTTPRequestHandler):
    """Answers /<behaviour>/<file>; records the Range of every request in `ranges`."""

    content: Callable[[str], bytes]
    ranges: list[str]
    stop: Event

    def do_GET(self) -> None:
        _, behaviour, name = self.path.split("/")
        body, requested = type(self).content(name), self.headers.get("Range", "")
        type(self).ranges.append(requested)
        if behaviour == "missing":
            self.send_error(404)
        elif behaviour == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif behaviour in ("ranges", "lies") and requested:
            begin = int(requested.removeprefix("bytes=").removesuffix("-"))
            claimed = begin if behaviour == "ranges" else 0
            if begin >= len(body):
                self.send_error(416)
                return
            self.answer(206, body[begin:], len(body) - begin, f"bytes {claimed}-{len(body) - 1}/{len(body)}")
        elif behaviour == "endless":
            self.answer(200, body * 2, None)
        elif behaviour == "silent":
            self.answer(200, body[:150_000], len(body))
            self.wfile.flush()
            type(self).stop.wait(20)
        else:
            corrupt = {"wrong": b"?" * len(body), "cut": body[: len(body) // 2], "empty": b""}
            self.answer(200, corrupt.get(behaviour, body), 0 if behaviour == "empty" else len(body))

    def answer(self, status: int, body: bytes, length: int | None, content_range: str = "") -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class MirrorServer:
    """A running server of some content."""

    def __init__(self, content: Callable[[str], bytes]) -> None:
        members = {"content": staticmethod(content), "ranges": [], "stop": Event()}
        self.handler: type[Mirror] = type("OneMirror", (Mirror,), members)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def url(self, behaviour: str, name: str = "") -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{behaviour}/{name}"

    def close(self) -> None:
        self.handler.stop.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def file_names(folder: Path) -> list[str]:
    """The names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
