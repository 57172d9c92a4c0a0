"""Dataset cards: valid cards become values; invalid cards raise an InputError of their file and field."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tonic
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.cards.dataset_card import Dataset, read_dataset
from snnlab.cards.toml_table import TomlTable
from snnlab.datasets.locating import unpacked_patterns
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
LIBRARY = sorted(cards.all_datasets())


def read(text: str) -> Dataset:
    return read_dataset(TomlTable("mine.toml", tomllib.loads(text), id="mine"))


# The library ---------------------------------------------------------------------------------------------------------


def test_the_library_holds_the_datasets_of_the_papers_and_open_alternatives() -> None:
    papers = {"mnist", "nmnist", "ti46-digits", "ti46-letters"}
    alternatives = "fashion-mnist kmnist emnist-balanced emnist-letters fsdd shd ssc ntidigits dvs-gesture digits"
    tasks = {"xor", "one", "association", "bars", "yin-yang", "noise"}
    assert set(LIBRARY) == papers | set(alternatives.split()) | tasks


@pytest.mark.parametrize(
    ("name", "classes", "train", "test", "measure"),
    [
        # from the papers and pages of the datasets
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


@pytest.mark.parametrize("name", [name for name in LIBRARY if cards.dataset(name).format == "idx"])
def test_the_sizes_of_idx_files_follow_from_their_samples(name: str) -> None:
    """A header of four bytes and four for each axis, then a byte for each pixel or label."""
    card = cards.dataset(name)
    for split in card.splits.values():
        assert card.files[split.images].bytes == 4 * (2 + len(card.shape)) + split.samples * math.prod(card.shape)
        assert card.files[split.labels].bytes == 8 + split.samples


@pytest.mark.parametrize("name", LIBRARY)
def test_a_card_has_mirrors_with_checksums_or_says_how_to_obtain_the_data(name: str) -> None:
    card = cards.dataset(name)
    downloads = bool(card.mirrors) or any(archive.mirrors for archive in card.archives.values())
    assert downloads != bool(card.obtain) or card.format in ("scikit-learn", "table", "synthetic")
    for archive in card.archives.values():
        assert archive.md5 or archive.sha256 or (card.listing and card.listing.sha256)
    if card.mirrors:
        assert all(file.sha256 or file.sha256_gz for file in card.files.values())


@pytest.mark.parametrize("name", [name for name in LIBRARY if cards.dataset(name).tonic])
def test_sensor_sizes_and_checksums_equal_those_of_tonic(name: str) -> None:
    card = cards.dataset(name)
    theirs = getattr(tonic.datasets, card.tonic)
    assert card.sensor == theirs.sensor_size
    listed = {getattr(theirs, key) for key in dir(theirs) if key.endswith("md5")}
    assert {archive.md5 for archive in card.archives.values()} == listed - {None}


@pytest.mark.parametrize("name", LIBRARY)
def test_the_documentation_has_the_numbers_of_every_card(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
    splits = cards.dataset(name).splits
    assert f"{splits['train'].samples:,} / {splits['test'].samples:,}" in row


# Good and bad cards ------------------------------------------------------------------------------------------------


def test_valid_cards_are_read_into_values() -> None:
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


INVALID_IMAGES = [
    ('"dataset"', '"cell"', "kind", "'cell'", '"dataset"'),
    ('"idx"', '"idz"', "format", "'idz'", "'idx'"),
    ("shape = [2, 3]", "", "shape", "missing", "'idx'"),
    ("[2, 3]", "[2, 0]", "shape", "[2, 0]"),
    ("[2, 3]", "[]", "shape", "missing"),
    ("[2, 3]", "[2, 3]\nrate = 8000", "rate", "'idx'", "'audio'"),
    ('["a", "b"]', '["a", "a"]', "classes", "['a', 'a']"),
    ('["a", "b"]', "[]", "classes", "[]"),
    ('"toy"', '"../toy"', "folders", "'../toy'"),
    ('"toy"', '"/etc"', "folders", "'/etc'"),
    ("https://example.org/toy/", "file:///etc/", "mirrors", "'file:///etc/'", "https://"),
    ("https://example.org/toy/", "https://a b/", "mirrors", "'https://a b/'"),
    ("[files.pictures]", '[files."a/b"]', "files.a/b", "'a/b'"),
    ("[files.pictures]", '[files."..\\\\x"]', "files...\\x"),
    ("[files.pictures]", '[files.".."]', "files...", "'..'"),
    ("[files.pictures]", '[files.""]', "files.", "''"),
    ("bytes = 46", "bytes = -1", "files.pictures: bytes", "-1", "0"),
    ("bytes = 46", 'bytes = 46\nsha256 = "ab"', "files.pictures: sha256", "'ab'", "64"),
    ('images = "pictures"', 'images = "picture"', "splits.train: images", "'picture'", "'pictures'"),
    ('labels = "answers"', 'labels = "answers"\npath = "x"', "splits.train: path", "'idx'"),
    ('labels = "answers"', "", "splits.train: labels", "missing", "'idx'"),
    ("samples = 5", "samples = true", "splits.train: samples", "True", "integer"),
    ('licence = "CC0"', 'licence = "CC0"\nlicense = "CC0"', "license", "'licence'"),
]
INVALID_EVENTS = [
    ("sensor = [34, 34, 2]", "sensor = [34, 34]", "sensor", "[34, 34]"),
    ('time_unit = "us"', 'time_unit = "min"', "time_unit", "'min'", "us"),
    ('time_unit = "us"', "", "time_unit", "missing", "'nmnist-bin'"),
    ('"NMNIST"', '"os.system"', "tonic", "'os.system'"),
    ('format = "nmnist-bin"\ntonic = "NMNIST"', 'format = "tonic"', "tonic", "missing"),
    ('format = "nmnist-bin"', 'format = "tonic"', "tonic", "'NMNIST'", "SHD"),
    ('time_unit = "us"', 'time_unit = "us"\nnaming = "ti46"', "naming", "'nmnist-bin'", "'audio'"),
    ('time_unit = "us"', 'time_unit = "us"\nfirst_label = 1', "first_label", "'nmnist-bin'", "'idx'"),
    ('time_unit = "us"', 'time_unit = "us"\ntransposed = true', "transposed", "'nmnist-bin'", "'idx'"),
    ('time_unit = "us"', 'time_unit = "us"\nmirrors = ["http://a/"]', "mirrors", "'nmnist-bin'", "'idx'"),
    ('path = "Train"', 'path = "../Train"', "splits.train: path", "'../Train'"),
    ('path = "Train"', "", "splits.train: path", "missing"),
    ('keep = ["Train/*/*.bin"]', 'keep = ["/*"]', "archives.train.zip: keep", "'/*'"),
    ("keep = [", 'strip = "Test"\nkeep = [', "archives.train.zip: keep", "'Train/*/*.bin'", "'Test'"),
    ("keep = [", 'strip = "Train/a"\nkeep = ["Train/a", ', "archives.train.zip: keep", "'Train/a'"),
    ('"20959b8e626244a1b502305a9e6e2031"', '"2095"', "archives.train.zip: md5", "'2095'", "32"),
    ('md5 = "20959b8e626244a1b502305a9e6e2031"', 'mirror = "x"', "archives.train.zip: mirror", "'mirrors'"),
    ("[splits.train]\nsamples = 5\npath", "path", "splits", "missing"),
]
ARCHIVE = f"[archives.a]\nmd5 = '{'0' * 32}'\n[splits"
INVALID_OTHERS = [
    (WORDS, '"0", ', "", "classes", "'8', '9'", '"fsdd"'),
    (WORDS, '"0"', '"zero"', "classes", "['zero', '1', '2'"),
    (WORDS, "rate = 8000", "rate = 0", "rate", "0"),
    (WORDS, '"fsdd"', '"fsd"', "naming", "'fsd'", "'fsdd'"),
    (DIGITS, "[splits", ARCHIVE, "archives", "'scikit-learn'"),
    (DIGITS, "[splits", "[files.a]\nbytes = 1\n[splits", "files", "'scikit-learn'"),
    (DIGITS, "samples = 5", 'samples = 1\nrows = [[0, "a"]]', "splits.train: rows", "'scikit-learn'", "'table'"),
    (TABLE, "[splits", ARCHIVE, "archives", "'table'"),
    (TABLE, "[splits", "[listing]\npattern = 'a'\nfiles = 1\n[splits", "listing", "'table'"),
    (TABLE, "[2]", "[2]\nmirrors = ['http://a/']", "mirrors", "'table'", "'idx'"),
    (TABLE, "[2]", "[2]\ngenerator = 'uniform'", "generator", "'table'", "'synthetic'"),
    (TABLE, "shape = [2]", "", "shape", "missing", "'table'"),
    (TABLE, "[2]", "[3]", "splits.train: rows", "[0, 255, 'a']", "3", "a, 1"),
    (TABLE, '[3, 4, "1"]', '[3, "1"]', "splits.train: rows", "[3, '1']", "2"),
    (TABLE, '[3, 4, "1"]', "[]", "splits.train: rows", "[]"),
    (TABLE, '[3, 4, "1"]', "7", "splits.train: rows", "7"),
    (TABLE, '"1"]]', '"b"]]', "splits.train: rows", "[3, 4, 'b']"),
    (TABLE, '"1"]]', "1]]", "splits.train: rows", "[3, 4, 1]"),
    (TABLE, "[3, 4,", "[3, true,", "splits.train: rows", "[3, True, '1']"),
    (TABLE, "[3, 4,", "[3, 4.0,", "splits.train: rows", "[3, 4.0, '1']"),
    (TABLE, "[3, 4,", "[3, -1,", "splits.train: rows", "[3, -1, '1']"),
    (TABLE, "[0, 255,", "[0, 256,", "splits.train: rows", "[0, 256, 'a']", "255"),
    (TABLE, "samples = 2", "samples = 3", "splits.train: samples", "3", "2"),
    (TABLE, "samples = 2", "samples = 2\npath = 'x'", "splits.train: path", "'table'"),
    (TABLE, "samples = 2", "samples = 2\nseed = 0", "splits.train: seed", "'table'", "'synthetic'"),
    (TABLE, '[[0, 255, "a"], [3, 4, "1"]]', "[]", "splits.train: rows", "missing", "'table'"),
    (TABLE, '[[0, 255, "a"], [3, 4, "1"]]', '"a"', "splits.train: rows", "'a'", "a list"),
    (SYNTHETIC, 'generator = "yin-yang"', "", "generator", "missing", "'synthetic'"),
    (SYNTHETIC, '"yin-yang"', '"ying-yang"', "generator", "'ying-yang'", "'yin-yang'"),
    (SYNTHETIC, '"yin-yang"', "7", "generator", "7", "text"),
    (SYNTHETIC, '"yin-yang"', '"yin-yang"\nrate = 8000', "rate", "'synthetic'", "'audio'"),
    (SYNTHETIC, "[4]", "[2]", "shape", "[2]", "[4]"),
    (SYNTHETIC, "[4]", "[2, 2]", "shape", "[2, 2]", "[4]"),
    (SYNTHETIC, "shape = [4]", "", "shape", "missing", "'synthetic'"),
    (SYNTHETIC, '"yin", "yang"', '"yang", "yin"', "classes", "['yang', 'yin', 'dot']", "yin, yang, dot"),
    (SYNTHETIC, "seed = 1", "", "splits.train: seed", "missing"),
    (SYNTHETIC, "seed = 1", "seed = -1", "splits.train: seed", "-1", "0"),
    (SYNTHETIC, "seed = 1", "seed = true", "splits.train: seed", "True", "integer"),
    (SYNTHETIC, "seed = 2", "seed = 1", "splits.test: seed", "1", "'train'"),
    (SYNTHETIC, "seed = 1", "seed = 1\nrows = [[1, 2, 3, 4, 'dot']]", "splits.train: rows", "'synthetic'"),
    (SYNTHETIC, "seed = 1", "seed = 1\npath = 'x'", "splits.train: path", "'synthetic'"),
    (SYNTHETIC, "samples = 5", "samples = 67108865", "splits.train: samples", "67108865", "67,108,864"),
    (SYNTHETIC, "[splits.train", "[files.a]\nbytes = 1\n[splits.train", "files", "'synthetic'"),
]
INVALID = [
    *((IMAGES, *case) for case in INVALID_IMAGES),
    *((EVENTS, *case) for case in INVALID_EVENTS),
    *INVALID_OTHERS,
]


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case[3])
def test_an_invalid_card_raises_an_error_of_its_field(case: tuple[str, ...]) -> None:
    card, old, new, field, *values = case
    assert old in card
    with raises_input_error(f"mine.toml: {field}", *values) as caught:
        read(card.replace(old, new, 1))
    assert caught.value.field == f"mine.toml: {field}"
    assert "\n" not in str(caught.value)


def test_a_plain_download_needs_a_checksum() -> None:
    bare = EVENTS.replace('md5 = "20959b8e626244a1b502305a9e6e2031"', "").replace('keep = ["Train/*/*.bin"]', "")
    with raises_input_error("archives.train.zip: md5", "checksum"):
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
def test_a_table_is_read_only_if_each_row_is_two_small_numbers_and_a_class(rows: list[Any], samples: int) -> None:
    def is_valid(row: list[Any]) -> bool:
        small = [type(number) is int and number in range(256) for number in row[:2]]
        return len(row) == 3 and all(small) and row[2] in ("a", "1") and isinstance(row[2], str)

    table = tomllib.loads(TABLE) | {"splits": {"train": {"samples": samples, "rows": rows}}}
    if rows and samples == len(rows) and all(map(is_valid, rows)):
        assert read_dataset(TomlTable("mine.toml", table, id="mine")).splits["train"].rows == tuple(map(tuple, rows))
    else:
        with raises_input_error("mine.toml: splits.train: "):
            read_dataset(TomlTable("mine.toml", table, id="mine"))


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    card=st.sampled_from([IMAGES, EVENTS, DIGITS, WORDS, TABLE, SYNTHETIC]), field=st.sampled_from(FIELDS), value=VALUES
)
@example(IMAGES, "files", {"..": {"bytes": 1}})
@example(IMAGES, "files", {"": {"bytes": 1}})
@example(EVENTS, "archives", {"a:b": {"md5": "0" * 32}})
@example(EVENTS, "listing", {"pattern": "..", "files": 1})
def test_a_field_of_any_value_gives_a_safe_card_or_an_input_error(card: str, field: str, value: Any) -> None:
    table = tomllib.loads(card) | {field: value}
    try:
        found = read_dataset(TomlTable("mine.toml", table, id="mine"))
    except InputError as error:
        assert str(error).startswith("mine.toml: ")
        return
    assert all(unpacked_patterns(archive) for archive in found.archives.values())
    places = [*found.folders, *found.files, *found.archives, *(split.path for split in found.splits.values())]
    assert all(".." not in Path(place).parts and not Path(place).is_absolute() for place in places)
