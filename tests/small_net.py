"""A web server on this machine that behaves as badly as a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread


class Mirror(BaseHTTPRequestHandler):
    """A web server: /<how it behaves>/<file>. It keeps every request's Range in `asked`."""

    content: Callable[[str], bytes]
    asked: list[str]
    over: Event

    def do_GET(self) -> None:
        _, how, name = self.path.split("/")
        body, wanted = type(self).content(name), self.headers.get("Range", "")
        type(self).asked.append(wanted)
        if how == "missing":
            self.send_error(404)
        elif how == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif how in ("ranges", "lies") and wanted:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            said = begin if how == "ranges" else 0
            if begin >= len(body):
                self.send_error(416)
                return
            self.answer(206, body[begin:], len(body) - begin, f"bytes {said}-{len(body) - 1}/{len(body)}")
        elif how == "endless":
            self.answer(200, body * 2, None)
        elif how == "silent":
            self.answer(200, body[:150_000], len(body))
            self.wfile.flush()
            type(self).over.wait(20)
        else:
            spoilt = {"wrong": b"?" * len(body), "cut": body[: len(body) // 2], "empty": b""}
            self.answer(200, spoilt.get(how, body), 0 if how == "empty" else len(body))

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


class Net:
    """A running server of one kind of content."""

    def __init__(self, content: Callable[[str], bytes]) -> None:
        made = {"content": staticmethod(content), "asked": [], "over": Event()}
        self.handler: type[Mirror] = type("OneMirror", (Mirror,), made)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def url(self, how: str, name: str = "") -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{how}/{name}"

    def close(self) -> None:
        self.handler.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def names(folder: Path) -> list[str]:
    """Of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
