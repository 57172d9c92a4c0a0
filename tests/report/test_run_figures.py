"""The figures of a run: which neurons are plotted, and their labels."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_run import OPTIONS, create_run

from snnlab import plots
from snnlab.data.samples import EVENT
from snnlab.encoders import Ear, Sensor
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.weights import Convolution, forward
from snnlab.report import spike_figures, weight_figures
from snnlab.rules.rule import SpikingRule

DEEP = OPTIONS | {"network.hidden": "3C3-P2-4C2-P2-12", "network.v_th": "2,1,2,1,2,2"}
COUNTS = arrays(np.int32, st.integers(1, 40), elements=st.integers(0, 9))


@given(st.lists(COUNTS, min_size=1, max_size=7), st.data())
def test_plotted_neurons_include_the_most_active_and_that_of_the_class(layers: list[Any], data: st.DataObject) -> None:
    counts = {f"layer{k}": of_layer for k, of_layer in enumerate(layers)}
    label = data.draw(st.integers(0, len(layers[-1]) - 1))
    chosen = spike_figures._neurons_to_plot(counts, label)
    assert list(chosen) == list(counts)
    *hidden, output = counts
    for name in hidden:
        assert counts[name].max() in counts[name][chosen[name]]
        assert 1 <= len(set(chosen[name].tolist())) == len(chosen[name]) <= 4
        fired = counts[name][counts[name] > 0].tolist()
        if len(fired) >= 4:
            assert counts[name][chosen[name]].min() == statistics.median_low(fired)
    plotted = chosen[output]
    assert label in plotted and len(set(plotted.tolist())) == len(plotted) == min(4, len(counts[output]))
    left = np.delete(counts[output], plotted)
    others = counts[output][plotted[plotted != label]]
    assert not (len(left) and len(others)) or left.max() <= others.min(), "a more active neuron was left out"


@pytest.mark.parametrize(("hidden", "panels"), [(1, 8), (2, 10), (5, 14)])
def test_the_number_of_potentials_depends_on_the_depth(hidden: int, panels: int) -> None:
    counts = {f"layer{k}": np.arange(50, dtype=np.int32) for k in range(hidden + 1)}
    assert sum(map(len, spike_figures._neurons_to_plot(counts, 3).values())) == panels


def test_a_neuron_of_a_convolution_is_labelled_by_channel_and_position() -> None:
    kernels = np.zeros((3, 3, 1, 5))
    kernels[0, 0, 0, 2] = 1.0  # channel 2 responds to the corner of its receptive field only
    layer = Convolution(kernels, (9, 8))
    image = np.zeros((9, 8))
    image[4, 1] = 1.0
    (neuron,) = np.flatnonzero(forward(layer, image.reshape(1, -1))[0])
    assert spike_figures._neuron_label(int(neuron), layer.out) == "channel 2 at (4, 1)"
    assert spike_figures._neuron_label(17, ()) == "17"


@pytest.mark.parametrize(("sign", "side"), [(0, "OFF"), (1, "ON")])
def test_the_caption_says_on_which_side_of_an_image_each_polarity_is(sign: int, side: str) -> None:
    sensor, shape = Sensor(steps=10, dt=1e-3, stabilise=False, centre=False, pool=1), (34, 34, 2)
    seen = sensor.spikes([np.array([(5, 7, bool(sign), 100)], dtype=EVENT)], shape)
    weights = np.zeros((34 * 34 * 2, 1))
    weights[seen.ids, 0] = 1.0
    pixels, image = weight_figures._as_images(weights, shape)
    ((row, column),) = np.argwhere(pixels.reshape(image))
    assert (row, column % 34) == (7, 5)
    caption = weight_figures._channel_caption(sensor, weights, shape)
    assert f"{side} events on the {'left' if column < 34 else 'right'}" in caption


@pytest.mark.parametrize(
    ("experiment", "options", "plot", "arguments"),
    [
        ("hm2bp-digits", {}, "weight_images", {"shape": (8, 8)}),
        ("hm2bp-digits", {"encoder": "delta"}, "weight_matrix", {"row": "input"}),
        ("hm2bp-digits", {"network.hidden": "3C3-P2-12", "network.v_th": "2,1,2,2"}, "weight_images",
         {"shape": (3, 3), "column": "kernel"}),
    ],
)  # fmt: skip
def test_weights_are_images_if_the_input_is_an_image(
    experiment: str, options: dict[str, str], plot: str, arguments: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    chosen = EXPERIMENTS[experiment].with_options(OPTIONS | options)
    run = create_run(tmp_path / "run", experiment=chosen)
    called: list[tuple[str, dict[str, Any]]] = []
    for name in ("weight_images", "weight_matrix"):
        monkeypatch.setattr(plots, name, lambda values, ax, name=name, **options: called.append((name, options)))
    state, _ = run.restore()
    weight_figures.weights_figure(run.config, state)
    assert [name for name, _ in called] == [plot, plot]
    assert all(options.items() >= arguments.items() for _, options in called)


def test_rows_of_the_weights_of_an_ear_are_frequencies_if_it_has_one_neuron_for_each() -> None:
    ear = Ear(sample_rate=8000, decimation=128)
    assert np.array_equal(weight_figures._row_labels(ear, (64,), is_input=True)["centres"], ear.cochlea.centres)
    assert weight_figures._row_labels(Ear(sample_rate=8000, decimation=128, code="levels"), (128,), is_input=True) == {}
    assert weight_figures._row_labels(ear, (64,), is_input=False) == {"row": "input"}


@pytest.mark.slow
def test_each_potential_is_labelled_with_its_neuron_and_spike_count(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", experiment=EXPERIMENTS["hm2bp-digits"].with_options(DEEP))
    state, _ = run.restore()
    assert isinstance(run.config.rule, SpikingRule)
    activity = spike_figures.simulate_sample(run.config, run.config.rule, state, 3)
    figure, _ = spike_figures.potentials_figure(run.config, activity)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert len(titles) == 14 and len(set(titles)) == 14
    assert figure.get_size_inches()[1] < 10
    label = run.config.test.labels[3]
    assert sum(title.startswith(f"output {label}: ") for title in titles) == 1
    for title in titles:
        name, place = title.split(":")[0].split(" ", 1)
        shape = {"hidden1": (6, 6, 3), "hidden2": (3, 3, 3), "hidden3": (2, 2, 4), "hidden4": (1, 1, 4)}.get(name)
        channel, row, column = (
            map(int, "".join(c if c.isdigit() else " " for c in place).split()) if shape else (0,) * 3
        )
        neuron = (row * shape[1] + column) * shape[2] + channel if shape else int(place)
        count = len(activity.recording.spikes[name].train(neuron))
        assert title.endswith(f": {count} spike{'' if count == 1 else 's'}")
