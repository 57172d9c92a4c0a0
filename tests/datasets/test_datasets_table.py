"""Datasets that stand on their cards: the rows as written, and exclusive or as it is."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards, datasets
from snnlab.errors import InputError

CLASSES = ["no", "yes", "perhaps"]
HEAD = f"""
kind = "dataset"
name = "Toy table"
summary = "What it is."
reference = "Somebody, 1969"
licence = "CC0"
format = "table"
classes = {CLASSES}
"""


def written(path: Path, shape: list[int], parts: dict[str, list[list[int | str]]]) -> Path:
    """A card with these rows."""
    splits = [f"[splits.{name}]\nsamples = {len(rows)}\nrows = {rows}\n" for name, rows in parts.items()]
    path.write_text(f"{HEAD}shape = {shape}\n{''.join(splits)}", encoding="utf-8")
    return path


def test_exclusive_or_is_true_where_the_bits_differ_and_has_every_case_once() -> None:
    for split in ("train", "test"):
        samples = datasets.load("xor", split)
        cases = {
            (int(a), int(b)): samples.classes[label]
            for (a, b), label in zip(samples.values, samples.labels, strict=True)
        }
        assert cases == {(a, b): str(a != b).lower() for a in (0, 1) for b in (0, 1)}
        assert len(samples) == 4 and samples.peak == 1 and samples.values.dtype == np.uint8


def test_no_line_through_the_cases_tells_one_class_from_the_other() -> None:
    """Minsky and Papert 1969: no threshold unit computes it. Of and, on the same cases, a line does."""
    samples = datasets.load("xor", "train")
    turns = np.linspace(0, 2 * math.pi, 721)
    heights = np.stack([np.cos(turns), np.sin(turns)]).T @ samples.values.T.astype(float)
    conjunction = samples.values.all(axis=1)

    def parted(answers: np.ndarray) -> bool:
        return bool((heights[:, answers].min(axis=1) > heights[:, ~answers].max(axis=1) + 1e-9).any())

    assert not parted(samples.labels == 1)
    assert parted(conjunction)


def test_one_pattern_is_a_single_sample_of_the_first_of_two_classes() -> None:
    train, test = datasets.load("one", "train"), datasets.load("one", "test")
    assert [len(train), len(test)] == [1, 1] and np.array_equal(train.values, test.values)
    assert train.classes[train.labels[0]] == "pattern" and train.shape == (1,)


def test_bars_are_all_lines_of_three_pixels_each_once_and_named_by_their_direction() -> None:
    """Of the 84 triples of pixels, those on a straight line, by the area of the triangle that they span."""
    pixels = list(itertools.product(range(3), repeat=2))
    lines = {
        (p, q, r)
        for p, q, r in itertools.combinations(pixels, 3)
        if (q[0] - p[0]) * (r[1] - p[1]) == (q[1] - p[1]) * (r[0] - p[0])
    }
    assert len(lines) == 8
    for split in ("train", "test"):
        samples = datasets.load("bars", split)
        assert len(samples) == 8 and set(samples.values.ravel().tolist()) == {0, 1} and samples.shape == (3, 3)
        bars = {}
        for values, label in zip(samples.values.reshape(-1, 3, 3), samples.labels, strict=True):
            bars[tuple((int(row), int(column)) for row, column in np.argwhere(values))] = samples.classes[label]
        assert set(bars) == lines
        for bar, said in bars.items():
            rows, columns = (len(set(where)) for where in zip(*bar, strict=True))
            assert said == {(1, 3): "horizontal", (3, 1): "vertical", (3, 3): "diagonal"}[rows, columns]


@settings(max_examples=60)
@given(data=st.data(), shape=st.sampled_from([[1], [3], [2, 3], [2, 2, 1]]))
def test_samples_are_the_rows_of_the_card(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, shape: list[int]
) -> None:
    width = math.prod(shape)
    row = st.tuples(st.lists(st.integers(0, 255), min_size=width, max_size=width), st.sampled_from(CLASSES))
    drawn = {name: data.draw(st.lists(row, min_size=1, max_size=5), label=name) for name in ("train", "test")}
    parts: dict[str, list[list[int | str]]] = {
        name: [[*numbers, label] for numbers, label in rows] for name, rows in drawn.items()
    }
    card = written(tmp_path_factory.mktemp("table") / "mine.toml", shape, parts)
    largest = max(number for rows in drawn.values() for numbers, _ in rows for number in numbers)
    for name, rows in drawn.items():
        samples = datasets.load(card, name)
        assert samples.values.tolist() == [numbers for numbers, _ in rows]
        assert [samples.classes[label] for label in samples.labels] == [label for _, label in rows]
        assert samples.numbers.tolist() == list(range(len(rows)))
        # one scale for all parts; black is black where nothing is brighter
        assert (samples.shape, samples.peak, samples.split) == (tuple(shape), max(1, largest), name)


def test_another_number_is_another_dataset(tmp_path: Path) -> None:
    """Negative control: the digest of a card, by which runs know their data, is of its rows too."""
    one, other = (written(tmp_path / f"{number}.toml", [2], {"train": [[0, number, "yes"]]}) for number in (1, 2))
    assert cards.dataset(one).digest != cards.dataset(other).digest
    assert datasets.load(one, "train").fingerprint() != datasets.load(other, "train").fingerprint()


def test_there_is_nothing_to_look_for_to_verify_or_to_fetch(tmp_path: Path) -> None:
    for card in ("xor", "one", written(tmp_path / "mine.toml", [1], {"train": [[3, "no"]]})):
        assert datasets.where(card) == datasets.verify(card) == datasets.fetch(card, folder=tmp_path / "data") == ()
    assert not (tmp_path / "data").exists()


def test_samples_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        datasets.load("xor", "train").values[0, 0] = 1


def test_what_is_wrong_is_refused_by_card_and_part(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="xor.toml: splits: no part 'tset'; did you mean 'test'"):
        datasets.load("xor", "tset")
    card = written(tmp_path / "mine.toml", [2], {"train": [[0, 1, "yes"]], "test": [[0, "yes"]]})
    with pytest.raises(InputError, match=r"mine.toml: splits.test: rows: found \[0, 'yes'\]; needs 2 whole numbers"):
        datasets.load(card, "train")
