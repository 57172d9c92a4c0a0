"""The experiments on TI46: the published settings, and training on a synthetic disc."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from ti46_disc import DIGITS, LETTERS, Disc, sphere

from snnlab.encoders import Ear
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training.loop import train

SMALL = {"network.hidden": "60", "network.v_th": "10,8", "epochs": 10, "batch": 8, "rule.schedule.decay": "cosine"}


def word(number: int) -> NDArray[np.int16]:
    """A tone of a third of a second, with another pitch per number; the ninth has 4.4 kHz."""
    pitch = 300 * 1.35 ** (number % 10)
    return np.round(8000 * np.sin(2 * np.pi * pitch * np.arange(4000) / 12500)).astype(np.int16)


@pytest.fixture
def disc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disc:
    """Two speakers say each word, a tone, twice for training and once for testing."""
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # not that of compiled code
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    synthetic = Disc(tmp_path / "data")
    for area, words in (("ti_alpha", LETTERS), ("ti20", DIGITS)):
        for number, code in enumerate(words):
            for speaker in ("f1", "m8"):
                for part, session, token in (("train", "se", 0), ("train", "se", 1), ("test", "s1", 0)):
                    path = synthetic.path(area, part, speaker, f"0{code}", session, token)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(sphere(word(number)))
    return synthetic


@pytest.mark.parametrize(
    ("name", "sizes", "thresholds", "reported"),
    [
        ("hm2bp-ti46-letters", [78, 800, 800, 26], [10.0, 8.0, 8.0], 0.9050),
        ("hm2bp-ti46-digits", [78, 400, 400, 10], [10.0, 8.0, 8.0], None),
    ],
)
def test_ti46_experiments_have_the_published_constants(
    name: str, sizes: list[int], thresholds: list[float], reported: float | None
) -> None:
    """arXiv:1805.07866 and the configuration files of its successor, arXiv:1908.06378."""
    experiment = EXPERIMENTS[name]
    assert isinstance(experiment.encoder, Ear)
    circuit = experiment.network.circuit(experiment.encoder.grid.shape, sizes[-1], experiment.encoder.dt)
    assert [node.size for node in circuit.nodes] == sizes
    assert [one.parameters["v_th"] for one in circuit.populations] == thresholds
    assert (experiment.encoder.steps, experiment.encoder.sample_rate, experiment.encoder.decimation) == (
        700,
        12500,
        200,
    )
    cell = circuit.populations[0].cell
    assert [cell.parameters[name] for name in ("tau_m", "tau_s")] == ["64 ms", "8 ms"]
    assert circuit.dt == 1e-3, "64 and 8 steps"
    assert isinstance(experiment.rule, HM2BP)
    assert (experiment.rule.target, experiment.rule.non_target, experiment.rule.margin) == (35, 5, 5)
    assert (experiment.rule.learning_rate, experiment.rule.schedule.decay, experiment.batch) == (5e-3, "sqrt", 1)
    assert (experiment.reported, experiment.epochs) == (reported, 50)


@pytest.mark.parametrize("name", ["letters", "digits"])
def test_without_the_disc_the_error_tells_what_to_put_where(name: str, tmp_path: Path) -> None:
    folder = {"letters": "ti_alpha", "digits": "ti20"}[name]
    with pytest.raises(
        InputError, match=rf"^ti46-{name}: {folder}/train: not found in .*; get LDC93S9 from "
    ) as refused:
        EXPERIMENTS[f"hm2bp-ti46-{name}"].config(seed=0, folder=tmp_path)
    assert f"put its folder {folder}, with train/<speaker>/ and test/<speaker>/ in it, into the folder ti46" in str(
        refused.value
    )


def test_digits_of_a_synthetic_disc_are_learned(disc: Disc, tmp_path: Path) -> None:
    """From SPHERE files to a run: distinct words are learned, identical ones are not."""
    experiment = EXPERIMENTS["hm2bp-ti46-digits"].with_options({**SMALL, "rule.learning_rate": "1e-2"})
    run = Run.create(tmp_path / "run", experiment, folder=disc.data, threads=1)
    assert (len(run.config.train), len(run.config.test)) == (40, 20)
    *_, last = train(run.config, run.directory)
    assert last.row is not None and last.row["test_accuracy"] >= 0.9
    for path in (disc.root / "ti20").rglob("*.wav"):
        path.write_bytes(sphere(word(0)))
    alike = Run.create(tmp_path / "alike", experiment.with_options({"epochs": 2}), folder=disc.data, threads=1)
    *_, last = train(alike.config, alike.directory)
    assert last.row is not None and last.row["test_accuracy"] == pytest.approx(0.1)


def test_letters_of_a_synthetic_disc_train_the_published_network(disc: Disc, tmp_path: Path) -> None:
    experiment = EXPERIMENTS["hm2bp-ti46-letters"].with_options({"network.hidden": "20,20", "epochs": 1})
    run = Run.create(tmp_path / "run", experiment, folder=disc.data, threads=1)
    assert run.config.train.shape == (78,) and len(run.config.train) == 26 * 2 * 2
    reports = list(train(run.config, run.directory))
    assert len(reports) == 104 + 1, "a step after every sample, and the end of the epoch"
    assert (tmp_path / "run" / "metrics.jsonl").is_file()
