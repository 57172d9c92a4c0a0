"""Experiments as values: their options, and runs that open from what they wrote alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from small_run import EXPERIMENT, create_run, train_run

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


# Definitions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_listed_under_its_name(name: str) -> None:
    assert EXPERIMENTS[name].name == name


def test_hm2bp_mnist_has_the_published_network_and_constants() -> None:
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


def test_the_digits_network_has_64_inputs_and_10_outputs(finished_path: Path) -> None:
    circuit = Run.open(finished_path).config.circuit
    assert [node.size for node in circuit.nodes] == [64, 24, 10]


@pytest.mark.parametrize("name", NAMES)
def test_digests_are_those_of_the_card_files(name: str) -> None:
    experiment = EXPERIMENTS[name]
    expected = {
        **{
            f"datasets/{one}.toml": cards.dataset(one).digest for one in {experiment.dataset, experiment.source("test")}
        },
    }
    if isinstance(experiment.network, Microcircuit):
        available = {path.stem for path in cards.library_folder("models").iterdir()}
        network = experiment.network
        kind = "_poisson" if network.spikes_per_ms else "_latent" if network.latent else ""
        models = {f"{one}{kind}" for one in ("pyramidal_hidden", "pyramidal_output", "interneuron")}
        models |= {"poisson_input"} if network.spikes_per_ms else set()
        kind = "spiking_" if network.spikes_per_ms else "plastic_"
        models |= {one for one in available if one.startswith(kind) and not one.endswith("scending")}
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
def test_digests_include_the_cards_of_the_encoder(encoder: str) -> None:
    """Only for an encoder with cells."""
    experiment = EXPERIMENTS["hm2bp-digits"]
    other = experiment.with_options({"encoder": encoder, "encoder.cell": "adex"})
    assert other.digests()["models/adex.toml"] == cards.cell("adex").digest
    synapse = "models/double_exponential_current.toml"
    assert (synapse in other.digests()) == (encoder == "features")
    assert not {"models/adex.toml", synapse} & experiment.digests().keys()


@pytest.mark.parametrize("option", [{"network.cell": "lif"}, {"network.cell": "ampa"}, {"network.receptor": "nmda"}])
def test_an_untrainable_network_is_refused_before_anything_is_written(option: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        create_run(tmp_path / "run", experiment=EXPERIMENT.with_options(option))
    assert not (tmp_path / "run").exists()


def test_an_experiment_can_be_tested_on_another_dataset() -> None:
    experiment = replace(EXPERIMENTS["hm2bp-digits"], tested_on="mnist")
    assert [experiment.source(split) for split in ("train", "test")] == ["digits", "mnist"]
    assert "datasets/mnist.toml" in experiment.digests()
    assert replace(experiment, tested_on="").source("test") == "digits"


# Encoder -------------------------------------------------------------------------------------------------------------

OF_IMAGES = ["current", "delta", "latency", "patterns", "poisson", "population", "regular"]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_encoder_can_be_replaced_by_name_and_keeps_the_time_grid(name: str) -> None:
    changed = EXPERIMENT.with_options({"encoder": name})
    assert type(changed.encoder) is ENCODERS[name]
    assert (changed.encoder.steps, changed.encoder.dt) == (60, 1e-3)
    assert replace(changed, encoder=EXPERIMENT.encoder) == EXPERIMENT
    assert EXPERIMENT.with_options(json.loads(json.dumps(changed.options()))) == changed
    assert changed.with_options({"encoder": "poisson", "encoder.max_rate": 1 / 5.5}) == EXPERIMENT


def test_an_encoder_and_its_options_can_be_given_in_any_order() -> None:
    """Poisson has no `form`; both have `steps`."""
    options = {"encoder.form": "log", "encoder.steps": "33", "encoder": "latency", "encoder.threshold": "0.2"}
    assert EXPERIMENT.with_options(options).encoder == Latency(steps=33, form="log", threshold=0.2)
    assert "encoder" not in EXPERIMENT.options() and EXPERIMENT.with_options(options).options()["encoder"] == "latency"


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"encoder": "latencies"}, "--set encoder", "'latency'"),
        ({"encoder": 7}, "--set encoder", 7),
        ({"encoder": ["latency"]}, "--set encoder", "['latency']"),
        ({"encoder": "simulated-camera"}, "--set encoder", "simulated-camera"),
        ({"encoder": "current", "encoder.low": "nan"}, "--set encoder.low", "nan"),
        ({"encoder": "ear", "encoder.channels": "0"}, "--set encoder.channels", 0),
        ({"encoder": "ear", "encoder.level": "0"}, "--set encoder.level", 0.0),
        (
            {"encoder": "latency", "encoder.threshold": "0", "encoder.form": "log"},
            "--set encoder.threshold",
            0.0,
        ),
        (
            {"encoder": "ear", "encoder.sample_rate": "1000", "encoder.decimation": "1001"},
            "--set encoder.decimation",
            1001,
        ),
        ({"encoder.form": "log"}, "--set encoder.form", "latency"),
        ({"encoder": "latency", "encoder.max_rate": "1"}, "--set encoder.max_rate", "poisson"),
        ({"encoder": "population", "encoder.fields": "2"}, "--set encoder.fields", 2),
    ],
)
def test_an_invalid_encoder_is_refused_by_name(options: dict[str, Any], field: str, value: Any) -> None:
    with raises_input_error(field, value):
        EXPERIMENT.with_options(options)


def test_an_unchanged_option_that_becomes_invalid_is_named() -> None:
    experiment = EXPERIMENT.with_options({"encoder": "latency", "encoder.threshold": "0"})
    with raises_input_error("--set encoder.form", "encoder.threshold", 0.0):
        experiment.with_options({"encoder.form": "log"})


def test_options_that_depend_on_each_other_are_changed_together() -> None:
    path = {"encoder.camera.x_path": "0,1,2", "encoder.camera.y_path": "0,3,0"}
    experiment = EXPERIMENTS["hm2bp-camera"]
    camera = experiment.with_options(path).encoder.camera
    assert (camera.x_path, camera.y_path) == ((0, 1, 2), (0, 3, 0))
    for name, places in path.items():
        with raises_input_error("--set encoder.camera."):
            experiment.with_options({name: places})


def test_the_simulated_camera_has_its_own_name_and_help() -> None:
    experiment = EXPERIMENTS["hm2bp-camera"]
    assert experiment.options()["encoder"] == "simulated-camera"
    assert "encoder.camera" in experiment.option_help()["encoder"]
    assert experiment.with_options({"encoder": "simulated-camera"}) == experiment


def test_the_simulated_camera_cannot_be_replaced() -> None:
    with raises_input_error("--set encoder", "'poisson'", "nmnist"):
        EXPERIMENTS["hm2bp-camera"].with_options({"encoder": "poisson"})


def test_an_encoder_that_does_not_support_the_time_grid_is_refused() -> None:
    odd = EXPERIMENT.with_options({"encoder.dt": 1.5e-6})
    with raises_input_error("--set encoder", "Sensor.dt"):
        odd.with_options({"encoder": "sensor"})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "inputs"), [("latency", 64), ("population", 64 * 6), ("delta", 2 * 8)])
def test_a_run_with_another_encoder_can_be_opened_again(name: str, inputs: int, tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", experiment=EXPERIMENT.with_options({"encoder": name, "epochs": 1}))
    for _ in train(run.config, run.directory):
        pass
    opened = Run.open(tmp_path / "run")
    assert opened.experiment == run.experiment
    assert opened.config.circuit.sources[0].size == inputs
    with raises_input_error("--set encoder", "poisson", name):
        check_same(tmp_path / "run", "hm2bp-digits", {"encoder": "poisson"}, None)
    check_same(tmp_path / "run", "hm2bp-digits", {"encoder": name}, None)


def test_a_run_is_not_resumed_with_another_encoder(finished_path: Path) -> None:
    check_same(finished_path, "hm2bp-digits", {"encoder": "poisson"}, None)
    with raises_input_error("--set encoder", "regular", "poisson"):
        check_same(finished_path, "hm2bp-digits", {"encoder": "regular"}, None)


def test_the_card_of_an_encoding_cell_is_part_of_the_digests() -> None:
    changed = EXPERIMENT.with_options({"encoder": "current"})
    assert changed.digests() == EXPERIMENT.digests() | {"models/lif_exp.toml": cards.cell("lif_exp").digest}


# Runs -----------------------------------------------------------------------------------------------------------------


def test_a_run_is_opened_from_its_own_files(finished_path: Path) -> None:
    run = Run.open(finished_path)
    assert run.experiment == EXPERIMENT
    assert run.config.seed == 1
    assert run.config.batch == 240


def test_later_defaults_do_not_change_a_run(finished_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = EXPERIMENTS["hm2bp-digits"].with_options({"rule.learning_rate": 7.0, "network.hidden": ["3", "3"]})
    monkeypatch.setitem(EXPERIMENTS, "hm2bp-digits", other)
    assert Run.open(finished_path).experiment == EXPERIMENT


@pytest.mark.parametrize("card", ["models/lif_exp_euler.toml", "datasets/digits.toml"])
def test_a_changed_card_is_refused(
    card: str, finished_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = tmp_path / "cards"
    for kind in ("models", "datasets"):
        (folders / kind).mkdir(parents=True)
        for entry in cards.library_folder(kind).iterdir():
            (folders / kind / entry.name).write_bytes(entry.read_bytes())
    monkeypatch.setattr(library, "library_folder", lambda name: folders / name)
    Run.open(finished_path)
    (folders / card).write_bytes((folders / card).read_bytes() + b"\n# a remark\n")
    with raises_input_error(card, "sha256"):
        Run.open(finished_path)


def test_the_data_folder_is_recorded_and_may_disappear(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()
    run = Run.create(tmp_path / "run", EXPERIMENT, folder=place)
    assert run.directory.experiment["data"] == str(place)
    place.rmdir()
    Run.open(tmp_path / "run")  # these digits ship with scikit-learn


@pytest.mark.parametrize(
    ("name", "changes", "seed", "field", "values"),
    [
        ("hm2bp-mnist", {}, None, "run", ("'hm2bp-digits'", "'hm2bp-mnist'")),
        ("hm2bp-digits", {"batch": "32"}, None, "--set batch", (32, 240)),
        ("hm2bp-digits", {"network.v_th": "3,4"}, None, "--set network.v_th", ("3.0,4.0", "3.0,3.0")),
        ("hm2bp-digits", {"bach": "32"}, None, "--set bach", ("no such option",)),
        ("hm2bp-digits", {}, 2, "--seed", (2, 1)),
    ],
)
def test_a_run_is_not_resumed_with_other_options(
    name: str, changes: dict[str, str], seed: int | None, field: str, values: tuple[Any, ...], finished_path: Path
) -> None:
    with raises_input_error(field, *values):
        check_same(finished_path, name, changes, seed)


@pytest.mark.parametrize(("changes", "seed"), [({}, None), ({"batch": "240", "network.v_th": "3,3"}, 1)])
def test_a_run_is_resumed_with_the_same_options(changes: dict[str, str], seed: int | None, finished_path: Path) -> None:
    check_same(finished_path, "hm2bp-digits", changes, seed)


@pytest.mark.slow
def test_epochs_can_be_reduced_but_not_below_the_finished_ones(tmp_path: Path) -> None:
    experiment = replace(EXPERIMENT, epochs=5)
    run = create_run(tmp_path / "run", experiment=experiment)
    for report in train(run.config, run.directory):
        if report.row and report.row["epoch"] == 3:
            break
    with raises_input_error("--epochs", 2, "epoch 3"):
        Run.open(tmp_path / "run", epochs=2)
    assert Run.open(tmp_path / "run").experiment.epochs == 5
    assert Run.open(tmp_path / "run", epochs=3).config.epochs == 3
    assert Run.open(tmp_path / "run").experiment.epochs == 3


def test_the_summary_has_the_metrics_of_the_last_epoch(tmp_path: Path) -> None:
    run = train_run(tmp_path / "run")
    _, progress = run.restore()
    progress.rows[0]["test_accuracy"] = 1.0
    summary = run.summarise(progress)
    assert json.loads(json.dumps(summary)) == json.loads(
        (tmp_path / "run" / "summary.json").read_text(encoding="utf-8")
    )
    assert summary["test_accuracy"] == progress.rows[1]["test_accuracy"] < 1
    assert (summary["experiment"], summary["seed"], summary["epochs"]) == ("hm2bp-digits", 1, 2)
    assert summary["wall_s"] == pytest.approx(sum(row["seconds"] for row in progress.rows))
    assert summary["versions"]["numpy"] == np.__version__
    expected = {"train_samples_per_s", "test_samples_per_s", "spikes_per_sample", "reported", "reference", "options"}
    assert expected <= summary.keys()


@pytest.mark.slow
def test_hm2bp_digits_reaches_95_percent(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", EXPERIMENTS["hm2bp-digits"], seed=0)
    rows = [report.row for report in train(run.config, run.directory) if report.row]
    assert rows[-1]["epoch"] == EXPERIMENTS["hm2bp-digits"].epochs
    assert rows[-1]["test_accuracy"] >= 0.95
