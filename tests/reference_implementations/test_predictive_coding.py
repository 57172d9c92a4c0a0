"""Predictive coding on graphs: its steps as defined, Z-IL against complex steps, and negative controls."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import bench_predictive_coding
import numpy as np
import plot_predictive_coding
import pytest
from computation_graph import Graph, nets
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_by_hand import NETS, STEP, Values, by_complex_steps, difference
from predictive_coding import Inference, il, z_il

SKIPPING = ["residual", "attention"]


@dataclass(frozen=True)
class Task:
    """A net with parameters, inputs, values of the forward pass, and target minus output."""

    graph: Graph
    parameters: Mapping[str, Values]
    inputs: Mapping[str, Values]
    values: Mapping[str, Values]
    target: Values


def task(graph: Graph, seed: int = 0, samples: int = 5, scale: float = 1.0) -> Task:
    rng = np.random.default_rng(seed)
    parameters = {name: scale * one for name, one in nets.random_parameters(graph, rng).items()}
    inputs = nets.random_inputs(graph, samples, rng)
    values = graph.forward(inputs, parameters)
    return Task(graph, parameters, inputs, values, rng.normal(size=values["output"].shape))


def exact(name: str, one: Task) -> dict[str, Values]:
    """-dE/dtheta of E = 1/2 sum (output - target)^2, by complex steps through the equations of the net."""
    forward, target = NETS[name][1], one.values["output"] + one.target

    def cost(p: Mapping[str, Values]) -> complex:
        return -0.5 * ((forward(p, one.inputs["input"]) - target) ** 2).sum()

    return by_complex_steps(cost, one.parameters)


def updates(one: Task, **options: float | bool) -> dict[str, Values]:
    return z_il(one.graph, one.values, one.parameters, one.target, **options)  # type: ignore[arg-type]


# Z-IL -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_z_il_is_the_exact_gradient(name: str) -> None:
    one = task(NETS[name][0].levelled())
    assert difference(updates(one), exact(name, one)) < 1e-10


@pytest.mark.parametrize("name", NETS)
def test_updates_do_not_depend_on_nodes_behind_the_front(name: str) -> None:
    one = task(NETS[name][0].levelled())
    everywhere, front = updates(one), updates(one, front=True)
    assert {k: v.tobytes() for k, v in everywhere.items()} == {k: v.tobytes() for k, v in front.items()}


@pytest.mark.parametrize("name", NETS)
def test_reverse_mode_is_the_exact_gradient(name: str) -> None:
    one = task(NETS[name][0])
    found = one.graph.gradients(one.values, one.parameters, -one.target)
    assert difference({name: -values for name, values in found.items()}, exact(name, one)) < 1e-10


@pytest.mark.parametrize("name", SKIPPING)
def test_with_edges_that_skip_levels_z_il_is_not_the_gradient(name: str) -> None:
    """The negative control; values also diverge, as gamma is 1 and paths are short."""
    one = task(NETS[name][0])
    right = exact(name, one)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not difference(updates(one, unlevelled=True), right) <= 0.1


def test_for_an_unlevelled_residual_block_z_il_is_wrong_by_more_than_a_tenth() -> None:
    """Small enough for values not to diverge."""
    one = task(nets.residual(5, 6, 1, 3), scale=0.5)
    assert one.graph.skips == (("x0", "x1"),)
    right = updates(task(one.graph.levelled(), scale=0.5))
    assert 0.1 < difference(updates(one, unlevelled=True), right) < 10


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("gamma", [0.9, 0.5])
def test_another_gamma_scales_the_update_of_a_node_by_gamma_to_its_level(name: str, gamma: float) -> None:
    """The contribution of each node to a shared parameter is scaled by its own level."""
    one = task(NETS[name][0].levelled())
    found, levels = updates(one, gamma=gamma), one.graph.levels
    of: dict[str, set[int]] = {}
    for node in one.graph.parametric:
        for parameter in node.parameters:
            of.setdefault(parameter, set()).add(levels[node.name])
    alone = {parameter: gamma ** next(iter(known)) for parameter, known in of.items() if len(known) == 1}
    right = exact(name, one)
    scaled = {parameter: factor * right[parameter] for parameter, factor in alone.items()}
    assert difference({parameter: found[parameter] for parameter in alone}, scaled) < 1e-10
    assert len(alone) == len(of) or name == "recurrent"
    if name == "perceptron":
        assert difference(found, right) == pytest.approx(1 - gamma**3, abs=1e-10)


def test_a_small_error_of_large_values_is_not_lost_to_rounding() -> None:
    """For an error of 1e-12 and values of 1, x - mu would be exact to four digits only."""
    one = task(NETS["perceptron"][0])
    small = z_il(one.graph, one.values, one.parameters, 1e-12 * one.target)
    assert difference({name: 1e12 * values for name, values in small.items()}, exact("perceptron", one)) < 1e-10


# The dynamics ---------------------------------------------------------------------------------------------------------


def test_inference_follows_its_equations() -> None:
    """For a perceptron: x, mu and eps of all layers from the previous state."""
    one = task(NETS["perceptron"][0])
    p, gamma = one.parameters, 0.2
    inference = Inference(one.graph, one.values, p, one.target)
    x = [one.inputs["input"], *(one.values[f"layer{k}"] for k in (1, 2, 3)), one.values["output"] + one.target]

    def errors() -> list[Values]:
        activity = [x[0], *(np.tanh(values) for values in x[1:])]
        return [x[k] - activity[k - 1] @ p[f"W{k}"] - p[f"b{k}"] for k in (1, 2, 3, 4)]

    for _ in range(7):
        eps = errors()
        moves = [-eps[k - 1] + (1 - np.tanh(x[k]) ** 2) * (eps[k] @ p[f"W{k + 1}"].T) for k in (1, 2, 3)]
        for k in (1, 2, 3):
            x[k] = x[k] + gamma * moves[k - 1]
        inference.step(gamma)
    for k, eps_k in enumerate(errors(), start=1):
        name = "output" if k == 4 else f"layer{k}"
        assert np.allclose(inference.errors[name], eps_k, rtol=0, atol=1e-12)
        assert np.allclose(inference.value(name), x[k], rtol=0, atol=1e-12)
        weights = inference.updates([one.graph[name]])[f"W{k}"]
        assert np.allclose(weights, (x[0] if k == 1 else np.tanh(x[k - 1])).T @ eps_k, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", [*SKIPPING, "recurrent"])
def test_every_value_follows_the_gradient_of_the_energy(name: str) -> None:
    """-gamma times the derivative of 1/2 sum eps^2, by complex steps, after a few steps of inference."""
    graph = NETS[name][0]
    one = task(graph, samples=1)
    inference = Inference(graph, one.values, one.parameters, one.target)
    for _ in range(5):
        inference.step(0.05)
    before = {node.name: inference.value(node.name) for node in graph.nodes}

    def energy(x: Mapping[str, Values]) -> complex:
        total = 0j
        for node in graph.nodes:
            if node.name not in graph.constant:
                prediction = node.operation.forward(
                    [x[k] for k in node.parents], [one.parameters[k] for k in node.parameters]
                )
                total += 0.5 * ((x[node.name] - prediction) ** 2).sum()
        return total

    inference.step(0.05)
    for node in graph.nodes:
        if node.name in graph.constant or node.name == "output":
            assert inference.value(node.name) is before[node.name] or node.name == "output"
            continue
        trial = {known: values.astype(complex) for known, values in before.items()}
        derivative = np.zeros(before[node.name].shape)
        for place in np.ndindex(derivative.shape):
            trial[node.name][place] += 1j * STEP
            derivative[place] = energy(trial).imag / STEP
            trial[node.name][place] = before[node.name][place]
        assert np.allclose(inference.value(node.name) - before[node.name], -0.05 * derivative, rtol=0, atol=1e-12), (
            node.name
        )


def test_errors_spread_by_one_level_per_step() -> None:
    graph = NETS["attention"][0].levelled()
    one = task(graph)
    inference = Inference(graph, one.values, one.parameters, one.target)
    for step in range(max(graph.levels.values())):
        reached = {name for name, level in graph.levels.items() if level <= step and name not in graph.constant}
        assert inference.errors.keys() == reached
        inference.step(0.1)


# IL -------------------------------------------------------------------------------------------------------------------


def test_il_approaches_backpropagation_linearly_with_the_weight_of_the_output() -> None:
    """Relative to the weight, after 500 steps of 0.1; Whittington and Bogacz (2017) show it for a large variance."""
    one = task(NETS["perceptron"][0], scale=0.1)
    right = exact("perceptron", one)
    differences = []
    for weight in (1.0, 0.1, 0.01):
        found = il(one.graph, one.values, one.parameters, one.target, 0.1, 500, weight)
        differences.append(difference({name: values / weight for name, values in found.items()}, right))
    assert differences[0] > 0.03, differences
    assert differences[0] / differences[1] == pytest.approx(10, rel=0.15) and differences[1] / differences[
        2
    ] == pytest.approx(10, rel=0.05)


def test_il_does_not_approach_backpropagation_with_a_nearer_target() -> None:
    """In a linear net all errors and updates shrink alike, so that the relative difference stays."""
    one = task(nets.perceptron((8, 10, 9, 7, 4), "identity"), scale=0.4)
    differences = []
    for near in (1.0, 1e-2, 1e-4):
        target = near * one.target
        found = il(one.graph, one.values, one.parameters, target, 0.1, 3000)
        right = z_il(one.graph, one.values, one.parameters, target)
        differences.append(difference({"W4": found["W4"]}, {"W4": right["W4"]}))
    assert differences[0] > 0.1 and differences[2] > 0.05
    assert differences[1] == pytest.approx(differences[2], rel=0.02)


def test_il_converges_to_the_fixed_point() -> None:
    """For two linear layers: eps_0 = (1 + W W^T)^-1 times the output's deviation from its target."""
    graph = nets.perceptron((3, 4, 2), "identity")
    one = task(graph, scale=0.5)
    inference = Inference(graph, one.values, one.parameters, one.target)
    for _ in range(2000):
        inference.step(0.1)
    weights = one.parameters["W2"]
    expected = one.target @ np.linalg.inv(np.eye(2) + weights.T @ weights)
    assert np.allclose(inference.errors["output"], expected, rtol=1e-12)
    assert np.allclose(inference.errors["layer1"], expected @ weights.T, rtol=1e-12)


