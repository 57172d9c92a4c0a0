"""A dataset card says where data comes from and how to know it, or which field is wrong."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tonic
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.cards import dataset_card
from snnlab.cards.toml_reader import Page
from snnlab.datasets.files import inside
from snnlab.errors import InputError

IMAGES = """
kind = "dataset"
name = "Toy"
summary = "What it is."
reference = "Somebody, 1998"
licence = "CC0"
format = "idx"
classes = ["a", "b"]
shape = [2, 3]
folders = ["toy"]
mirrors = ["https://example.org/toy/"]
[splits.train]
samples = 5
images = "pictures"
labels = "answers"
[files.pictures]
bytes = 46
[files.answers]
bytes = 13
"""
EVENTS = """
kind = "dataset"
name = "Toy events"
summary = "What it is."
reference = "Somebody, 2015"
licence = "CC0"
format = "nmnist-bin"
tonic = "NMNIST"
classes = ["a", "b"]
sensor = [34, 34, 2]
time_unit = "us"
[splits.train]
samples = 5
path = "Train"
[archives."train.zip"]
md5 = "20959b8e626244a1b502305a9e6e2031"
mirrors = ["https://example.org/train.zip"]
keep = ["Train/*/*.bin"]
[listing]
pattern = "Train/*/*.bin"
files = 5
"""
DIGITS = """
kind = "dataset"
name = "Toy digits"
summary = "What it is."
reference = "Somebody, 1998"
licence = "CC0"
format = "scikit-learn"
classes = ["a", "b"]
shape = [8, 8]
[splits.train]
samples = 5
"""
WORDS = """
kind = "dataset"
name = "Toy words"
summary = "What it is."
reference = "Somebody, 2018"
licence = "CC0"
format = "audio"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
rate = 8000
naming = "fsdd"
[splits.train]
samples = 5
path = "words"
"""
TABLE = """
kind = "dataset"
name = "Toy table"
summary = "What it is."
reference = "Somebody, 1969"
licence = "CC0"
format = "table"
classes = ["a", "1"]
shape = [2]
[splits.train]
samples = 2
rows = [[0, 255, "a"], [3, 4, "1"]]
"""
SYNTHETIC = """
kind = "dataset"
name = "Toy points"
summary = "What it is."
reference = "Somebody, 2022"
licence = "CC0"
format = "synthetic"
generator = "yin-yang"
classes = ["yin", "yang", "dot"]
shape = [4]
[splits.train]
samples = 5
seed = 1
[splits.test]
samples = 5
seed = 2
"""
SHELF = sorted(cards.all_datasets())


def read(text: str) -> dataset_card.Dataset:
    return dataset_card.read(Page("mine.toml", tomllib.loads(text), id="mine"))


# The shelf ---------------------------------------------------------------------------------------------------------


def test_the_datasets_of_the_papers_and_their_open_relatives_are_on_the_shelf() -> None:
    papers = {"mnist", "nmnist", "ti46-digits", "ti46-letters"}
    relatives = "fashion-mnist kmnist emnist-balanced emnist-letters fsdd shd ssc ntidigits dvs-gesture digits"
    tasks = {"xor", "one", "association", "bars", "yin-yang", "noise"}
    assert set(SHELF) == papers | set(relatives.split()) | tasks


@pytest.mark.parametrize(
    ("name", "classes", "train", "test", "measure"),
    [
        # what the papers and pages of the datasets say of them
        ("mnist", 10, 60_000, 10_000, (28, 28)),
        ("fashion-mnist", 10, 60_000, 10_000, (28, 28)),
        ("kmnist", 10, 60_000, 10_000, (28, 28)),
        ("emnist-balanced", 47, 112_800, 18_800, (28, 28)),
        ("emnist-letters", 26, 124_800, 20_800, (28, 28)),
        ("nmnist", 10, 60_000, 10_000, (34, 34, 2)),
        ("ti46-digits", 10, 16 * 10 * 10, 16 * 10 * 16, 12_500),
        ("ti46-letters", 26, 16 * 26 * 10, 16 * 26 * 16, 12_500),
        ("fsdd", 10, 10 * 6 * 45, 10 * 6 * 5, 8_000),
        ("shd", 20, 8_156, 2_264, (700, 1, 1)),
        ("ssc", 35, 75_466, 20_382, (700, 1, 1)),
        ("ntidigits", 11, 2_464, 2_486, (64, 1, 1)),
        ("dvs-gesture", 11, 1_077, 264, (128, 128, 2)),
        ("xor", 3, 4, 4, (2,)),
        ("bars", 3, 8, 8, (3, 3)),
        ("yin-yang", 3, 5_000, 1_000, (4,)),
        ("noise", 2, 10_000, 1_000, (30,)),
    ],
)
def test_a_card_has_the_published_numbers(name: str, classes: int, train: int, test: int, measure: object) -> None:
    card = cards.dataset(name)
    assert (len(card.classes), card.splits["train"].samples, card.splits["test"].samples) == (classes, train, test)
    assert (card.shape or card.sensor or card.rate) == measure


@pytest.mark.parametrize("name", [name for name in SHELF if cards.dataset(name).format == "idx"])
def test_the_sizes_of_idx_files_follow_from_their_samples(name: str) -> None:
    """A header of four bytes and four for each axis, then a byte for each pixel or label."""
    card = cards.dataset(name)
    for split in card.splits.values():
        assert card.files[split.images].bytes == 4 * (2 + len(card.shape)) + split.samples * math.prod(card.shape)
        assert card.files[split.labels].bytes == 8 + split.samples


@pytest.mark.parametrize("name", SHELF)
def test_what_can_be_downloaded_can_be_checked_and_what_cannot_says_how_to_get_it(name: str) -> None:
    card = cards.dataset(name)
    downloads = bool(card.mirrors) or any(archive.mirrors for archive in card.archives.values())
    assert downloads != bool(card.obtain) or card.format in ("scikit-learn", "table", "synthetic")
    for archive in card.archives.values():
        assert archive.md5 or archive.sha256 or (card.listing and card.listing.sha256)
    if card.mirrors:
        assert all(file.sha256 or file.sha256_gz for file in card.files.values())


@pytest.mark.parametrize("name", [name for name in SHELF if cards.dataset(name).tonic])
def test_sensors_and_checksums_are_those_of_tonic(name: str) -> None:
    card = cards.dataset(name)
    theirs = getattr(tonic.datasets, card.tonic)
    assert card.sensor == theirs.sensor_size
    listed = {getattr(theirs, key) for key in dir(theirs) if key.endswith("md5")}
    assert {archive.md5 for archive in card.archives.values()} == listed - {None}


@pytest.mark.parametrize("name", SHELF)
def test_the_documentation_has_the_numbers_of_every_card(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
    splits = cards.dataset(name).splits
    assert f"{splits['train'].samples:,} / {splits['test'].samples:,}" in row


# Good and bad cards ------------------------------------------------------------------------------------------------


def test_good_cards_are_read_into_values() -> None:
    images, events = read(IMAGES), read(EVENTS)
    assert (images.first_label, images.transposed, images.time_unit, images.listing) == (0, False, "", None)
    assert images.files["pictures"].sha256 == ""
    assert (events.sensor, events.time_unit, events.archives["train.zip"].keep) == (
        (34, 34, 2),
        "us",
        ("Train/*/*.bin",),
    )
    assert (read(DIGITS).format, read(WORDS).naming) == ("scikit-learn", "fsdd")
    assert read(TABLE).splits["train"].rows == ((0, 255, "a"), (3, 4, "1"))
    assert images.splits["train"].rows == ()
    assert (read(SYNTHETIC).generator, [split.seed for split in read(SYNTHETIC).splits.values()]) == (
        "yin-yang",
        [1, 2],
    )
    assert (images.generator, images.splits["train"].seed) == ("", 0)
    assert events.listing is not None
    assert events.listing.files == 5


@pytest.mark.parametrize(
    ("card", "old", "new", "said"),
    [
        (IMAGES, '"dataset"', '"cell"', "kind: found 'cell'; needs kind = \"dataset\""),
        (IMAGES, '"idx"', '"idz"', "format: found 'idz'; did you mean 'idx'"),
        (IMAGES, "shape = [2, 3]", "", "shape: missing; a card of format 'idx' gives its shape"),
        (IMAGES, "[2, 3]", "[2, 0]", "shape: found [2, 0]; needs a list of positive"),
        (IMAGES, "[2, 3]", "[2, 3]\nrate = 8000", "rate: found 8000; a card of format 'idx' gives its shape"),
        (IMAGES, '["a", "b"]', '["a", "a"]', "classes: found ['a', 'a']; needs a list of names, each once"),
        (IMAGES, '["a", "b"]', "[]", "classes: found []"),
        (IMAGES, '"toy"', '"../toy"', "folders: found '../toy'; needs a path below the data folder"),
        (IMAGES, '"toy"', '"/etc"', "folders: found '/etc'; needs a path below"),
        (IMAGES, "https://example.org/toy/", "file:///etc/", "mirrors: found 'file:///etc/'; needs an address"),
        (IMAGES, "https://example.org/toy/", "https://a b/", "mirrors: found 'https://a b/'; needs an address"),
        (IMAGES, "[files.pictures]", '[files."a/b"]', "files.a/b: not a plain file name"),
        (IMAGES, "[files.pictures]", '[files."..\\\\x"]', "files...\\x: not a plain file name"),
        (IMAGES, "[files.pictures]", '[files.".."]', "files...: not a plain file name"),
        (IMAGES, "[files.pictures]", '[files.""]', "files.: not a plain file name"),
        (IMAGES, "bytes = 46", "bytes = -1", "files.pictures: bytes: found -1; cannot be negative"),
        (IMAGES, "bytes = 46", 'bytes = 46\nsha256 = "ab"', "sha256: found 'ab'; needs 64 hexadecimal digits"),
        (IMAGES, 'images = "pictures"', 'images = "picture"', "images: found 'picture'; did you mean 'pictures'"),
        (IMAGES, 'labels = "answers"', 'labels = "answers"\npath = "x"', "path: found 'x'"),
        (IMAGES, "samples = 5", "samples = true", "samples: found True; needs a whole number"),
        (IMAGES, 'licence = "CC0"', 'licence = "CC0"\nlicense = "CC0"', "license: unknown key; did you mean 'licence'"),
        (EVENTS, "sensor = [34, 34, 2]", "sensor = [34, 34]", "time_unit: found 'us' with sensor [34, 34]"),
        (EVENTS, 'time_unit = "us"', 'time_unit = "min"', "time_unit: found 'min' with sensor"),
        (EVENTS, '"NMNIST"', '"os.system"', "tonic: found 'os.system'; needs the name of one of tonic's classes"),
        (EVENTS, 'format = "nmnist-bin"\ntonic = "NMNIST"', 'format = "tonic"', "tonic: missing"),
        (EVENTS, 'time_unit = "us"', 'time_unit = "us"\nnaming = "ti46"', "naming: found 'ti46'; sounds need one of"),
        (EVENTS, 'path = "Train"', 'path = "../Train"', "path: found '../Train'; needs a path below"),
        (EVENTS, 'path = "Train"', "", "path: found ''; a file or a folder"),
        (EVENTS, 'keep = ["Train/*/*.bin"]', 'keep = ["/*"]', "keep: found '/*'; needs a path below"),
        (EVENTS, '"20959b8e626244a1b502305a9e6e2031"', '"2095"', "md5: found '2095'; needs 32 hexadecimal"),
        (
            EVENTS,
            'md5 = "20959b8e626244a1b502305a9e6e2031"',
            'mirror = "x"',
            "mirror: unknown key; did you mean 'mirrors'",
        ),
        (EVENTS, 'time_unit = "us"', 'time_unit = "us"\nfirst_label = 1', "first_label: found 1; only idx files"),
        (EVENTS, 'time_unit = "us"', 'time_unit = "us"\ntransposed = true', "transposed: found True; only idx files"),
        (EVENTS, 'format = "nmnist-bin"', 'format = "tonic"', "tonic: found 'NMNIST'; this format is read by one of"),
        (EVENTS, 'time_unit = "us"', 'time_unit = "us"\nmirrors = ["http://a/"]', "mirrors: found ['http://a/']; hold"),
        (DIGITS, "[splits", f"[archives.a]\nmd5 = '{'0' * 32}'\n[splits", "archives: found; what ships with a package"),
        (EVENTS, "keep = [", 'strip = "Test"\nkeep = [', "keep: found 'Train/*/*.bin'; needs patterns of files below"),
        (EVENTS, "keep = [", 'strip = "Train/a"\nkeep = ["Train/a", ', "keep: found 'Train/a'; needs patterns"),
        (WORDS, '"0", ', "", "'8', '9']; files named as in fsdd say 0 to 9"),
        (WORDS, '"0"', '"zero"', "classes: found ['zero', '1', '2'"),
        (DIGITS, "[splits", "[files.a]\nbytes = 1\n[splits", "files: found; what ships with a package"),
        (TABLE, "[splits", f"[archives.a]\nmd5 = '{'0' * 32}'\n[splits", "stands on its card or is drawn has no files"),
        (TABLE, "[splits", "[listing]\npattern = 'a'\nfiles = 1\n[splits", "listing: found; what ships with"),
        (TABLE, "[2]", "[2]\nmirrors = ['http://a/']", "mirrors: found ['http://a/']; hold idx files"),
        (TABLE, "shape = [2]", "", "shape: missing; a card of format 'table' gives its shape"),
        (TABLE, "[2]", "[3]", "rows: found [0, 255, 'a']; needs 3 whole numbers, 0 to 255, and one of a, 1"),
        (TABLE, '[3, 4, "1"]', '[3, "1"]', "splits.train: rows: found [3, '1']; needs 2 whole numbers"),
        (TABLE, '[3, 4, "1"]', "[]", "splits.train: rows: found []; needs 2 whole numbers"),
        (TABLE, '[3, 4, "1"]', "7", "splits.train: rows: found 7; needs 2 whole numbers"),
        (TABLE, '"1"]]', '"b"]]', "splits.train: rows: found [3, 4, 'b']; needs 2 whole numbers, 0 to 255, and one"),
        (TABLE, '"1"]]', "1]]", "splits.train: rows: found [3, 4, 1]; needs"),
        (TABLE, "[3, 4,", "[3, true,", "splits.train: rows: found [3, True, '1']; needs"),
        (TABLE, "[3, 4,", "[3, 4.0,", "splits.train: rows: found [3, 4.0, '1']; needs"),
        (TABLE, "[3, 4,", "[3, -1,", "splits.train: rows: found [3, -1, '1']; needs"),
        (TABLE, "[0, 255,", "[0, 256,", "splits.train: rows: found [0, 256, 'a']; needs"),
        (TABLE, "samples = 2", "samples = 3", "splits.train: samples: found 3; the table has 2 rows"),
        (TABLE, "samples = 2", "samples = 2\npath = 'x'", "splits.train: path: found 'x'"),
        (TABLE, '[[0, 255, "a"], [3, 4, "1"]]', "[]", "splits.train: rows: missing; a table has them, and no other"),
        (TABLE, '[[0, 255, "a"], [3, 4, "1"]]', '"a"', "splits.train: rows: found 'a'; needs a list"),
        (
            DIGITS,
            "samples = 5",
            'samples = 1\nrows = [[0, "a"]]',
            "splits.train: rows: found; a table has them, and no",
        ),
        (SYNTHETIC, 'generator = "yin-yang"', "", 'generator: missing; needed where the format is "synthetic"'),
        (SYNTHETIC, '"yin-yang"', '"ying-yang"', "generator: found 'ying-yang'; did you mean 'yin-yang'"),
        (SYNTHETIC, '"yin-yang"', "7", "generator: found 7; needs text"),
        (
            SYNTHETIC,
            '"yin-yang"',
            '"yin-yang"\nrate = 8000',
            "rate: found 8000; a card of format 'synthetic' gives its shape",
        ),
        (SYNTHETIC, "[4]", "[2]", "shape: found [2]; points of yin-yang have four numbers"),
        (SYNTHETIC, "[4]", "[2, 2]", "shape: found [2, 2]; points of yin-yang have four numbers"),
        (SYNTHETIC, "shape = [4]", "", "shape: missing; a card of format 'synthetic' gives its shape"),
        (
            SYNTHETIC,
            '"yin", "yang"',
            '"yang", "yin"',
            "classes: found ['yang', 'yin', 'dot']; yin-yang has yin, yang, dot",
        ),
        (SYNTHETIC, "seed = 1", "", "splits.train: seed: missing; needs a whole number"),
        (SYNTHETIC, "seed = 1", "seed = -1", "splits.train: seed: found -1; cannot be negative"),
        (SYNTHETIC, "seed = 1", "seed = true", "splits.train: seed: found True; needs a whole number"),
        (SYNTHETIC, "seed = 2", "seed = 1", "splits.test: seed: found 1, that of 'train'; each part has its own"),
        (
            SYNTHETIC,
            "seed = 1",
            "seed = 1\nrows = [[1, 2, 3, 4, 'dot']]",
            "splits.train: rows: found; a table has them",
        ),
        (SYNTHETIC, "seed = 1", "seed = 1\npath = 'x'", "splits.train: path: found 'x'"),
        (
            SYNTHETIC,
            "samples = 5",
            "samples = 67108865",
            "samples: found 67108865; at most 268,435,456 numbers are drawn",
        ),
        (SYNTHETIC, "[splits.train", "[files.a]\nbytes = 1\n[splits.train", "files: found; what ships with a package"),
        (TABLE, "[2]", "[2]\ndrawn = 'uniform'", "generator: found 'uniform'; a rule, where the format is \"drawn\""),
        (TABLE, "samples = 2", "samples = 2\nseed = 0", 'splits.train: seed: found 0; only the format "synthetic"'),
        (EVENTS, "[splits.train]\nsamples = 5\npath", "path", "splits: missing; a dataset has at least one part"),
    ],
)
def test_a_bad_card_is_refused_by_field(card: str, old: str, new: str, said: str) -> None:
    assert old in card
    with pytest.raises(InputError) as refused:
        read(card.replace(old, new, 1))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_plain_download_without_any_checksum_is_refused() -> None:
    bare = EVENTS.replace('md5 = "20959b8e626244a1b502305a9e6e2031"', "").replace('keep = ["Train/*/*.bin"]', "")
    with pytest.raises(InputError, match="archives.train.zip: md5: no checksum"):
        read(bare)


ROWS = st.lists(st.one_of(st.integers(-1, 256), st.booleans(), st.sampled_from(["a", "1", "b"])), max_size=4)
LEAVES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["idx", "tonic", "NMNIST", "us", "train", "../x", "https://example.org/", "Train/*", "pictures", "uniform"]
    ),
    st.integers(),
    st.booleans(),
    st.floats(),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
FIELDS = sorted(
    set(tomllib.loads(IMAGES))
    | set(tomllib.loads(EVENTS))
    | {"rate", "first_label", "transposed", "generator", "other"}
)


@given(rows=st.lists(ROWS, max_size=3), samples=st.integers(0, 3))
def test_a_table_is_read_exactly_if_each_row_is_two_small_numbers_and_a_class(rows: list[Any], samples: int) -> None:
    def right(row: list[Any]) -> bool:
        small = [type(one) is int and one in range(256) for one in row[:2]]
        return len(row) == 3 and all(small) and row[2] in ("a", "1") and isinstance(row[2], str)

    table = tomllib.loads(TABLE) | {"splits": {"train": {"samples": samples, "rows": rows}}}
    if rows and samples == len(rows) and all(map(right, rows)):
        assert dataset_card.read(Page("mine.toml", table, id="mine")).splits["train"].rows == tuple(map(tuple, rows))
    else:
        with pytest.raises(InputError, match=r"^mine\.toml: splits\.train: (rows|samples): "):
            dataset_card.read(Page("mine.toml", table, id="mine"))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    card=st.sampled_from([IMAGES, EVENTS, DIGITS, WORDS, TABLE, SYNTHETIC]), field=st.sampled_from(FIELDS), value=VALUES
)
@example(IMAGES, "files", {"..": {"bytes": 1}})
@example(IMAGES, "files", {"": {"bytes": 1}})
@example(EVENTS, "archives", {"a:b": {"md5": "0" * 32}})
@example(EVENTS, "listing", {"pattern": "..", "files": 1})
def test_whatever_a_field_holds_nothing_but_a_refusal_comes_out(card: str, field: str, value: Any) -> None:
    table = tomllib.loads(card) | {field: value}
    try:
        found = dataset_card.read(Page("mine.toml", table, id="mine"))
    except InputError as refusal:
        assert str(refusal).startswith("mine.toml: ")
        return
    assert all(inside(archive) for archive in found.archives.values())
    places = [*found.folders, *found.files, *found.archives, *(split.path for split in found.splits.values())]
    assert all(".." not in Path(place).parts and not Path(place).is_absolute() for place in places)
