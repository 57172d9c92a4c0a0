"""Experiments as values: their options, and runs that open from what they wrote alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import EXPERIMENT, begun, trained

from snnlab import cards, page
from snnlab.encode import ENCODERS, Latency, Poisson
from snnlab.engine import Precision
from snnlab.errors import Refused
from snnlab.experiments import EXPERIMENTS, Experiment
from snnlab.experiments.options import explained, read
from snnlab.experiments.study import Study, check_same
from snnlab.rules.hm2bp import HM2BP, Decay
from snnlab.train import train

NAMES = sorted(EXPERIMENTS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("experiments") / "run").run.path


# What they are --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_called_what_it_is_called(name: str) -> None:
    assert EXPERIMENTS[name].name == name


def test_mnist_is_the_published_network_with_the_published_constants() -> None:
    """arXiv:1805.07866: section 4.1 and the authors' configuration files."""
    experiment = EXPERIMENTS["hm2bp-mnist"]
    circuit = experiment.network.circuit(784, 10, experiment.encoder.dt)
    assert [node.size for node in circuit.nodes] == [784, 800, 10]
    assert [one.parameters["v_th"] for one in circuit.populations] == [20.0, 8.0]
    assert (experiment.encoder.steps, experiment.encoder.dt) == (400, 1e-3)
    assert experiment.encoder.brightest == pytest.approx(1 / 5.5)
    cell = circuit.populations[0].cell
    assert [cell.parameters[name] for name in ("tau_m", "tau_s")] == ["64 ms", "8 ms"]
    assert isinstance(experiment.rule, HM2BP)
    assert (experiment.rule.target, experiment.rule.other, experiment.rule.margin) == (35, 5, 5)
    assert experiment.reported == 0.9884


def test_the_digits_are_a_network_for_their_64_pixels_and_10_classes(finished: Path) -> None:
    circuit = Study.open(finished).trial.circuit
    assert [node.size for node in circuit.nodes] == [64, 24, 10]


@pytest.mark.parametrize("name", NAMES)
def test_the_digests_are_those_of_the_cards(name: str) -> None:
    experiment = EXPERIMENTS[name]
    expected = {
        **{
            f"datasets/{one}.toml": cards.dataset(one).digest for one in {experiment.dataset, experiment.source("test")}
        },
        "models/lif_exp_euler.toml": cards.cell("lif_exp_euler").digest,
    }
    assert experiment.digests() == expected


# Options --------------------------------------------------------------------------------------------------------------


def leaves(value: Any, prefix: str = "") -> set[str]:
    """Dotted names of all fields that are no dataclasses, found by walking."""
    found: set[str] = set()
    for field in fields(value):
        inner = getattr(value, field.name)
        found |= leaves(inner, f"{prefix}{field.name}.") if is_dataclass(inner) else {f"{prefix}{field.name}"}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_an_option_but_what_the_experiment_is_and_the_machine(name: str) -> None:
    experiment = EXPERIMENTS[name]
    fixed = {"name", "summary", "reference", "reported", "dataset", "tested_on", "rule.threads"}
    named = set() if isinstance(experiment.encoder, Poisson) else {"encoder"}
    assert set(experiment.options()) == leaves(experiment) - fixed | named


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained_and_every_word_it_may_be(name: str) -> None:
    experiment = EXPERIMENTS[name]
    told = experiment.explanations()
    assert told.keys() == experiment.options().keys()
    assert [option for option, text in told.items() if not text] == []
    assert all(word in told["rule.decay"] for word in get_args(Decay))
    assert all(word in told["rule.precision"] for word in get_args(Precision))
    # the last words of a row of three lines, of two and of one
    assert told["augment.displacement"].endswith("displacement / sqrt(12 pi), whatever sigma")
    assert told["network.hidden"].endswith('"15C5-P2" is two layers')
    assert told["network.v_th"] == "threshold of every layer, the output's last"


@dataclass(frozen=True)
class Inner:
    """What is inside.

    depth, width  two of a kind,
                  gone on with
    Not a row  for it begins with a capital and has spaces.

      untold  nor this one, which is further right

    shade   with ``code`` in it
    """

    depth: int = 1
    width: int = 2
    shade: str = "dark"
    untold: bool = True


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    plain: float = 0.0


