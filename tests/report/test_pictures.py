"""Which neurons are drawn of a run, and how they are named."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_run import OPTIONS, begun

from snnlab import plots
from snnlab.data.samples import EVENT
from snnlab.encoders import Ear, Sensor
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.weights import Convolution, forward
from snnlab.report import run_figures

DEEP = OPTIONS | {"network.hidden": "3C3-P2-4C2-P2-12", "network.v_th": "2,1,2,1,2,2"}
COUNTS = arrays(np.int32, st.integers(1, 40), elements=st.integers(0, 9))


@given(st.lists(COUNTS, min_size=1, max_size=7), st.data())
def test_a_few_neurons_of_each_layer_are_drawn_the_busiest_and_the_labels_among_them(
    layers: list[Any], data: st.DataObject
) -> None:
    counts = {f"layer{k}": one for k, one in enumerate(layers)}
    label = data.draw(st.integers(0, len(layers[-1]) - 1))
    chosen = run_figures._chosen(counts, label)
    assert list(chosen) == list(counts)
    *hidden, output = counts
    for name in hidden:
        assert counts[name].max() in counts[name][chosen[name]]
        assert 1 <= len(set(chosen[name].tolist())) == len(chosen[name]) <= 4
        fired = counts[name][counts[name] > 0].tolist()
        if len(fired) >= 4:
            assert counts[name][chosen[name]].min() == statistics.median_low(fired)
    drawn = chosen[output]
    assert label in drawn and len(set(drawn.tolist())) == len(drawn) == min(4, len(counts[output]))
    left = np.delete(counts[output], drawn)
    others = counts[output][drawn[drawn != label]]
    assert not (len(left) and len(others)) or left.max() <= others.min(), "a busier one was left out"


@pytest.mark.parametrize(("hidden", "panels"), [(1, 8), (2, 10), (5, 14)])
def test_the_potentials_of_a_deep_network_are_no_more_than_a_page(hidden: int, panels: int) -> None:
    counts = {f"layer{k}": np.arange(50, dtype=np.int32) for k in range(hidden + 1)}
    assert sum(map(len, run_figures._chosen(counts, 3).values())) == panels


def test_a_neuron_of_a_convolution_is_named_by_where_it_looks() -> None:
    kernels = np.zeros((3, 3, 1, 5))
    kernels[0, 0, 0, 2] = 1.0  # channel 2 sees the corner of its square alone
    layer = Convolution(kernels, (9, 8))
    image = np.zeros((9, 8))
    image[4, 1] = 1.0
    (neuron,) = np.flatnonzero(forward(layer, image.reshape(1, -1))[0])
    assert run_figures._place(int(neuron), layer.out) == "channel 2 at (4, 1)"
    assert run_figures._place(17, ()) == "17"


@pytest.mark.parametrize(("sign", "side"), [(0, "OFF"), (1, "ON")])
def test_a_tile_of_a_cameras_weights_has_the_polarities_where_the_title_says(sign: int, side: str) -> None:
    sensor, shape = Sensor(steps=10, dt=1e-3, stabilise=False, centre=False, pool=1), (34, 34, 2)
    seen = sensor.spikes([np.array([(5, 7, bool(sign), 100)], dtype=EVENT)], shape)
    weights = np.zeros((34 * 34 * 2, 1))
    weights[seen.ids, 0] = 1.0
    pixels, image = run_figures._as_images(weights, shape)
    ((row, column),) = np.argwhere(pixels.reshape(image))
    assert (row, column % 34) == (7, 5)
    told = run_figures._beside(sensor, weights, shape)
    assert f"{side} events on the {'left' if column < 34 else 'right'}" in told


@pytest.mark.parametrize(
    ("experiment", "options", "drawn", "told"),
    [
        ("hm2bp-digits", {}, "weight_images", {"shape": (8, 8)}),
        ("hm2bp-digits", {"encoder": "delta"}, "weight_matrix", {"row": "input"}),
        ("hm2bp-digits", {"network.hidden": "3C3-P2-12", "network.v_th": "2,1,2,2"}, "weight_images",
         {"shape": (3, 3), "one": "kernel"}),
    ],
)  # fmt: skip
def test_weights_are_images_where_the_input_is_one_and_a_matrix_elsewhere(
    experiment: str, options: dict[str, str], drawn: str, told: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    chosen = EXPERIMENTS[experiment].with_options(OPTIONS | options)
    study = begun(tmp_path / "run", experiment=chosen)
    called: list[tuple[str, dict[str, Any]]] = []
    for name in ("weight_images", "weight_matrix"):
        monkeypatch.setattr(plots, name, lambda values, ax, name=name, **how: called.append((name, how)))
    state, _ = study.restored()
    run_figures._weights(study, state)
    assert [name for name, _ in called] == [drawn, drawn]
    assert all(how.items() >= told.items() for _, how in called)


def test_rows_of_an_ears_weights_are_frequencies_unless_it_has_two_neurons_for_each() -> None:
    ear = Ear(rate=8000, decimation=128)
    assert np.array_equal(run_figures._rows(ear, (64,), raw=True)["centres"], ear.cochlea.centres)
    assert run_figures._rows(Ear(rate=8000, decimation=128, code="levels"), (128,), raw=True) == {}
    assert run_figures._rows(ear, (64,), raw=False) == {"row": "input"}


@pytest.mark.slow
def test_each_panel_says_which_neuron_it_shows_and_how_often_that_fired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begun(tmp_path / "run", experiment=EXPERIMENTS["hm2bp-digits"].with_options(DEEP))
    state, _ = study.restored()
    recording, told = run_figures._run_sample(study, study.trial.rule, state, 3)
    figures: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure) or path)
    run_figures._potentials(study, recording, told, None)
    (figure,) = figures
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert len(titles) == 14 and len(set(titles)) == 14
    assert figure.get_size_inches()[1] < 10
    label = study.trial.test.labels[3]
    assert sum(title.startswith(f"output {label}: ") for title in titles) == 1
    for title in titles:
        name, place = title.split(":")[0].split(" ", 1)
        shape = {"hidden1": (6, 6, 3), "hidden2": (3, 3, 3), "hidden3": (2, 2, 4), "hidden4": (1, 1, 4)}.get(name)
        channel, row, column = (
            map(int, "".join(c if c.isdigit() else " " for c in place).split()) if shape else (0,) * 3
        )
        neuron = (row * shape[1] + column) * shape[2] + channel if shape else int(place)
        count = len(recording.spikes[name].train(neuron))
        assert title.endswith(f": {count} spike{'' if count == 1 else 's'}")
