"""Downloads come whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from toy_dataset import IMAGES, LABELS, Toy, packed

from snnlab import loaders
from snnlab.errors import Refused


class Mirror(BaseHTTPRequestHandler):
    """A web server that serves the toy's files well below /good and badly elsewhere."""

    toy: Toy

    def do_GET(self) -> None:
        _, how, name = self.path.split("/")
        body = packed(self.toy.contents[name.removesuffix(".gz")])
        if how == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write({"good": body, "wrong": b"?" * len(body), "cut": body[: len(body) // 2]}[how])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(toy: Toy) -> Iterator[Callable[..., None]]:
    """Puts mirrors that behave in these ways on the card of a dataset that is not there yet."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ToyMirror", (Mirror,), {"toy": toy}))
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def use(*how: str) -> None:
        for file in toy.contents:
            (toy.place / file).unlink()
        toy.mirrors = [f"http://127.0.0.1:{server.server_port}/{way}/" for way in how]
        toy.write_card()

    yield use
    server.shutdown()
    server.server_close()
    thread.join()


def names(toy: Toy) -> list[str]:
    return sorted(path.name for path in toy.data.rglob("*") if path.is_file())


@pytest.mark.parametrize("first", ["missing", "wrong", "cut"])
def test_where_one_mirror_fails_the_next_one_serves(toy: Toy, mirror: Callable[..., None], first: str) -> None:
    mirror(first, "good")
    paths = loaders.fetch(toy.card, folder=toy.data)
    assert paths == (toy.place / "pictures-idx3.gz", toy.place / "answers-idx1.gz")
    assert names(toy) == ["answers-idx1.gz", "pictures-idx3.gz"]
    assert np.array_equal(toy.load().labels, LABELS)


@pytest.mark.parametrize("how", ["missing", "wrong", "cut"])
def test_a_failed_download_is_refused_and_leaves_nothing(toy: Toy, mirror: Callable[..., None], how: str) -> None:
    mirror(how)
    with pytest.raises(Refused, match=rf"^toy: pictures-idx3.gz: http://127.0.0.1:\d+/{how}/pictures-idx3.gz: "):
        loaders.fetch(toy.card, folder=toy.data)
    assert names(toy) == []


def test_what_is_there_already_is_not_downloaded(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    toy.put("pictures-idx3")
    assert loaders.fetch(toy.card, folder=toy.data) == (toy.place / "answers-idx1.gz",)
    assert loaders.fetch(toy.card, folder=toy.data) == ()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_download_mends_a_spoilt_file(toy: Toy, mirror: Callable[..., None], suffix: str) -> None:
    mirror("good")
    toy.put("pictures-idx3", b"spoilt", suffix)
    with pytest.raises(Refused):
        toy.load()
    loaders.fetch(toy.card, folder=toy.data)
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_a_download_goes_to_the_users_data_folder_unless_told(
    toy: Toy, mirror: Callable[..., None], tmp_path: Path
) -> None:
    mirror("good")
    assert loaders.fetch(toy.card)[0] == tmp_path / "own data" / "toy" / "raw" / "pictures-idx3.gz"
    assert len(loaders.load(toy.card, "all")) == 5


def test_a_folder_that_cannot_be_made_is_refused(toy: Toy, mirror: Callable[..., None], tmp_path: Path) -> None:
    mirror("good")
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(Refused, match="taken.*name a folder that can be written to"):
        loaders.fetch(toy.card, folder=tmp_path / "taken")


def test_loading_never_downloads(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    with pytest.raises(Refused, match="not found"):
        toy.load()
    assert names(toy) == []


def test_the_digits_ship_with_a_package_and_have_no_files() -> None:
    assert (loaders.where("digits"), loaders.verify("digits"), loaders.fetch("digits")) == ((), (), ())
