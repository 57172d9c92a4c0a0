"""SWC files: what a tree is, and what is refused by line and field."""

from __future__ import annotations

import os
from pathlib import Path

import brian2
import numpy as np
import pytest
from errors_in_tests import raises_input_error
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


def test_points_have_the_places_and_parents_of_the_file() -> None:
    found = parsed(FORK)
    assert found.ids.tolist() == [1, 2, 3, 4]
    assert found.types.tolist() == [1, 3, 3, 4]
    assert found.parents.tolist() == [-1, 0, 1, 1]
    np.testing.assert_allclose(found.points[2], [90e-6, 40e-6, 0])
    np.testing.assert_allclose(found.radii, [10e-6, 2e-6, 1e-6, 1.5e-6])
    np.testing.assert_allclose(found.distances, [0, 60e-6, 110e-6, 60e-6 + np.hypot(30e-6, 30e-6)])


@pytest.mark.parametrize(("place", "number"), [("soma", 0), ("root", 0), ("farthest", 2), (4, 3), ("3", 2)])
def test_a_point_is_found_by_its_id_or_its_role(place: str | int, number: int) -> None:
    assert parsed(FORK).point(place, "record") == number


def test_a_parent_may_come_after_its_child() -> None:
    lines = [line for line in FORK.splitlines() if line and line[0] != "#"]
    found, turned = parsed(FORK), parsed("\n".join(lines[::-1]))
    assert as_tree(turned) == as_tree(found)
    assert (turned.parents < np.arange(4)).all()


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\r"), (" ", "\t"), (" ", "   "), ("# a fork", "# caf\xe9")])
def test_other_ends_of_lines_and_blanks_and_comments_change_nothing(change: tuple[str, str]) -> None:
    raw = FORK.replace(*change).encode("latin-1")
    assert as_tree(parse_swc(raw, "cell.swc")) == as_tree(parsed(FORK))
    assert as_tree(parse_swc(b"\xef\xbb\xbf" + FORK.encode(), "cell.swc")) == as_tree(parsed(FORK))