def test_explanations_are_the_rows_of_the_docstrings_and_nothing_else() -> None:
    both = "two of a kind, gone on with"
    found = {"inner.depth": both, "inner.width": both, "inner.shade": "with `code` in it", "inner.untold": "",
             "plain": ""}  # fmt: skip
    assert explained(Outer()) == found
    assert explained(Outer(), skip=("inner",)) == {"plain": ""}


@pytest.mark.parametrize("name", NAMES)
def test_options_survive_json(name: str) -> None:
    experiment = EXPERIMENTS[name]
    kept = json.loads(json.dumps(experiment.options()))
    assert experiment.with_options(kept) == experiment


@given(
    hidden=st.lists(st.from_regex(r"[1-9][0-9]{0,3}|[1-9][0-9]?C[1-9]|P[1-9]", fullmatch=True), max_size=4),
    rate=st.floats(1e-300, 1e300),
    steps=st.integers(1, 10**6),
    fresh=st.booleans(),
    precision=st.sampled_from(["float32", "float64"]),
)
def test_options_mean_the_same_as_text_and_as_values(
    hidden: list[str], rate: float, steps: int, fresh: bool, precision: str
) -> None:
    values = {
        "network.hidden": hidden,
        "rule.learning_rate": rate,
        "encoder.steps": steps,
        "encoder.fresh": fresh,
        "rule.precision": precision,
    }
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in values.items()
    }
    by_value, by_text = EXPERIMENT.with_options(values), EXPERIMENT.with_options(texts)
    assert by_value == by_text
    assert by_value.network.hidden == tuple(hidden)
    assert by_value.encoder.fresh is fresh
    assert isinstance(by_value.rule, HM2BP) and by_value.rule.learning_rate == rate


