"""Datasets in a table on their card."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards, datasets

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


def test_xor_has_every_case_once_and_is_true_for_different_bits() -> None:
    for split in ("train", "test"):
        samples = datasets.load("xor", split)
        cases = {
            (int(a), int(b)): samples.classes[label]
            for (a, b), label in zip(samples.values, samples.labels, strict=True)
        }
        assert cases == {(a, b): str(a != b).lower() for a in (0, 1) for b in (0, 1)}
        assert len(samples) == 4 and samples.peak == 1 and samples.values.dtype == np.uint8


def test_xor_is_not_linearly_separable() -> None:
    """Minsky and Papert 1969. Negative control: `and` is separable."""
    samples = datasets.load("xor", "train")
    angles = np.linspace(0, 2 * math.pi, 721)
    projections = np.stack([np.cos(angles), np.sin(angles)]).T @ samples.values.T.astype(float)
    conjunction = samples.values.all(axis=1)

    def is_separable(positive: np.ndarray) -> bool:
        return bool((projections[:, positive].min(axis=1) > projections[:, ~positive].max(axis=1) + 1e-9).any())

    assert not is_separable(samples.labels == 1)
    assert is_separable(conjunction)


def test_the_dataset_one_is_a_single_sample_of_the_first_of_two_classes() -> None:
    train, test = datasets.load("one", "train"), datasets.load("one", "test")
    assert [len(train), len(test)] == [1, 1] and np.array_equal(train.values, test.values)
    assert train.classes[train.labels[0]] == "pattern" and train.shape == (1,)


def test_bars_are_all_lines_of_three_pixels_with_the_class_of_their_direction() -> None:
    """Lines are the triples of pixels that span a triangle of area 0."""
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
        for bar, name in bars.items():
            rows, columns = (len(set(axis)) for axis in zip(*bar, strict=True))
            assert name == {(1, 3): "horizontal", (3, 1): "vertical", (3, 3): "diagonal"}[rows, columns]


@settings(max_examples=examples(60))
@given(data=st.data(), shape=st.sampled_from([[1], [3], [2, 3], [2, 2, 1]]))
def test_samples_equal_the_rows_on_the_card(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, shape: list[int]
) -> None:
    width = math.prod(shape)
    row = st.tuples(st.lists(st.integers(0, 255), min_size=width, max_size=width), st.sampled_from(CLASSES))
    tables = {name: data.draw(st.lists(row, min_size=1, max_size=5), label=name) for name in ("train", "test")}
    parts: dict[str, list[list[int | str]]] = {
        name: [[*numbers, label] for numbers, label in rows] for name, rows in tables.items()
    }
    card = written(tmp_path_factory.mktemp("table") / "mine.toml", shape, parts)
    largest = max(number for rows in tables.values() for numbers, _ in rows for number in numbers)
    for name, rows in tables.items():
        samples = datasets.load(card, name)
        assert samples.values.tolist() == [numbers for numbers, _ in rows]
        assert [samples.classes[label] for label in samples.labels] == [label for _, label in rows]
        assert samples.numbers.tolist() == list(range(len(rows)))
        # the parts share one scale
        assert (samples.shape, samples.peak, samples.split) == (tuple(shape), max(1, largest), name)


def test_the_digest_of_a_card_depends_on_its_rows(tmp_path: Path) -> None:
    """Runs identify their data by this digest."""
    first, second = (written(tmp_path / f"{number}.toml", [2], {"train": [[0, number, "yes"]]}) for number in (1, 2))
    assert cards.dataset(first).digest != cards.dataset(second).digest
    assert datasets.load(first, "train").fingerprint() != datasets.load(second, "train").fingerprint()


def test_tables_have_no_files(tmp_path: Path) -> None:
    for card in ("xor", "one", written(tmp_path / "mine.toml", [1], {"train": [[3, "no"]]})):
        assert datasets.locate(card) == datasets.verify(card) == datasets.fetch(card, folder=tmp_path / "data") == ()
    assert not (tmp_path / "data").exists()


def test_samples_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        datasets.load("xor", "train").values[0, 0] = 1


def test_invalid_parts_and_rows_raise_an_error(tmp_path: Path) -> None:
    with raises_input_error("xor.toml: splits", "tset", "test"):
        datasets.load("xor", "tset")
    card = written(tmp_path / "mine.toml", [2], {"train": [[0, 1, "yes"]], "test": [[0, "yes"]]})
    with raises_input_error("mine.toml: splits.test: rows", "[0, 'yes']"):
        datasets.load(card, "train")
