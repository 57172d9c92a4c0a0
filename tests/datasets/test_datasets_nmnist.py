"""Recordings of N-MNIST are decoded by the format, found in their folders, and raise an error if corrupt."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from small_recordings import Event, Recordings, as_bytes, events_of, from_bytes, some_events
from tonic import io

from snnlab import datasets
from snnlab.data.samples import EVENT, Files
from snnlab.datasets.formats.nmnist import decode, decode_all
from snnlab.errors import InputError


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recordings:
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    return Recordings(tmp_path / "data")


# Decoding --------------------------------------------------------------------------------------------------------

valid_events = st.lists(
    st.tuples(st.integers(0, 33), st.integers(0, 33), st.integers(0, 1), st.integers(0, 2**23 - 1)),
    min_size=1,
    max_size=40,
).map(lambda events: sorted(events, key=lambda event: event[3]))


@settings(max_examples=examples(100))
@given(events=valid_events)
def test_decoded_events_equal_the_written_ones(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "written.bin"
    path.write_bytes(as_bytes(events))
    decoded = decode(path)
    assert decoded.dtype == EVENT
    assert events_of(decoded) == events


any_events = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0, 5, 33, 34, 240]), st.integers(0, 1), st.integers(0, 2**23 - 1)),
    max_size=12,
)


@settings(max_examples=examples(200))
@given(files=st.lists(st.one_of(valid_events, any_events), min_size=1, max_size=6), cut=st.integers(0, 4))
def test_files_are_decoded_together_as_one_by_one(
    files: list[list[Event]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Up to the first invalid file, which raises the same error."""
    folder = tmp_path_factory.mktemp("many")
    paths = [folder / f"{k}.bin" for k in range(len(files))]
    for path, events in zip(paths, files, strict=True):
        path.write_bytes(as_bytes(events))
    paths[-1].write_bytes(paths[-1].read_bytes()[cut:])
    together = decode_all(paths)
    for path in paths:
        try:
            alone = decode(path)
        except InputError as error:
            with pytest.raises(InputError, match=f"^{re.escape(str(error))}$"):
                next(together)
            return
        decoded = next(together)
        assert decoded.dtype == alone.dtype and np.array_equal(decoded, alone)
    assert next(together, None) is None


def test_events_are_the_same_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(as_bytes(some_events(0)))
    monkeypatch.setattr("snnlab.datasets.formats.nmnist.has_compiler", lambda: False)
    monkeypatch.setattr("snnlab.datasets.formats.nmnist._compiled", None)
    assert [events_of(decoded) for decoded in decode_all([tmp_path / "a.bin"] * 2)] == [some_events(0)] * 2


def test_a_missing_file_among_several_raises_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(as_bytes(some_events(0)))
    together = decode_all([tmp_path / "a.bin", tmp_path / "b.bin"])
    assert events_of(next(together)) == some_events(0)
    with raises_input_error(tmp_path / "b.bin", "No such file"):
        next(together)


def test_a_clock_overflow_is_not_an_event_and_shifts_later_times(tmp_path: Path) -> None:
    events = [(1, 2, 1, 5000), (0, 240, 0, 10), (3, 4, 0, 20), (200, 240, 1, 30), (5, 6, 1, 40)]
    (tmp_path / "a.bin").write_bytes(as_bytes(events))
    assert events_of(decode(tmp_path / "a.bin")) == [(1, 2, 1, 5000), (3, 4, 0, 8212), (5, 6, 1, 16424)]


def test_tonic_reads_the_same_events(nmnist: dict[str, Files], tmp_path: Path) -> None:
    """For published recordings, and for one with a clock overflow."""
    (tmp_path / "a.bin").write_bytes(as_bytes([(1, 2, 1, 5000), (0, 240, 0, 10), (3, 4, 0, 20), (5, 6, 1, 40)]))
    for path in [tmp_path / "a.bin", *nmnist["train"].paths()[::20]]:
        theirs = io.read_mnist_file(str(path), dtype=np.dtype([(name, np.int64) for name in "xytp"]))
        ours = decode(path)
        assert all(np.array_equal(ours[name], theirs[name]) for name in "xytp")