def test_an_option_changes_itself_alone() -> None:
    changed = EXPERIMENT.with_options({"rule.optimiser.beta1": "0.5"})
    before, after = EXPERIMENT.options(), changed.options()
    assert {name for name in before if before[name] != after[name]} == {"rule.optimiser.beta1"}
    assert isinstance(changed.rule, HM2BP) and changed.rule.optimiser.beta1 == 0.5


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("epochs", "0", "--set epochs: found 0; needs at least 1"),
        ("batch", "-1", "--set batch: found -1; needs at least 1"),
        ("batch", "1e2", "--set batch: found '1e2'; needs a whole number"),
        ("batch", str(2**31), "--set batch: found '2147483648'; needs a whole number up to 2147483647"),
        ("rule.lerning_rate", "1", "did you mean 'rule.learning_rate'"),
        ("rule", "1", "--set rule: no such option"),
        ("rule.threads", "1", "--set rule.threads: no such option"),
        ("name", "mine", "--set name: no such option"),
        ("", "5", "^--set: found '=5'; needs NAME=VALUE, such as epochs=5$"),
        ("__class__", "1", "no such option"),
        ("rule.__init__", "1", "no such option"),
        ("rule.learning_rate", "fast", "--set rule.learning_rate: found 'fast'; needs a number"),
        ("rule.learning_rate", "nan", "found 'nan'; needs a number"),
        ("rule.learning_rate", "inf", "found 'inf'; needs a number"),
        ("rule.learning_rate", "", "found ''; needs a number"),
        ("rule.decay", "maybe", "--set rule.decay: found 'maybe'; known: cosine, none, sqrt"),
        ("rule.self_term", "maybe", "found 'maybe'; needs true or false"),
        ("rule.precision", "float16", "--set rule.precision: found 'float16'; did you mean"),
        ("network.hidden", "10,x", "--set network.hidden: found 'x'; needs at least one neuron in each layer, as 800"),
        ("network.hidden", "10,0", "--set network.hidden: .* at least one neuron"),
        ("network.hidden", "5C0", "--set network.hidden: found '5C0'"),
        ("network.hidden", "P", "--set network.hidden: found 'P'"),
        ("network.inhibition", "-1", "--set network.inhibition: found -1.0; needs a weight, at least 0"),
        ("network.v_th", "1,-1", "--set network.v_th: .* thresholds above 0"),
        ("encoder.steps", "0", "--set encoder.steps: found 0"),
        ("encoder.brightest", "2", "--set encoder.brightest: found 2.0; needs a probability"),
        ("encoder.dt", "1 ms", "--set encoder.dt: found '1 ms'; needs a number"),
    ],
)
def test_an_impossible_option_is_refused_by_name(name: str, given: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        EXPERIMENT.with_options({name: given})


def test_layers_and_thresholds_must_be_as_many() -> None:
    with pytest.raises(Refused, match="network.v_th: 2 thresholds; needs one for each of 3 layers"):
        begun(Path("never made"), experiment=EXPERIMENT.with_options({"network.hidden": "20,20"}))
    assert not Path("never made").exists()


@pytest.mark.parametrize("option", [{"network.cell": "lif"}, {"network.cell": "ampa"}, {"network.receptor": "nmda"}])
def test_what_cannot_be_trained_is_refused_before_anything_is_written(option: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Refused):
        begun(tmp_path / "run", experiment=EXPERIMENT.with_options(option))
    assert not (tmp_path / "run").exists()


@given(value=st.one_of(st.none(), st.lists(st.none()), st.dictionaries(st.text(), st.none()), st.text()))
def test_whatever_stands_in_a_file_is_read_as_a_number_or_refused(value: Any) -> None:
    try:
        found = read(value, float, "here")
    except Refused as refused:
        assert refused.where == "here"
    else:
        assert type(found) is float and math.isfinite(found)


def test_an_experiment_may_be_tested_on_another_dataset_than_it_learns_from() -> None:
    experiment = replace(EXPERIMENTS["hm2bp-digits"], tested_on="mnist")
    assert [experiment.source(split) for split in ("train", "test")] == ["digits", "mnist"]
    assert "datasets/mnist.toml" in experiment.digests()
    assert replace(experiment, tested_on="").source("test") == "digits"


# Another encoder ------------------------------------------------------------------------------------------------------

OF_IMAGES = ["current", "delta", "latency", "poisson", "population", "regular"]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_an_experiment_takes_any_encoder_by_name_and_leaves_it_the_grid_of_time(name: str) -> None:
    changed = EXPERIMENT.with_options({"encoder": name})
    assert type(changed.encoder) is ENCODERS[name]
    assert (changed.encoder.steps, changed.encoder.dt) == (60, 1e-3)
    assert replace(changed, encoder=EXPERIMENT.encoder) == EXPERIMENT
    assert EXPERIMENT.with_options(json.loads(json.dumps(changed.options()))) == changed
    assert changed.with_options({"encoder": "poisson", "encoder.brightest": 1 / 5.5}) == EXPERIMENT


def test_an_encoder_and_its_options_may_come_in_any_order() -> None:
    """Of these, Poisson has no form; `encoder.steps` is of both."""
    options = {"encoder.form": "log", "encoder.steps": "33", "encoder": "latency", "encoder.least": "0.2"}
    assert EXPERIMENT.with_options(options).encoder == Latency(steps=33, form="log", least=0.2)
    assert "encoder" not in EXPERIMENT.options() and EXPERIMENT.with_options(options).options()["encoder"] == "latency"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoder": "latencies"}, "--set encoder: found 'latencies'; did you mean 'latency'"),
        ({"encoder": 7}, "--set encoder: found 7; needs text"),
        (
            {"encoder": "filmed"},
            "^--set encoder: found 'filmed'; only experiments that begin with it have it; known: curr",
        ),
        ({"encoder": "current", "encoder.low": "nan"}, "^--set encoder.low: 'nan' is not a number with a unit"),
        (
            {"encoder": "ear", "encoder.channels": "0"},
            "^--set encoder.channels: found 0; needs a number of filters, 1 ",
        ),
        ({"encoder": "ear", "encoder.level": "0"}, "^--set encoder.level: found 0.0; needs a number, 1e-9 to 1000$"),
        (
            {"encoder": "latency", "encoder.least": "0", "encoder.form": "log"},
            "^--set encoder.least: found 0.0; needs an intensity, 0 to below 1; from 1e-6 on where form is log$",
        ),
        (
            {"encoder": "ear", "encoder.rate": "1000", "encoder.decimation": "1001"},
            "^--set encoder.decimation: found 10",
        ),
        ({"encoder": ["latency"]}, "--set encoder: .* needs text"),
        ({"encoder.form": "log"}, "--set encoder.form: no such option"),
        ({"encoder": "latency", "encoder.brightest": "1"}, "--set encoder.brightest: no such option"),
        ({"encoder": "population", "encoder.fields": "2"}, "--set encoder.fields: found 2; needs a whole number"),
    ],
)
def test_an_encoder_that_cannot_be_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        EXPERIMENT.with_options(options)