# Errors ---------------------------------------------------------------------------------------------------------------


def test_a_graph_with_edges_that_skip_levels_raises_an_error() -> None:
    one = task(NETS["residual"][0])
    for options in ({}, {"unlevelled": True, "front": True}):
        with pytest.raises(ValueError, match="x0 -> x1"):
            updates(one, **options)


def test_values_of_the_graph_without_identities_raise_an_error() -> None:
    one = task(NETS["residual"][0])
    with pytest.raises(ValueError, match="x0@9"):
        z_il(one.graph.levelled(), one.values, one.parameters, one.target)


# Perceptrons ----------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(20), deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=7),
    function=st.sampled_from(["tanh", "logistic", "softplus", "soft_rectifier"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_z_il_is_the_exact_gradient_for_perceptrons_of_any_size_and_activation(
    sizes: list[int], function: str, seed: int
) -> None:
    one = task(nets.perceptron(tuple(sizes), function), seed, samples=2)
    of = {
        "tanh": np.tanh,
        "logistic": lambda u: 1 / (1 + np.exp(-u)),
        "softplus": lambda u: np.log(1 + np.exp(u)),
        "soft_rectifier": lambda u: 0.1 * np.log(1 + np.exp(u - 3)),
    }[function]

    def cost(p: Mapping[str, Values]) -> complex:
        u = one.inputs["input"] @ p["W1"] + p["b1"]
        for layer in range(2, len(sizes)):
            u = of(u) @ p[f"W{layer}"] + p[f"b{layer}"]
        return -0.5 * ((u - one.values["output"] - one.target) ** 2).sum()

    assert difference(updates(one), by_complex_steps(cost, one.parameters)) < 1e-10


# The scripts ----------------------------------------------------------------------------------------------------------


def output_of(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    monkeypatch.setattr("sys.argv", [script.__name__, *words])
    script.main()
    return capsys.readouterr().out


@pytest.mark.slow
def test_the_figure_shows_that_il_approaches_the_gradient_only_with_the_weight_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = output_of(plot_predictive_coding, monkeypatch, capsys, "--plot", str(tmp_path / "figure.png"))
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    found = {name: [float(word) for word in numbers.split(", ")]
             for name, numbers in re.findall(r"IL with a (\w+ \w+): (.*) from", output)}  # fmt: skip
    assert found["smaller weight"][-2] / found["smaller weight"][-1] == pytest.approx(10, rel=0.05)
    assert found["nearer target"][-1] > 0.1


@pytest.mark.slow
def test_the_benchmark_measures_z_il_where_it_equals_backpropagation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--rounds", "1", "--il-steps", "1", "--json")
    rows = json.loads(output_of(bench_predictive_coding, monkeypatch, capsys, *words))["rows"]
    assert len(rows) == 5 and all(row["difference"] < 1e-10 for row in rows)
