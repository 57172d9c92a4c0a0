"""N-MNIST's recordings are read as their bytes say, found where they lie, and refused by name where they are spoilt."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_recordings import Event, Recordings, as_bytes, events_of, from_bytes, some_events
from tonic import io

from snnlab import datasets
from snnlab.data.samples import EVENT, Files
from snnlab.datasets.formats.nmnist import decode, decoded
from snnlab.errors import InputError


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recordings:
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    return Recordings(tmp_path / "data")


# Bytes -----------------------------------------------------------------------------------------------------------

good = st.lists(
    st.tuples(st.integers(0, 33), st.integers(0, 33), st.integers(0, 1), st.integers(0, 2**23 - 1)),
    min_size=1,
    max_size=40,
).map(lambda events: sorted(events, key=lambda event: event[3]))


@settings(max_examples=100)
@given(events=good)
def test_events_are_what_was_written(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "written.bin"
    path.write_bytes(as_bytes(events))
    found = decode(path)
    assert found.dtype == EVENT
    assert events_of(found) == events


anything = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0, 5, 33, 34, 240]), st.integers(0, 1), st.integers(0, 2**23 - 1)),
    max_size=12,
)


@settings(max_examples=200)
@given(files=st.lists(st.one_of(good, anything), min_size=1, max_size=6), cut=st.integers(0, 4))
def test_many_files_are_decoded_as_each_is_by_itself(
    files: list[list[Event]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Up to the first that is refused, which is refused with the same words."""
    folder = tmp_path_factory.mktemp("many")
    paths = [folder / f"{k}.bin" for k in range(len(files))]
    for path, events in zip(paths, files, strict=True):
        path.write_bytes(as_bytes(events))
    paths[-1].write_bytes(paths[-1].read_bytes()[cut:])
    together = decoded(paths)
    for path in paths:
        try:
            alone = decode(path)
        except InputError as refusal:
            with pytest.raises(InputError, match=f"^{re.escape(str(refusal))}$"):
                next(together)
            return
        found = next(together)
        assert found.dtype == alone.dtype and np.array_equal(found, alone)
    assert next(together, None) is None


def test_without_a_compiler_the_same_events_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(as_bytes(some_events(0)))
    monkeypatch.setattr("snnlab.datasets.formats.nmnist.has_compiler", lambda: False)
    monkeypatch.setattr("snnlab.datasets.formats.nmnist._compiled", None)
    assert [events_of(found) for found in decoded([tmp_path / "a.bin"] * 2)] == [some_events(0)] * 2


def test_a_file_that_goes_away_among_many_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(as_bytes(some_events(0)))
    together = decoded([tmp_path / "a.bin", tmp_path / "b.bin"])
    assert events_of(next(together)) == some_events(0)
    with pytest.raises(InputError, match=r"b\.bin: No such file"):
        next(together)


def test_an_overflown_clock_is_no_event_and_moves_the_later_ones(tmp_path: Path) -> None:
    events = [(1, 2, 1, 5000), (0, 240, 0, 10), (3, 4, 0, 20), (200, 240, 1, 30), (5, 6, 1, 40)]
    (tmp_path / "a.bin").write_bytes(as_bytes(events))
    assert events_of(decode(tmp_path / "a.bin")) == [(1, 2, 1, 5000), (3, 4, 0, 8212), (5, 6, 1, 16424)]


def test_tonic_reads_the_same_events(nmnist: dict[str, Files], tmp_path: Path) -> None:
    """Of real recordings, and of one whose clock overflows."""
    (tmp_path / "a.bin").write_bytes(as_bytes([(1, 2, 1, 5000), (0, 240, 0, 10), (3, 4, 0, 20), (5, 6, 1, 40)]))
    for path in [tmp_path / "a.bin", *nmnist["train"].paths()[::20]]:
        theirs = io.read_mnist_file(str(path), dtype=np.dtype([(name, np.int64) for name in "xytp"]))
        ours = decode(path)
        assert all(np.array_equal(ours[name], theirs[name]) for name in "xytp")


