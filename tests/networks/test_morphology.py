"""SWC files: the tree that is read, and errors by line and field."""

from __future__ import annotations

import os
from pathlib import Path

import brian2
import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.brian.multicompartment.discretization import discretize
from snnlab.errors import InputError
from snnlab.networks.morphology import Morphology, parse_swc, read_swc

FORK = """# a fork
1 1 0 0 0 10 -1
2 3 60 0 0 2 1

3 3 90 40 0 1 2
4 4 90 -30 0 1.5 2
"""


def parsed(text: str) -> Morphology:
    return parse_swc(text.encode(), "cell.swc")


def test_points_have_the_coordinates_and_parents_of_the_file() -> None:
    found = parsed(FORK)
    assert found.ids.tolist() == [1, 2, 3, 4]
    assert found.types.tolist() == [1, 3, 3, 4]
    assert found.parents.tolist() == [-1, 0, 1, 1]
    np.testing.assert_allclose(found.points[2], [90e-6, 40e-6, 0])
    np.testing.assert_allclose(found.radii, [10e-6, 2e-6, 1e-6, 1.5e-6])
    np.testing.assert_allclose(found.distances, [0, 60e-6, 110e-6, 60e-6 + np.hypot(30e-6, 30e-6)])


@pytest.mark.parametrize(("place", "number"), [("soma", 0), ("root", 0), ("farthest", 2), (4, 3), ("3", 2)])
def test_points_are_named_by_id_or_as_soma_root_or_farthest(place: str | int, number: int) -> None:
    assert parsed(FORK).point(place, "record") == number


def test_a_parent_may_come_after_its_child() -> None:
    lines = [line for line in FORK.splitlines() if line and line[0] != "#"]
    found, reversed_ = parsed(FORK), parsed("\n".join(lines[::-1]))
    assert as_tree(reversed_) == as_tree(found)
    assert (reversed_.parents < np.arange(4)).all()


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\r"), (" ", "\t"), (" ", "   "), ("# a fork", "# caf\xe9")])
def test_line_ends_blanks_and_comments_do_not_matter(change: tuple[str, str]) -> None:
    raw = FORK.replace(*change).encode("latin-1")
    assert as_tree(parse_swc(raw, "cell.swc")) == as_tree(parsed(FORK))
    assert as_tree(parse_swc(b"\xef\xbb\xbf" + FORK.encode(), "cell.swc")) == as_tree(parsed(FORK))


def as_tree(morphology: Morphology, names: dict[int, int] | None = None) -> dict[int, tuple[object, ...]]:
    """Id -> type, parent id, coordinates and radius; ids renamed by `names`."""
    name = (lambda one: one) if names is None else (lambda one: names[one])
    ids = [name(int(one)) for one in morphology.ids]
    return {
        one: (int(kind), ids[parent] if parent >= 0 else None, tuple(place), radius)
        for one, kind, parent, place, radius in zip(
            ids,
            morphology.types,
            morphology.parents,
            morphology.points.tolist(),
            morphology.radii.tolist(),
            strict=True,
        )
    }


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[int, int, float, float, float, float, int]]:
    """Rows of a tree with the ids 1, 2, ..., each parent before its children."""
    size = draw(st.integers(1, 30))
    near = st.floats(-500, 500, allow_nan=False).map(lambda value: round(value, 3))
    radius = st.floats(0.05, 20).map(lambda value: round(value, 3))
    return [
        (k, draw(st.integers(0, 7)), draw(near), draw(near), draw(near), draw(radius),
         draw(st.integers(1, k - 1)) if k > 1 else -1)
        for k in range(1, size + 1)
    ]  # fmt: skip


def written(rows: list[tuple[int, int, float, float, float, float, int]]) -> Morphology:
    return parsed("\n".join(" ".join(map(str, row)) for row in rows))


@given(trees(), st.randoms(use_true_random=False))
def test_ids_and_the_order_of_lines_do_not_matter(rows, random) -> None:
    fresh = random.sample(range(10_000), len(rows))
    new = dict(zip((row[0] for row in rows), fresh, strict=True))
    renamed = [(new[row[0]], *row[1:-1], new.get(row[-1], -1)) for row in rows]
    random.shuffle(renamed)
    back = {after: before for before, after in new.items()}
    assert as_tree(written(renamed), back) == as_tree(written(rows))


@given(trees(), st.floats(1, 100))
@settings(max_examples=examples(50))
def test_discretisation_preserves_length_and_membrane_of_the_cones(rows, max_length) -> None:
    """Without a soma: sums over the points, by the lateral surface of a truncated cone."""
    rows = [(row[0], 3, *row[2:]) for row in rows]
    tree = written(rows)
    children = tree.parents >= 0
    ends = tree.points[children], tree.points[tree.parents[children]]
    radii = tree.radii[children], tree.radii[tree.parents[children]]
    lengths = np.linalg.norm(ends[0] - ends[1], axis=1)
    if lengths.size == 0 or lengths.min() < 1e-8:
        return
    cable = discretize(tree, max_length * 1e-6)
    assert cable.length == pytest.approx(lengths.sum())
    lateral_area = np.pi * (radii[0] + radii[1]) * np.hypot(radii[0] - radii[1], lengths)
    assert cable.area == pytest.approx(lateral_area.sum())
    assert max(one.lengths.max() for one in cable.sections) <= max_length * 1e-6 * (1 + 1e-6)