def test_a_field_that_another_makes_wrong_is_named_beside_it() -> None:
    experiment = EXPERIMENT.with_options({"encoder": "latency", "encoder.least": "0"})
    with pytest.raises(Refused, match=r"^--set encoder.form: encoder.least: found 0.0; needs an intensity"):
        experiment.with_options({"encoder.form": "log"})


def test_options_that_bear_upon_one_another_are_changed_together() -> None:
    way = {"encoder.camera.right": "0,1,2", "encoder.camera.down": "0,3,0"}
    experiment = EXPERIMENTS["hm2bp-camera"]
    camera = experiment.with_options(way).encoder.camera
    assert (camera.right, camera.down) == ((0, 1, 2), (0, 3, 0))
    for name, places in way.items():
        with pytest.raises(Refused, match="^--set encoder.camera.(right|down): .* needs as many places as down"):
            experiment.with_options({name: places})


def test_the_encoder_of_films_has_a_name_and_words_of_its_own() -> None:
    experiment = EXPERIMENTS["hm2bp-camera"]
    assert experiment.options()["encoder"] == "filmed"
    assert "filmed by encoder.camera" in experiment.explanations()["encoder"]
    for name in ("filmed", "Filmed"):
        assert experiment.with_options({"encoder": name}) == experiment


def test_no_other_encoder_takes_both_images_and_recordings() -> None:
    with pytest.raises(Refused, match="encoder: found 'poisson', .* tested on recordings of nmnist; only 'filmed'"):
        EXPERIMENTS["hm2bp-camera"].with_options({"encoder": "poisson"})


def test_an_encoder_that_cannot_have_the_grid_is_refused() -> None:
    odd = EXPERIMENT.with_options({"encoder.dt": 1.5e-6})
    with pytest.raises(Refused, match="--set encoder: sensor: Sensor.dt"):
        odd.with_options({"encoder": "sensor"})


@pytest.mark.parametrize(("name", "inputs"), [("latency", 64), ("population", 64 * 6), ("delta", 2 * 8)])
def test_a_run_with_another_encoder_opens_again_with_as_many_inputs_as_it_has(
    name: str, inputs: int, tmp_path: Path
) -> None:
    study = begun(tmp_path / "run", experiment=EXPERIMENT.with_options({"encoder": name, "epochs": 1}))
    for _ in train(study.trial, study.run):
        pass
    again = Study.open(tmp_path / "run")
    assert again.experiment == study.experiment
    assert again.trial.circuit.sources[0].size == inputs
    with pytest.raises(Refused, match=f"--set encoder: found poisson; .* has {name}"):
        check_same(tmp_path / "run", "hm2bp-digits", {"encoder": "poisson"}, None)
    check_same(tmp_path / "run", "hm2bp-digits", {"encoder": name}, None)


def test_a_run_of_poisson_is_not_taken_up_with_another_encoder(finished: Path) -> None:
    check_same(finished, "hm2bp-digits", {"encoder": "poisson"}, None)
    with pytest.raises(Refused, match="--set encoder: found regular; .* has poisson"):
        check_same(finished, "hm2bp-digits", {"encoder": "regular"}, None)


def test_the_card_of_an_encoding_cell_is_one_that_the_experiment_is_made_of() -> None:
    changed = EXPERIMENT.with_options({"encoder": "current"})
    assert changed.digests() == EXPERIMENT.digests() | {"models/lif_exp.toml": cards.cell("lif_exp").digest}


# Studies --------------------------------------------------------------------------------------------------------------


def test_a_run_opens_from_what_it_wrote_alone(finished: Path) -> None:
    study = Study.open(finished)
    assert study.experiment == EXPERIMENT
    assert study.trial.seed == 1
    assert study.trial.batch == 240