SPOILT = {
    "empty": (b"", "an empty file"),
    "cut short": (as_bytes(some_events(0))[:-2], "298 bytes, and an event has 5; cut short"),
    "off the sensor": (as_bytes([(1, 2, 0, 5), (34, 3, 1, 9)]), "event 1 at column 34, row 3; the sensor has 34"),
    "below the sensor": (as_bytes([(1, 99, 0, 5)]), "event 0 at column 1, row 99"),
    "backwards": (
        as_bytes([(1, 2, 0, 9), (1, 3, 1, 5)]),
        "event 1 at 5 us, and the one before at 9 us; time never runs backwards",
    ),
    "clock alone": (as_bytes([(0, 240, 0, 5)]), "no events"),
    "large": (bytes(6 << 20), "more than 5242880 bytes; is it a recording"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_recording_is_refused_by_name(kind: str, recordings: Recordings) -> None:
    content, line = SPOILT[kind]
    recordings.some(3)
    path = recordings.put(7, "00044.bin", content)
    with pytest.raises(InputError) as refusal:
        list(datasets.events(recordings.load()))
    assert str(refusal.value).startswith(f"{path}: {line}")


def test_a_recording_that_vanishes_is_refused_by_name(recordings: Recordings) -> None:
    recordings.some(2)
    files = recordings.load()
    files.paths()[1].unlink()
    with pytest.raises(InputError, match=r"00004\.bin: No such file"):
        list(datasets.events(files))


def right(content: bytes) -> bool:
    """Whether a file is a recording: the four conditions, one by one."""
    if not content or len(content) % 5:
        return False
    events = from_bytes(content)
    times = [event[3] for event in events]
    return bool(events) and all(x < 34 and y < 34 for x, y, _, _ in events) and times == sorted(times)


BASE = as_bytes(some_events(1, 12))


def mutated(rng: np.random.Generator) -> bytes:
    """A recording with some bytes changed, dropped or added."""
    content = bytearray(BASE)
    for place in rng.integers(0, len(BASE), rng.integers(0, 4)):
        # small values are more often right
        content[place] = int(rng.integers(0, 1 << int(rng.integers(1, 9))))
    if rng.random() < 0.2:
        del content[int(rng.integers(0, len(BASE))) :]
    if rng.random() < 0.2:
        content += rng.bytes(int(rng.integers(1, 7)))
    return bytes(content)


@pytest.mark.slow
def test_a_mutated_recording_is_refused_or_read_as_it_is(tmp_path: Path) -> None:
    """Ten thousand of them, held against the four conditions; both answers come often."""
    rng, path, read = np.random.default_rng(0), tmp_path / "mutated.bin", 0
    for _ in range(10_000):
        content = mutated(rng)
        path.write_bytes(content)
        try:
            found = events_of(decode(path))
        except InputError as refusal:
            assert not right(content), "a good recording was refused"
            assert str(refusal).startswith(f"{path}: ")
            assert "\n" not in str(refusal)
        else:
            assert right(content), "a spoilt recording was read"
            assert found == from_bytes(content)
            read += 1
    assert 1000 < read < 9000


@settings(max_examples=200)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused_or_read_as_they_are(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(content)
    try:
        found = events_of(decode(path))
    except InputError:
        assert not right(content)
    else:
        assert right(content)
        assert found == from_bytes(content)


# Folders ---------------------------------------------------------------------------------------------------------


def test_a_partial_folder_is_read_in_the_order_of_mnist(recordings: Recordings) -> None:
    for digit, number in ((3, 12), (0, 7), (3, 2)):
        recordings.put(digit, f"{number:05}.bin", some_events(number))
    files = recordings.load()
    assert files.names.tolist() == ["3/00002.bin", "0/00007.bin", "3/00012.bin"]
    assert (files.labels.tolist(), files.numbers.tolist()) == ([3, 0, 3], [1, 6, 11])
    assert (files.shape, len(files.classes), files.dataset, files.split) == ((34, 34, 2), 10, "nmnist", "train")
    read = dict(zip(files.numbers.tolist(), datasets.events(files), strict=True))
    assert {number: events_of(events) for number, events in read.items()} == {
        number - 1: some_events(number) for number in (2, 7, 12)
    }


def test_what_a_system_hides_in_folders_is_no_recording(recordings: Recordings) -> None:
    recordings.some(4)
    recordings.put(1, ".DS_Store", b"x")
    recordings.put(".hidden", "00009.bin", b"x")
    assert len(recordings.load()) == 4


@pytest.mark.parametrize(
    ("digit", "name", "line"),
    [
        (1, "README.md", "no recording of N-MNIST; they are named <number>.bin"),
        (1, "1e3.bin", "no recording of N-MNIST"),
        (1, "-7.bin", "no recording of N-MNIST"),
        (1, "00000.bin", "number 0; this part has 1 to 60000"),
        (1, "60001.bin", "number 60001; this part has 1 to 60000"),
        ("10", "00009.bin", "no folder of a digit"),
        ("digits", "00009.bin", "no folder of a digit"),
    ],
)
def test_foreign_files_are_named(digit: int | str, name: str, line: str, recordings: Recordings) -> None:
    recordings.some(2)
    path = recordings.put(digit, name, some_events(5))
    named = path.parent if "folder" in line else path
    with pytest.raises(InputError) as refusal:
        recordings.load()
    assert str(refusal.value).startswith(f"{named}: {line}")


def test_a_recording_under_two_digits_is_named_with_the_other_one(recordings: Recordings) -> None:
    one, other = (recordings.put(digit, "00009.bin", some_events(5)) for digit in (3, 8))
    with pytest.raises(InputError) as refusal:
        recordings.load()
    assert str(one) in str(refusal.value)
    assert str(other) in str(refusal.value)
    other.unlink()
    assert len(recordings.load()) == 1


@pytest.mark.parametrize(
    ("field", "right", "wrong", "said"),
    [
        ("sensor", "[34, 34, 2]", "[240, 180, 2]", r"\[240, 180, 2\]; this format has \[34, 34, 2\]"),
        ("time_unit", '"us"', '"ms"', "'ms'; this format has 'us'"),
    ],
)
def test_a_card_of_another_sensor_or_clock_is_refused(
    field: str, right: str, wrong: str, said: str, recordings: Recordings, tmp_path: Path
) -> None:
    recordings.some(2)
    text = (Path(__file__).parents[2] / "datasets" / "nmnist.toml").read_text(encoding="utf-8")
    for value in (right, wrong):
        (tmp_path / "mine.toml").write_text(text.replace(f"{field} = {right}", f"{field} = {value}"), encoding="utf-8")
        if value == right:
            assert len(datasets.load(tmp_path / "mine.toml", "train", folder=recordings.data)) == 2
            continue
        with pytest.raises(InputError, match=rf"mine\.toml: {field}: found {said}$"):
            datasets.load(tmp_path / "mine.toml", "train", folder=recordings.data)


def test_no_recordings_are_refused(recordings: Recordings) -> None:
    with pytest.raises(InputError, match=r"nmnist: Train: not found in .*set SNNLAB_DATA"):
        recordings.load()
    (recordings.data / "nmnist" / "Train" / "3").mkdir(parents=True)
    with pytest.raises(InputError, match=r"Train: no recordings; needs files Train/<digit>/<number>\.bin"):
        recordings.load()


# The recordings that are there -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nmnist(nmnist_folder: Path) -> dict[str, Files]:
    parts = {split: datasets.load("nmnist", split, folder=nmnist_folder) for split in ("train", "test")}
    return {split: part for split, part in parts.items() if isinstance(part, Files)}


def test_labels_are_those_of_mnist(nmnist: dict[str, Files], mnist_folder: Path) -> None:
    """A recording's number is that of its image, so their labels are the same."""
    for split, files in nmnist.items():
        images = datasets.load("mnist", split, folder=mnist_folder)
        assert np.array_equal(files.labels, images.labels[files.numbers])
        assert not np.array_equal(files.labels, images.labels[files.numbers + 1])


def test_every_recording_ends_with_the_third_saccade(nmnist: dict[str, Files]) -> None:
    """Three saccades of 0.1 s each: by the authors' account, so the last event comes soon after 0.3 s."""
    ends = [events["t"][-1] for events in datasets.events(nmnist["test"])]
    assert 290_000 < min(ends) <= max(ends) < 340_000