@pytest.mark.parametrize(
    "text", [FORK.replace(" 1 0 0 0 10", " 3 0 0 0 3"), "1 3 0 0 0 1 -1\n2 3 50 0 0 2 1\n3 3 50 70 0 1 2"]
)
def test_the_membrane_is_that_of_brian2s_reader_if_the_root_is_a_tip(text: str, tmp_path: Path) -> None:
    (tmp_path / "cell.swc").write_text(text, encoding="utf-8")
    reference = brian2.Morphology.from_swc_file(str(tmp_path / "cell.swc"))
    areas = [np.asarray(reference.area).sum(), *(np.asarray(one.area).sum() for one in descendants(reference))]
    assert discretize(read_swc(tmp_path / "cell.swc"), 1.0).area == pytest.approx(sum(areas))


def descendants(section):
    for child in section.children:
        yield child
        yield from descendants(child)


def test_a_neurite_starts_at_the_surface_of_a_spherical_soma() -> None:
    cable = discretize(parsed("1 1 0 0 0 10 -1\n2 3 60 0 0 2 1\n"), 1.0)
    assert cable.soma_diameter == pytest.approx(20e-6)
    assert cable.length == pytest.approx(50e-6)
    assert cable.area == pytest.approx(np.pi * (20e-6) ** 2 + np.pi * 4e-6 * 50e-6)


def test_a_soma_of_three_points_is_a_sphere() -> None:
    """NeuroMorpho.Org: the root, and two points one radius above and below it."""
    three = "1 1 0 0 0 10 -1\n2 1 0 -10 0 10 1\n3 1 0 10 0 10 1\n4 3 60 0 0 2 1\n"
    cable = discretize(parsed(three), 1.0)
    assert cable.soma_diameter == pytest.approx(20e-6)
    assert cable.locations[1] is cable.locations[0] is cable.locations[2]
    assert cable.length == pytest.approx(50e-6)
    # at other coordinates they are two cones
    assert discretize(parsed(three.replace("-10 0 10 1", "-25 0 10 1")), 1.0).soma_diameter == 0


def test_coincident_points_and_points_within_the_soma_are_merged() -> None:
    text = "1 1 0 0 0 10 -1\n2 3 5 0 0 2 1\n3 3 60 0 0 2 2\n4 3 60 0 0 1 3\n5 3 90 0 0 1 4\n"
    cable = discretize(parsed(text), 1.0)
    assert cable.locations[1] is cable.locations[0] and cable.locations[3] is cable.locations[2]
    assert cable.length == pytest.approx(80e-6)
    assert cable.area == pytest.approx(np.pi * (20e-6) ** 2 + np.pi * 4e-6 * 50e-6 + np.pi * 2e-6 * 30e-6)


ROOT = "1 1 0 0 0 10 -1\n"


INVALID: list[tuple[str, str, tuple[object, ...]]] = [
    ("", "cell.swc", ("no points", "id type x y z radius parent")),
    ("# only words\n", "cell.swc", ("no points",)),
    ("1 1 0 0 0 10\n", "cell.swc: line 1", ("6 columns", "7: id type x y z radius parent")),
    (ROOT + "2 3 9 0 0 1 1 7\n", "cell.swc: line 2", ("8 columns", 7)),
    ("# c\n1 1 0 0 0 0 -1\n", "cell.swc: line 2: radius", ("'0'", "0.001 to 10,000 micrometres")),
    ("1 1 0 0 0 -3 -1\n", "cell.swc: line 1: radius", ("'-3'",)),
    ("1 1 0 0 0 nan -1\n", "cell.swc: line 1: radius", ("'nan'",)),
    ("1 1 0 0 0 1e400 -1\n", "cell.swc: line 1: radius", ("'1e400'",)),
    ("1 1 0 inf 0 1 -1\n", "cell.swc: line 1: y", ("'inf'",)),
    ("1 1 1_0 0 0 1 -1\n", "cell.swc: line 1: x", ("'1_0'",)),
    ("1 1 0 0 1e9 1 -1\n", "cell.swc: line 1: z", ("'1e9'", "-1,000,000 to 1,000,000 micrometres")),
    ("1 1 0 0 0 __import__('os') -1\n", "cell.swc: line 1: radius", ("\"__import__('os')\"",)),
    ("one 1 0 0 0 1 -1\n", "cell.swc: line 1: id", ("'one'", "integer")),
    ("1 1.5 0 0 0 1 -1\n", "cell.swc: line 1: type", ("'1.5'",)),
    ("-1 1 0 0 0 1 -1\n", "cell.swc: line 1: id", ("'-1'",)),
    ("99999999999 1 0 0 0 1 -1\n", "cell.swc: line 1: id", ("'99999999999'",)),
    ("1 1 0 0 0 1 -2\n", "cell.swc: line 1: parent", ("'-2'", "-1")),
    ("9" * 5000 + " 1 0 0 0 1 -1\n", "cell.swc: line 1: id", ("'" + "9" * 32 + " ...'",)),
    ("1 1 0 0 0 " + "1" * 50_000 + "x -1\n", "cell.swc: line 1: radius", ("'" + "1" * 32 + " ...'",)),
    (ROOT + "2 3 9 0 0 1 1\n2 3 9 9 0 1 1\n", "cell.swc: line 3: id", (2, "line 2")),
    (ROOT + "2 3 9 0 0 1 5\n", "cell.swc: line 2: parent", (5,)),
    (ROOT + "2 3 9 0 0 1 -1\n", "cell.swc: parent", ("2 roots: 1 (line 1) and 2 (line 2)",)),
    (ROOT + "2 3 9 0 0 1 2\n", "cell.swc: line 2: parent", ("2 -> 2",)),
    (ROOT + "2 3 9 0 0 1 4\n3 3 9 1 0 1 2\n4 3 9 2 0 1 3\n", "cell.swc: line 2: parent", ("2 -> 4 -> 3 ->",)),
    ("1 3 9 0 0 1 2\n2 3 9 1 0 1 1\n", "cell.swc: line 1: parent", ("1 -> 2 -> 1", "root")),
    ("1 1 0 0 0 1 \u0661\n", "cell.swc: line 1", ("ASCII",)),
]