def test_defaults_that_change_later_do_not_change_a_run(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = EXPERIMENTS["hm2bp-digits"].with_options({"rule.learning_rate": 7.0, "network.hidden": ["3", "3"]})
    monkeypatch.setitem(EXPERIMENTS, "hm2bp-digits", other)
    assert Study.open(finished).experiment == EXPERIMENT


@pytest.mark.parametrize("card", ["models/lif_exp_euler.toml", "datasets/digits.toml"])
def test_a_card_that_has_changed_since_is_refused(
    card: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = tmp_path / "shelves"
    for kind in ("models", "datasets"):
        (shelves / kind).mkdir(parents=True)
        for entry in cards.shelf(kind).iterdir():
            (shelves / kind / entry.name).write_bytes(entry.read_bytes())
    monkeypatch.setattr(page, "shelf", lambda name: shelves / name)
    Study.open(finished)
    (shelves / card).write_bytes((shelves / card).read_bytes() + b"\n# a remark\n")
    with pytest.raises(Refused, match=rf"^{card}: sha256 [0-9a-f]{{12}}, and [0-9a-f]{{12}} when .* was begun; put"):
        Study.open(finished)


def test_data_is_looked_for_where_it_was(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    study = Study.begin(tmp_path / "run", EXPERIMENT, folder=place)
    assert study.run.experiment["data"] == str(place)
    place.rmdir()
    Study.open(tmp_path / "run")  # these digits ship with scikit-learn


@pytest.mark.parametrize(
    ("name", "changes", "seed", "says"),
    [
        ("hm2bp-digits", {}, None, None),
        ("hm2bp-digits", {"batch": "240", "network.v_th": "3,3"}, 1, None),
        ("hm2bp-mnist", {}, None, "a run of 'hm2bp-digits'; not of 'hm2bp-mnist'"),
        ("hm2bp-digits", {"batch": "32"}, None, "--set batch: found 32; .* has 240"),
        ("hm2bp-digits", {"network.v_th": "3,4"}, None, "--set network.v_th: found 3.0,4.0; .* has 3.0,3.0"),
        ("hm2bp-digits", {"bach": "32"}, None, "--set bach: no such option"),
        ("hm2bp-digits", {}, 2, "--seed: found 2; .* has 1"),
    ],
)
def test_a_run_is_not_taken_up_as_something_else(
    name: str, changes: dict[str, str], seed: int | None, says: str | None, finished: Path
) -> None:
    if says is None:
        check_same(finished, name, changes, seed)
        return
    with pytest.raises(Refused, match=says):
        check_same(finished, name, changes, seed)


def test_epochs_may_be_fewer_than_asked_for_but_not_than_done(tmp_path: Path) -> None:
    experiment = replace(EXPERIMENT, epochs=5)
    study = begun(tmp_path / "run", experiment=experiment)
    for report in train(study.trial, study.run):
        if report.row and report.row["epoch"] == 3:
            break
    with pytest.raises(Refused, match="--epochs: found 2; .* has come to epoch 3"):
        Study.open(tmp_path / "run", epochs=2)
    assert Study.open(tmp_path / "run").experiment.epochs == 5
    assert Study.open(tmp_path / "run", epochs=3).trial.epochs == 3
    assert Study.open(tmp_path / "run").experiment.epochs == 3


def test_the_summary_is_of_the_last_epoch_and_not_of_the_best(tmp_path: Path) -> None:
    study = trained(tmp_path / "run")
    _, progress = study.restored()
    progress.rows[0]["test_accuracy"] = 1.0
    summary = study.summarise(progress)
    assert json.loads(json.dumps(summary)) == json.loads(
        (tmp_path / "run" / "summary.json").read_text(encoding="utf-8")
    )
    assert summary["test_accuracy"] == progress.rows[1]["test_accuracy"] < 1
    assert (summary["experiment"], summary["seed"], summary["epochs"]) == ("hm2bp-digits", 1, 2)
    assert summary["wall_s"] == pytest.approx(sum(row["seconds"] for row in progress.rows))
    assert summary["versions"]["numpy"] == np.__version__
    wanted = {"train_samples_per_s", "test_samples_per_s", "spikes_per_sample", "reported", "reference", "options"}
    assert wanted <= summary.keys()


@pytest.mark.slow
def test_the_digits_are_learned_to_95_percent(tmp_path: Path) -> None:
    study = Study.begin(tmp_path / "run", EXPERIMENTS["hm2bp-digits"], seed=0)
    rows = [report.row for report in train(study.trial, study.run) if report.row]
    assert rows[-1]["epoch"] == EXPERIMENTS["hm2bp-digits"].epochs
    assert rows[-1]["test_accuracy"] >= 0.95


def test_the_experiments_are_what_the_dictionary_says() -> None:
    assert all(isinstance(one, Experiment) for one in EXPERIMENTS.values())