def as_tree(found: Morphology, names: dict[int, int] | None = None) -> dict[int, tuple[object, ...]]:
    """Id -> type, id of the parent, place and radius; ids renamed by `names`."""
    name = (lambda one: one) if names is None else (lambda one: names[one])
    ids = [name(int(one)) for one in found.ids]
    return {
        one: (int(kind), ids[parent] if parent >= 0 else None, tuple(place), radius)
        for one, kind, parent, place, radius in zip(
            ids, found.types, found.parents, found.points.tolist(), found.radii.tolist(), strict=True
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
def test_other_ids_in_any_order_of_lines_are_the_same_tree(rows, random) -> None:
    fresh = random.sample(range(10_000), len(rows))
    new = dict(zip((row[0] for row in rows), fresh, strict=True))
    renamed = [(new[row[0]], *row[1:-1], new.get(row[-1], -1)) for row in rows]
    random.shuffle(renamed)
    back = {after: before for before, after in new.items()}
    assert as_tree(written(renamed), back) == as_tree(written(rows))


@given(trees(), st.floats(1, 100))
@settings(max_examples=50)
def test_cutting_leaves_length_and_membrane_of_the_cones_as_they_are(rows, longest) -> None:
    """Without a soma; sums over the points alone, by the formula of a truncated cone's mantle."""
    rows = [(row[0], 3, *row[2:]) for row in rows]
    tree = written(rows)
    hanging = tree.parents >= 0
    ends = tree.points[hanging], tree.points[tree.parents[hanging]]
    radii = tree.radii[hanging], tree.radii[tree.parents[hanging]]
    lengths = np.linalg.norm(ends[0] - ends[1], axis=1)
    if lengths.size == 0 or lengths.min() < 1e-8:
        return
    cable = discretize(tree, longest * 1e-6)
    assert cable.length == pytest.approx(lengths.sum())
    mantle = np.pi * (radii[0] + radii[1]) * np.hypot(radii[0] - radii[1], lengths)
    assert cable.area == pytest.approx(mantle.sum())
    assert max(one.lengths.max() for one in cable.sections) <= longest * 1e-6 * (1 + 1e-6)


@pytest.mark.parametrize(
    "text", [FORK.replace(" 1 0 0 0 10", " 3 0 0 0 3"), "1 3 0 0 0 1 -1\n2 3 50 0 0 2 1\n3 3 50 70 0 1 2"]
)
def test_membrane_is_that_of_brians_own_reader_where_the_root_is_a_tip(text: str, tmp_path: Path) -> None:
    (tmp_path / "cell.swc").write_text(text, encoding="utf-8")
    theirs = brian2.Morphology.from_swc_file(str(tmp_path / "cell.swc"))
    areas = [np.asarray(theirs.area).sum(), *(np.asarray(one.area).sum() for one in below(theirs))]
    assert discretize(read_swc(tmp_path / "cell.swc"), 1.0).area == pytest.approx(sum(areas))


def below(section):
    for child in section.children:
        yield child
        yield from below(child)


def test_a_neurite_begins_at_the_surface_of_a_spherical_soma() -> None:
    cable = discretize(parsed("1 1 0 0 0 10 -1\n2 3 60 0 0 2 1\n"), 1.0)
    assert cable.soma_diameter == pytest.approx(20e-6)
    assert cable.length == pytest.approx(50e-6)
    assert cable.area == pytest.approx(np.pi * (20e-6) ** 2 + np.pi * 4e-6 * 50e-6)


def test_a_soma_of_three_points_is_the_sphere_that_it_stands_for() -> None:
    """NeuroMorpho.Org: the root, and two points one radius above and below it."""
    three = "1 1 0 0 0 10 -1\n2 1 0 -10 0 10 1\n3 1 0 10 0 10 1\n4 3 60 0 0 2 1\n"
    cable = discretize(parsed(three), 1.0)
    assert cable.soma_diameter == pytest.approx(20e-6)
    assert cable.locations[1] is cable.locations[0] is cable.locations[2]
    assert cable.length == pytest.approx(50e-6)
    # but not where they lie elsewhere: then they are two cones
    assert discretize(parsed(three.replace("-10 0 10 1", "-25 0 10 1")), 1.0).soma_diameter == 0


def test_points_at_one_place_are_one_and_points_within_the_soma_are_the_soma() -> None:
    text = "1 1 0 0 0 10 -1\n2 3 5 0 0 2 1\n3 3 60 0 0 2 2\n4 3 60 0 0 1 3\n5 3 90 0 0 1 4\n"
    cable = discretize(parsed(text), 1.0)
    assert cable.locations[1] is cable.locations[0] and cable.locations[3] is cable.locations[2]
    assert cable.length == pytest.approx(80e-6)
    assert cable.area == pytest.approx(np.pi * (20e-6) ** 2 + np.pi * 4e-6 * 50e-6 + np.pi * 2e-6 * 30e-6)


ROOT = "1 1 0 0 0 10 -1\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cell.swc: no points; needs lines of id type x y z radius parent"),
        ("# only words\n", "cell.swc: no points"),
        ("1 1 0 0 0 10\n", "cell.swc: line 1: 6 columns; needs 7: id type x y z radius parent"),
        (ROOT + "2 3 9 0 0 1 1 7\n", "cell.swc: line 2: 8 columns; needs 7"),
        ("# c\n1 1 0 0 0 0 -1\n", "cell.swc: line 2: radius: found '0'; needs 0.001 to 10,000 micrometres"),
        ("1 1 0 0 0 -3 -1\n", "cell.swc: line 1: radius: found '-3'"),
        ("1 1 0 0 0 nan -1\n", "cell.swc: line 1: radius: found 'nan'"),
        ("1 1 0 0 0 1e400 -1\n", "cell.swc: line 1: radius: found '1e400'"),
        ("1 1 0 inf 0 1 -1\n", "cell.swc: line 1: y: found 'inf'"),
        ("1 1 1_0 0 0 1 -1\n", "cell.swc: line 1: x: found '1_0'"),
        ("1 1 0 0 1e9 1 -1\n", "cell.swc: line 1: z: found '1e9'; needs -1,000,000 to 1,000,000 micrometres"),
        ("1 1 0 0 0 __import__('os') -1\n", "cell.swc: line 1: radius: found \"__import__('os')\""),
        ("one 1 0 0 0 1 -1\n", "cell.swc: line 1: id: found 'one'; needs a whole number"),
        ("1 1.5 0 0 0 1 -1\n", "cell.swc: line 1: type: found '1.5'"),
        ("-1 1 0 0 0 1 -1\n", "cell.swc: line 1: id: found '-1'"),
        ("99999999999 1 0 0 0 1 -1\n", "cell.swc: line 1: id: found '99999999999'"),
        ("1 1 0 0 0 1 -2\n", "cell.swc: line 1: parent: found '-2'; needs the id of a point, or -1"),
        ("9" * 5000 + " 1 0 0 0 1 -1\n", "cell.swc: line 1: id: found '" + "9" * 32 + " ...'"),
        ("1 1 0 0 0 " + "1" * 50_000 + "x -1\n", "cell.swc: line 1: radius: found '" + "1" * 32 + " ...'"),
        (ROOT + "2 3 9 0 0 1 1\n2 3 9 9 0 1 1\n", "cell.swc: line 3: id: 2 is also the id of line 2"),
        (ROOT + "2 3 9 0 0 1 5\n", "cell.swc: line 2: parent: there is no point 5"),
        (ROOT + "2 3 9 0 0 1 -1\n", "cell.swc: parent: 2 roots: 1 (line 1) and 2 (line 2); needs one"),
        (ROOT + "2 3 9 0 0 1 2\n", "cell.swc: line 2: parent: a cycle: 2 -> 2;"),
        (ROOT + "2 3 9 0 0 1 4\n3 3 9 1 0 1 2\n4 3 9 2 0 1 3\n", "cell.swc: line 2: parent: a cycle: 2 -> 4 -> 3 ->"),
        ("1 3 9 0 0 1 2\n2 3 9 1 0 1 1\n", "cell.swc: line 1: parent: a cycle: 1 -> 2 -> 1, and no point is the root"),
        ("1 1 0 0 0 1 \u0661\n", "cell.swc: line 1: bytes that are not text"),
    ],
)  # fmt: skip
def test_what_is_no_tree_is_refused_by_line_and_field(text: str, says: str) -> None:
    with pytest.raises(InputError) as refusal:
        parsed(text)
    assert str(refusal.value).startswith(says)
    assert "\n" not in str(refusal.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tree_or_refused(raw: bytes) -> None:
    try:
        found = parse_swc(raw, "cell.swc")
    except InputError as refusal:
        assert str(refusal).startswith("cell.swc")
    else:
        assert (found.parents < np.arange(len(found))).all()


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for path, says in [(tmp_path / "none.swc", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(InputError, match=says):
            read_swc(path)
    os.mkfifo(tmp_path / "pipe.swc")
    with pytest.raises(InputError, match="not a file"):
        read_swc(tmp_path / "pipe.swc")


def test_absurd_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="more than 32 MiB"):
        parse_swc(b"#" * (2**25 + 1), "cell.swc")
    rows = b"".join(b"%d 3 0 0 0 1 -1\n" % number for number in range(200_001))
    with pytest.raises(InputError, match="line 200001: more than 200,000 points"):
        parse_swc(rows, "cell.swc")
    long = parsed("1 3 0 0 0 1 -1\n2 3 900000 0 0 1 1\n")
    with pytest.raises(InputError, match="900,000 compartments of at most 1 um; must be at most 100,000"):
        discretize(long, 1e-6)


def comb(teeth: int) -> str:
    """A straight neurite with a tooth every 10 micrometres."""
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
    ("place", "says"),
    [
        (7, "record: cell.swc has no point 7; its ids are from 1 to 4"),
        ("7", "record: cell.swc has no point 7"),
        (-1, "record: cell.swc has no point -1"),
        ("axon", "record: found 'axon'; needs soma, root, farthest or the id of a point"),
        ("9" * 400, "record: found '999"),
    ],
)
def test_a_point_that_the_file_has_not_is_refused(place: str | int, says: str) -> None:
    with pytest.raises(InputError) as refusal:
        parsed(FORK).point(place, "record")
    assert str(refusal.value).startswith(says)


def test_a_file_without_a_soma_has_none_to_record() -> None:
    with pytest.raises(InputError, match="record: cell.swc has no soma, a point of type 1; name a point by its id"):
        parsed("1 3 0 0 0 1 -1\n2 3 9 0 0 1 1\n").point("soma", "record")