@pytest.mark.parametrize(("text", "field", "values"), INVALID)
def test_invalid_files_are_refused_by_line_and_field(text: str, field: str, values: tuple[object, ...]) -> None:
    with raises_input_error(field, *values) as caught:
        parsed(text)
    assert caught.value.field == field and "\n" not in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tree_or_an_input_error(raw: bytes) -> None:
    try:
        found = parse_swc(raw, "cell.swc")
    except InputError as error:
        assert str(error).startswith("cell.swc")
    else:
        assert (found.parents < np.arange(len(found))).all()


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    for path, reason in [(tmp_path / "none.swc", "No such file"), (tmp_path, "Is a directory")]:
        with raises_input_error(path, reason):
            read_swc(path)
    os.mkfifo(tmp_path / "pipe.swc")
    with raises_input_error(tmp_path / "pipe.swc", "not a file"):
        read_swc(tmp_path / "pipe.swc")


def test_files_and_cells_that_are_too_large_are_refused() -> None:
    with raises_input_error("cell.swc", "32 MiB"):
        parse_swc(b"#" * (2**25 + 1), "cell.swc")
    rows = b"".join(b"%d 3 0 0 0 1 -1\n" % number for number in range(200_001))
    with raises_input_error("line 200001", "200,000"):
        parse_swc(rows, "cell.swc")
    long = parsed("1 3 0 0 0 1 -1\n2 3 900000 0 0 1 1\n")
    with raises_input_error("cell.swc", "900,000", "100,000"):
        discretize(long, 1e-6)


def comb(teeth: int) -> str:
    """A straight neurite with a branch every 10 micrometres."""
    rows = ["1 3 0 0 0 1 -1", "2 3 10 0 0 1 1"]
    for k in range(1, teeth + 1):
        rows += [f"{2 * k + 1} 3 {10 * k} 9 0 1 {2 * k}", f"{2 * k + 2} 3 {10 * k + 10} 0 0 1 {2 * k}"]
    return "\n".join(rows)


def test_a_morphology_too_deep_or_too_wide_for_brian_is_refused() -> None:
    with raises_input_error("cell.swc", "502 branch points", "500"):
        discretize(parsed(comb(501)), 1e-3)
    star = ROOT + "\n".join(f"{k} 3 {20 + k % 90} {k // 90} 50 1 1" for k in range(2, 4000))
    with raises_input_error("cell.swc", "3,998 branches"):
        discretize(parsed(star), 1e-3)


@pytest.mark.parametrize("text", ["1 3 0 0 0 1 -1\n", "1 3 5 5 5 1 -1\n2 3 5 5 5 2 1\n"])
def test_a_morphology_without_extent_is_refused(text: str) -> None:
    with raises_input_error("cell.swc", "position"):
        discretize(parsed(text), 1e-3)


@pytest.mark.parametrize(
    ("place", "values"),
    [
        (7, ("cell.swc", 7, "from 1 to 4")),
        ("7", ("cell.swc", 7)),
        (-1, ("cell.swc", -1)),
        ("axon", ("axon", "soma, root, farthest")),
        ("9" * 400, ("999",)),
    ],
)
def test_unknown_points_are_refused(place: str | int, values: tuple[object, ...]) -> None:
    with raises_input_error("record", *values):
        parsed(FORK).point(place, "record")


def test_a_file_without_a_soma_cannot_record_it() -> None:
    with raises_input_error("record", "cell.swc", "soma", 1):
        parsed("1 3 0 0 0 1 -1\n2 3 9 0 0 1 1\n").point("soma", "record")
