"""Experiments as values: their options, and runs that open from what they wrote alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import EXPERIMENT, begun, trained

from snnlab import cards
from snnlab.cards import library
from snnlab.encoders import ENCODERS, Latency
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run, check_same
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.networks.two_stream import TwoStream
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training.loop import train

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
    assert experiment.encoder.max_rate == pytest.approx(1 / 5.5)
    cell = circuit.populations[0].cell
    assert [cell.parameters[name] for name in ("tau_m", "tau_s")] == ["64 ms", "8 ms"]
    assert isinstance(experiment.rule, HM2BP)
    assert (experiment.rule.target, experiment.rule.non_target, experiment.rule.margin) == (35, 5, 5)
    assert experiment.reported == 0.9884


def test_the_digits_are_a_network_for_their_64_pixels_and_10_classes(finished: Path) -> None:
    circuit = Run.open(finished).config.circuit
    assert [node.size for node in circuit.nodes] == [64, 24, 10]


@pytest.mark.parametrize("name", NAMES)
def test_the_digests_are_those_of_the_cards(name: str) -> None:
    experiment = EXPERIMENTS[name]
    expected = {
        **{
            f"datasets/{one}.toml": cards.dataset(one).digest for one in {experiment.dataset, experiment.source("test")}
        },
    }
    if isinstance(experiment.network, Microcircuit):
        shelf = {path.stem for path in cards.library_folder("models").iterdir()}
        network = experiment.network
        kind = "_poisson" if network.spikes_per_ms else "_latent" if network.latent else ""
        models = {f"{one}{kind}" for one in ("pyramidal_hidden", "pyramidal_output", "interneuron")}
        models |= {"poisson_input"} if network.spikes_per_ms else set()
        kind = "spiking_" if network.spikes_per_ms else "plastic_"
        models |= {one for one in shelf if one.startswith(kind) and not one.endswith("scending")}
        assert len(models) == (8 if network.spikes_per_ms else 7)
    elif isinstance(experiment.network, TwoStream):
        models = {f"{kind}_{one}" for one in ("ascending", "descending") for kind in ("stream", "plastic")}
    elif isinstance(experiment.network, MLP):
        models = {"rate_unit"}
    elif isinstance(experiment.network, CorInfoMaxNetwork):
        models = {"corinfomax_hidden", "corinfomax_output"}
        models |= {"corinfomax_multiplier"} if experiment.network.sparse else set()
    else:
        models = {experiment.network.cell, experiment.network.synapse} - {""}
    for name_of in models:
        text = (cards.library_folder("models") / f"{name_of}.toml").read_bytes()
        expected[f"models/{name_of}.toml"] = hashlib.sha256(text).hexdigest()
    assert experiment.digests() == expected
    if isinstance(experiment.network, FeedForward):
        assert len(expected) == (3 if name.startswith(("normad", "resume", "span")) or experiment.tested_on else 2)


@pytest.mark.parametrize("encoder", ["current", "features"])
def test_the_cards_of_an_encoder_are_among_the_digests(encoder: str) -> None:
    """And those of an encoder without cells are not."""
    experiment = EXPERIMENTS["hm2bp-digits"]
    other = experiment.with_options({"encoder": encoder, "encoder.cell": "adex"})
    assert other.digests()["models/adex.toml"] == cards.cell("adex").digest
    synapse = "models/double_exponential_current.toml"
    assert (synapse in other.digests()) == (encoder == "features")
    assert not {"models/adex.toml", synapse} & experiment.digests().keys()


@pytest.mark.parametrize("option", [{"network.cell": "lif"}, {"network.cell": "ampa"}, {"network.receptor": "nmda"}])
def test_what_cannot_be_trained_is_refused_before_anything_is_written(option: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        begun(tmp_path / "run", experiment=EXPERIMENT.with_options(option))
    assert not (tmp_path / "run").exists()


def test_an_experiment_may_be_tested_on_another_dataset_than_it_learns_from() -> None:
    experiment = replace(EXPERIMENTS["hm2bp-digits"], tested_on="mnist")
    assert [experiment.source(split) for split in ("train", "test")] == ["digits", "mnist"]
    assert "datasets/mnist.toml" in experiment.digests()
    assert replace(experiment, tested_on="").source("test") == "digits"


# Another encoder ------------------------------------------------------------------------------------------------------

OF_IMAGES = ["current", "delta", "latency", "patterns", "poisson", "population", "regular"]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_an_experiment_takes_any_encoder_by_name_and_leaves_it_the_grid_of_time(name: str) -> None:
    changed = EXPERIMENT.with_options({"encoder": name})
    assert type(changed.encoder) is ENCODERS[name]
    assert (changed.encoder.steps, changed.encoder.dt) == (60, 1e-3)
    assert replace(changed, encoder=EXPERIMENT.encoder) == EXPERIMENT
    assert EXPERIMENT.with_options(json.loads(json.dumps(changed.options()))) == changed
    assert changed.with_options({"encoder": "poisson", "encoder.max_rate": 1 / 5.5}) == EXPERIMENT


def test_an_encoder_and_its_options_may_come_in_any_order() -> None:
    """Of these, Poisson has no form; `encoder.steps` is of both."""
    options = {"encoder.form": "log", "encoder.steps": "33", "encoder": "latency", "encoder.threshold": "0.2"}
    assert EXPERIMENT.with_options(options).encoder == Latency(steps=33, form="log", threshold=0.2)
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
            {"encoder": "latency", "encoder.threshold": "0", "encoder.form": "log"},
            "^--set encoder.threshold: found 0.0; needs an intensity, 0 to below 1; from 1e-6 on where form is log$",
        ),
        (
            {"encoder": "ear", "encoder.sample_rate": "1000", "encoder.decimation": "1001"},
            "^--set encoder.decimation: found 10",
        ),
        ({"encoder": ["latency"]}, "--set encoder: .* needs text"),
        ({"encoder.form": "log"}, "--set encoder.form: no such option"),
        ({"encoder": "latency", "encoder.max_rate": "1"}, "--set encoder.max_rate: no such option"),
        ({"encoder": "population", "encoder.fields": "2"}, "--set encoder.fields: found 2; needs a whole number"),
    ],
)
def test_an_encoder_that_cannot_be_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        EXPERIMENT.with_options(options)


def test_a_field_that_another_makes_wrong_is_named_beside_it() -> None:
    experiment = EXPERIMENT.with_options({"encoder": "latency", "encoder.threshold": "0"})
    with pytest.raises(InputError, match=r"^--set encoder.form: encoder.threshold: found 0.0; needs an intensity"):
        experiment.with_options({"encoder.form": "log"})


def test_options_that_bear_upon_one_another_are_changed_together() -> None:
    way = {"encoder.camera.x_path": "0,1,2", "encoder.camera.y_path": "0,3,0"}
    experiment = EXPERIMENTS["hm2bp-camera"]
    camera = experiment.with_options(way).encoder.camera
    assert (camera.x_path, camera.y_path) == ((0, 1, 2), (0, 3, 0))
    for name, places in way.items():
        with pytest.raises(InputError, match="^--set encoder.camera.(right|down): .* needs as many places as down"):
            experiment.with_options({name: places})


def test_the_encoder_of_films_has_a_name_and_words_of_its_own() -> None:
    experiment = EXPERIMENTS["hm2bp-camera"]
    assert experiment.options()["encoder"] == "filmed"
    assert "filmed by encoder.camera" in experiment.option_help()["encoder"]
    for name in ("filmed", "simulatedcamera"):
        assert experiment.with_options({"encoder": name}) == experiment


def test_no_other_encoder_takes_both_images_and_recordings() -> None:
    with pytest.raises(InputError, match="encoder: found 'poisson', .* tested on recordings of nmnist; only 'filmed'"):
        EXPERIMENTS["hm2bp-camera"].with_options({"encoder": "poisson"})


def test_an_encoder_that_cannot_have_the_grid_is_refused() -> None:
    odd = EXPERIMENT.with_options({"encoder.dt": 1.5e-6})
    with pytest.raises(InputError, match="--set encoder: sensor: Sensor.dt"):
        odd.with_options({"encoder": "sensor"})


@pytest.mark.parametrize(("name", "inputs"), [("latency", 64), ("population", 64 * 6), ("delta", 2 * 8)])
def test_a_run_with_another_encoder_opens_again_with_as_many_inputs_as_it_has(
    name: str, inputs: int, tmp_path: Path
) -> None:
    study = begun(tmp_path / "run", experiment=EXPERIMENT.with_options({"encoder": name, "epochs": 1}))
    for _ in train(study.config, study.directory):
        pass
    again = Run.open(tmp_path / "run")
    assert again.experiment == study.experiment
    assert again.config.circuit.sources[0].size == inputs
    with pytest.raises(InputError, match=f"--set encoder: found poisson; .* has {name}"):
        check_same(tmp_path / "run", "hm2bp-digits", {"encoder": "poisson"}, None)
    check_same(tmp_path / "run", "hm2bp-digits", {"encoder": name}, None)


def test_a_run_of_poisson_is_not_taken_up_with_another_encoder(finished: Path) -> None:
    check_same(finished, "hm2bp-digits", {"encoder": "poisson"}, None)
    with pytest.raises(InputError, match="--set encoder: found regular; .* has poisson"):
        check_same(finished, "hm2bp-digits", {"encoder": "regular"}, None)


def test_the_card_of_an_encoding_cell_is_one_that_the_experiment_is_made_of() -> None:
    changed = EXPERIMENT.with_options({"encoder": "current"})
    assert changed.digests() == EXPERIMENT.digests() | {"models/lif_exp.toml": cards.cell("lif_exp").digest}


# Studies --------------------------------------------------------------------------------------------------------------


def test_a_run_opens_from_what_it_wrote_alone(finished: Path) -> None:
    study = Run.open(finished)
    assert study.experiment == EXPERIMENT
    assert study.config.seed == 1
    assert study.config.batch == 240


def test_defaults_that_change_later_do_not_change_a_run(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = EXPERIMENTS["hm2bp-digits"].with_options({"rule.learning_rate": 7.0, "network.hidden": ["3", "3"]})
    monkeypatch.setitem(EXPERIMENTS, "hm2bp-digits", other)
    assert Run.open(finished).experiment == EXPERIMENT


@pytest.mark.parametrize("card", ["models/lif_exp_euler.toml", "datasets/digits.toml"])
def test_a_card_that_has_changed_since_is_refused(
    card: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = tmp_path / "shelves"
    for kind in ("models", "datasets"):
        (shelves / kind).mkdir(parents=True)
        for entry in cards.library_folder(kind).iterdir():
            (shelves / kind / entry.name).write_bytes(entry.read_bytes())
    monkeypatch.setattr(library, "library_folder", lambda name: shelves / name)
    Run.open(finished)
    (shelves / card).write_bytes((shelves / card).read_bytes() + b"\n# a remark\n")
    with pytest.raises(InputError, match=rf"^{card}: sha256 [0-9a-f]{{12}}, and [0-9a-f]{{12}} when .* was begun; put"):
        Run.open(finished)


def test_data_is_looked_for_where_it_was(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    study = Run.create(tmp_path / "run", EXPERIMENT, folder=place)
    assert study.directory.experiment["data"] == str(place)
    place.rmdir()
    Run.open(tmp_path / "run")  # these digits ship with scikit-learn


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
    with pytest.raises(InputError, match=says):
        check_same(finished, name, changes, seed)


def test_epochs_may_be_fewer_than_asked_for_but_not_than_done(tmp_path: Path) -> None:
    experiment = replace(EXPERIMENT, epochs=5)
    study = begun(tmp_path / "run", experiment=experiment)
    for report in train(study.config, study.directory):
        if report.row and report.row["epoch"] == 3:
            break
    with pytest.raises(InputError, match="--epochs: found 2; .* has come to epoch 3"):
        Run.open(tmp_path / "run", epochs=2)
    assert Run.open(tmp_path / "run").experiment.epochs == 5
    assert Run.open(tmp_path / "run", epochs=3).config.epochs == 3
    assert Run.open(tmp_path / "run").experiment.epochs == 3


def test_the_summary_is_of_the_last_epoch_and_not_of_the_best(tmp_path: Path) -> None:
    study = trained(tmp_path / "run")
    _, progress = study.restore()
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
    study = Run.create(tmp_path / "run", EXPERIMENTS["hm2bp-digits"], seed=0)
    rows = [report.row for report in train(study.config, study.directory) if report.row]
    assert rows[-1]["epoch"] == EXPERIMENTS["hm2bp-digits"].epochs
    assert rows[-1]["test_accuracy"] >= 0.95