CORRUPT = {
    "empty": (b"", ["empty"]),
    "cut short": (as_bytes(some_events(0))[:-2], ["298 bytes", 5]),
    "off the sensor": (as_bytes([(1, 2, 0, 5), (34, 3, 1, 9)]), ["event 1", "column 34", "row 3"]),
    "below the sensor": (as_bytes([(1, 99, 0, 5)]), ["event 0", "column 1", "row 99"]),
    "backwards": (
        as_bytes([(1, 2, 0, 9), (1, 3, 1, 5)]),
        ["event 1", "5 us", "9 us"],
    ),
    "clock alone": (as_bytes([(0, 240, 0, 5)]), ["no events"]),
    "large": (bytes(6 << 20), [5242880]),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_recording_raises_an_error(kind: str, recordings: Recordings) -> None:
    content, values = CORRUPT[kind]
    recordings.some(3)
    path = recordings.put(7, "00044.bin", content)
    with raises_input_error(path, *values):
        list(datasets.read_events(recordings.load()))


def test_a_deleted_recording_raises_an_error(recordings: Recordings) -> None:
    recordings.some(2)
    files = recordings.load()
    files.paths()[1].unlink()
    with raises_input_error("00004.bin", "No such file"):
        list(datasets.read_events(files))


def is_valid(content: bytes) -> bool:
    """Whether a file is a recording, by the four conditions."""
    if not content or len(content) % 5:
        return False
    events = from_bytes(content)
    times = [event[3] for event in events]
    return bool(events) and all(x < 34 and y < 34 for x, y, _, _ in events) and times == sorted(times)


BASE = as_bytes(some_events(1, 12))


def mutated(rng: np.random.Generator) -> bytes:
    """A recording with some bytes changed, removed or added."""
    content = bytearray(BASE)
    for position in rng.integers(0, len(BASE), rng.integers(0, 4)):
        # small values are more often valid
        content[position] = int(rng.integers(0, 1 << int(rng.integers(1, 9))))
    if rng.random() < 0.2:
        del content[int(rng.integers(0, len(BASE))) :]
    if rng.random() < 0.2:
        content += rng.bytes(int(rng.integers(1, 7)))
    return bytes(content)


@pytest.mark.slow
def test_a_mutated_recording_is_decoded_or_raises_an_error(tmp_path: Path) -> None:
    """Ten thousand mutations, compared with the four conditions; both outcomes are frequent."""
    rng, path, count = np.random.default_rng(0), tmp_path / "mutated.bin", 0
    for _ in range(10_000):
        content = mutated(rng)
        path.write_bytes(content)
        try:
            events = events_of(decode(path))
        except InputError as error:
            assert not is_valid(content), "a valid recording raised an error"
            assert error.field == str(path)
            assert "\n" not in str(error)
        else:
            assert is_valid(content), "a corrupt recording was decoded"
            assert events == from_bytes(content)
            count += 1
    assert 1000 < count < 9000


@settings(max_examples=examples(200))
@given(content=st.binary(max_size=60))
def test_any_bytes_are_decoded_or_raise_an_error(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(content)
    try:
        events = events_of(decode(path))
    except InputError:
        assert not is_valid(content)
    else:
        assert is_valid(content)
        assert events == from_bytes(content)


# Folders ---------------------------------------------------------------------------------------------------------


def test_partial_recordings_are_in_the_order_of_mnist(recordings: Recordings) -> None:
    for digit, number in ((3, 12), (0, 7), (3, 2)):
        recordings.put(digit, f"{number:05}.bin", some_events(number))
    files = recordings.load()
    assert files.names.tolist() == ["3/00002.bin", "0/00007.bin", "3/00012.bin"]
    assert (files.labels.tolist(), files.numbers.tolist()) == ([3, 0, 3], [1, 6, 11])
    assert (files.shape, len(files.classes), files.dataset, files.split) == ((34, 34, 2), 10, "nmnist", "train")
    events_by_number = dict(zip(files.numbers.tolist(), datasets.read_events(files), strict=True))
    assert {number: events_of(events) for number, events in events_by_number.items()} == {
        number - 1: some_events(number) for number in (2, 7, 12)
    }


def test_hidden_files_are_ignored(recordings: Recordings) -> None:
    recordings.some(4)
    recordings.put(1, ".DS_Store", b"x")
    recordings.put(".hidden", "00009.bin", b"x")
    assert len(recordings.load()) == 4


@pytest.mark.parametrize(
    ("digit", "name", "value"),
    [
        (1, "README.md", "<number>.bin"),
        (1, "1e3.bin", "<number>.bin"),
        (1, "-7.bin", "<number>.bin"),
        (1, "00000.bin", "number 0; must be 1 to 60000"),
        (1, "60001.bin", "number 60001; must be 1 to 60000"),
        ("10", "00009.bin", "folder of a digit"),
        ("digits", "00009.bin", "folder of a digit"),
    ],
)
def test_other_files_raise_an_error(digit: int | str, name: str, value: str, recordings: Recordings) -> None:
    recordings.some(2)
    path = recordings.put(digit, name, some_events(5))
    with raises_input_error(path.parent if "folder" in value else path, value):
        recordings.load()


def test_a_number_under_two_digits_raises_an_error_with_both_files(recordings: Recordings) -> None:
    first, second = (recordings.put(digit, "00009.bin", some_events(5)) for digit in (3, 8))
    with raises_input_error(second, first):
        recordings.load()
    second.unlink()
    assert len(recordings.load()) == 1


@pytest.mark.parametrize(
    ("field", "valid", "invalid", "named"),
    [
        ("sensor", "[34, 34, 2]", "[240, 180, 2]", "[240, 180, 2]"),
        ("time_unit", '"us"', '"ms"', "'ms'"),
    ],
)
def test_a_card_with_another_sensor_or_time_unit_raises_an_error(
    field: str, valid: str, invalid: str, named: str, recordings: Recordings, tmp_path: Path
) -> None:
    recordings.some(2)
    text = (Path(__file__).parents[2] / "datasets" / "nmnist.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert len(datasets.load(tmp_path / "mine.toml", "train", folder=recordings.data)) == 2
    (tmp_path / "mine.toml").write_text(text.replace(f"{field} = {valid}", f"{field} = {invalid}"), encoding="utf-8")
    with raises_input_error(f"mine.toml: {field}", named):
        datasets.load(tmp_path / "mine.toml", "train", folder=recordings.data)


def test_missing_recordings_raise_an_error(recordings: Recordings) -> None:
    with raises_input_error("nmnist: Train", "not found", "SNNLAB_DATA"):
        recordings.load()
    (recordings.data / "nmnist" / "Train" / "3").mkdir(parents=True)
    with raises_input_error(recordings.data / "nmnist" / "Train", "Train/<digit>/<number>.bin"):
        recordings.load()


# Published recordings --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nmnist(nmnist_folder: Path) -> dict[str, Files]:
    parts = {split: datasets.load("nmnist", split, folder=nmnist_folder) for split in ("train", "test")}
    return {split: part for split, part in parts.items() if isinstance(part, Files)}


def test_labels_equal_those_of_mnist(nmnist: dict[str, Files], mnist_folder: Path) -> None:
    """A recording has the number of its image."""
    for split, files in nmnist.items():
        images = datasets.load("mnist", split, folder=mnist_folder)
        assert np.array_equal(files.labels, images.labels[files.numbers])
        assert not np.array_equal(files.labels, images.labels[files.numbers + 1])


def test_every_recording_ends_after_the_third_saccade(nmnist: dict[str, Files]) -> None:
    """By the authors, three saccades take 0.1 s each."""
    ends = [events["t"][-1] for events in datasets.read_events(nmnist["test"])]
    assert 290_000 < min(ends) <= max(ends) < 340_000
