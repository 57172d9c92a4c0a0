"""Predictive coding on graphs: its steps as defined, Z-IL against complex steps, and controls."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_by_hand import NETS, STEP, Values, by_complex_steps, difference
from predictive_coding import Inference, il, z_il

from snnlab.errors import InputError

SKIPPING = ["residual", "attention"]


@dataclass(frozen=True)
class Task:
    """A net with parameters, samples, and what its output should have been."""

    graph: Graph
    parameters: Mapping[str, Values]
    inputs: Mapping[str, Values]
    values: Mapping[str, Values]
    target: Values


def task(graph: Graph, seed: int = 0, samples: int = 5, scale: float = 1.0) -> Task:
    rng = np.random.default_rng(seed)
    parameters = {name: scale * one for name, one in nets.drawn(graph, rng).items()}
    inputs = nets.shown(graph, samples, rng)
    values = graph.forward(inputs, parameters)
    return Task(graph, parameters, inputs, values, rng.normal(size=values["output"].shape))


def exact(name: str, one: Task) -> dict[str, Values]:
    """The descent of 1/2 sum (output - wanted)^2, of the net written out by hand."""
    forward, wanted = NETS[name][1], one.values["output"] + one.target

    def cost(p: Mapping[str, Values]) -> complex:
        return -0.5 * ((forward(p, one.inputs["input"]) - wanted) ** 2).sum()

    return by_complex_steps(cost, one.parameters)


def changes(one: Task, **options: float | bool) -> dict[str, Values]:
    return z_il(one.graph, one.values, one.parameters, one.target, **options)  # type: ignore[arg-type]


# Z-IL -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_z_il_is_the_exact_gradient(name: str) -> None:
    one = task(NETS[name][0].levelled())
    assert difference(changes(one), exact(name, one)) < 1e-10


@pytest.mark.parametrize("name", NETS)
def test_what_lies_behind_the_front_is_read_by_nobody(name: str) -> None:
    one = task(NETS[name][0].levelled())
    everywhere, front = changes(one), changes(one, front=True)
    assert {k: v.tobytes() for k, v in everywhere.items()} == {k: v.tobytes() for k, v in front.items()}


@pytest.mark.parametrize("name", NETS)
def test_the_backward_sweep_of_a_graph_is_the_exact_gradient(name: str) -> None:
    one = task(NETS[name][0])
    found = one.graph.gradients(one.values, one.parameters, -one.target)
    assert difference({name: -values for name, values in found.items()}, exact(name, one)) < 1e-10


@pytest.mark.parametrize("name", SKIPPING)
def test_where_edges_skip_levels_it_is_not(name: str) -> None:
    """The negative control. Its values also run away, for gamma is 1 and paths are short."""
    one = task(NETS[name][0])
    right = exact(name, one)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not difference(changes(one, unlevelled=True), right) <= 0.1


def test_one_residual_block_without_levels_is_wrong_by_more_than_a_tenth() -> None:
    """Small enough for nothing to run away."""
    one = task(nets.residual(5, 6, 1, 3), scale=0.5)
    assert one.graph.leaps == (("x0", "x1"),)
    right = changes(task(one.graph.levelled(), scale=0.5))
    assert 0.1 < difference(changes(one, unlevelled=True), right) < 10


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("gamma", [0.9, 0.5])
def test_with_another_gamma_a_node_learns_gamma_to_its_level_of_it(name: str, gamma: float) -> None:
    """Of a parameter that several nodes share, each node's part is scaled by its own."""
    one = task(NETS[name][0].levelled())
    found, levels = changes(one, gamma=gamma), one.graph.levels
    of: dict[str, set[int]] = {}
    for node in one.graph.learning:
        for parameter in node.parameters:
            of.setdefault(parameter, set()).add(levels[node.name])
    alone = {parameter: gamma ** next(iter(known)) for parameter, known in of.items() if len(known) == 1}
    right = exact(name, one)
    scaled = {parameter: factor * right[parameter] for parameter, factor in alone.items()}
    assert difference({parameter: found[parameter] for parameter in alone}, scaled) < 1e-10
    assert len(alone) == len(of) or name == "recurrent"
    if name == "perceptron":
        assert difference(found, right) == pytest.approx(1 - gamma**3, abs=1e-10)


def test_a_small_error_beside_large_values_is_not_lost_to_rounding() -> None:
    """Of 1e-12 beside values of 1, x - mu would keep four digits."""
    one = task(NETS["perceptron"][0])
    small = z_il(one.graph, one.values, one.parameters, 1e-12 * one.target)
    assert difference({name: 1e12 * values for name, values in small.items()}, exact("perceptron", one)) < 1e-10


# The dynamics ---------------------------------------------------------------------------------------------------------


def test_inference_moves_as_defined() -> None:
    """A perceptron, its equations written out: x, mu and eps of all layers from the state before."""
    one = task(NETS["perceptron"][0])
    p, gamma = one.parameters, 0.2
    inference = Inference(one.graph, one.values, p, one.target)
    x = [one.inputs["input"], *(one.values[f"layer{k}"] for k in (1, 2, 3)), one.values["output"] + one.target]

    def errors() -> list[Values]:
        heard = [x[0], *(np.tanh(values) for values in x[1:])]
        return [x[k] - heard[k - 1] @ p[f"W{k}"] - p[f"b{k}"] for k in (1, 2, 3, 4)]

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
        weights = inference.changes([one.graph[name]])[f"W{k}"]
        assert np.allclose(weights, (x[0] if k == 1 else np.tanh(x[k - 1])).T @ eps_k, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", [*SKIPPING, "recurrent"])
def test_every_value_moves_down_the_energy(name: str) -> None:
    """By gamma times the derivative of 1/2 sum eps^2 by each value, in some state on the way; by complex steps."""
    graph = NETS[name][0]
    one = task(graph, samples=1)
    inference = Inference(graph, one.values, one.parameters, one.target)
    for _ in range(5):
        inference.step(0.05)
    before = {node.name: inference.value(node.name) for node in graph.nodes}

    def energy(x: Mapping[str, Values]) -> complex:
        total = 0j
        for node in graph.nodes:
            if node.name not in graph.given:
                made = node.operation.forward(
                    [x[k] for k in node.parents], [one.parameters[k] for k in node.parameters]
                )
                total += 0.5 * ((x[node.name] - made) ** 2).sum()
        return total

    inference.step(0.05)
    for node in graph.nodes:
        if node.name in graph.given or node.name == "output":
            assert inference.value(node.name) is before[node.name] or node.name == "output"
            continue
        trial = {known: values.astype(complex) for known, values in before.items()}
        slope = np.zeros(before[node.name].shape)
        for place in np.ndindex(slope.shape):
            trial[node.name][place] += 1j * STEP
            slope[place] = energy(trial).imag / STEP
            trial[node.name][place] = before[node.name][place]
        assert np.allclose(inference.value(node.name) - before[node.name], -0.05 * slope, rtol=0, atol=1e-12), node.name


def test_errors_spread_by_one_level_in_each_step() -> None:
    graph = NETS["attention"][0].levelled()
    one = task(graph)
    inference = Inference(graph, one.values, one.parameters, one.target)
    for step in range(max(graph.levels.values())):
        reached = {name for name, level in graph.levels.items() if level <= step and name not in graph.given}
        assert inference.errors.keys() == reached
        inference.step(0.1)


# IL -------------------------------------------------------------------------------------------------------------------


def test_il_comes_to_backpropagation_linearly_with_the_weight_of_the_output() -> None:
    """Relative to the weight, after 500 steps of 0.1; Whittington and Bogacz (2017) have it of a large variance."""
    one = task(NETS["perceptron"][0], scale=0.1)
    right = exact("perceptron", one)
    apart = []
    for weight in (1.0, 0.1, 0.01):
        found = il(one.graph, one.values, one.parameters, one.target, 0.1, 500, weight)
        apart.append(difference({name: values / weight for name, values in found.items()}, right))
    assert apart[0] > 0.03, apart
    assert apart[0] / apart[1] == pytest.approx(10, rel=0.15) and apart[1] / apart[2] == pytest.approx(10, rel=0.05)


def test_with_a_nearer_target_il_does_not_come_nearer() -> None:
    """In a linear net all errors shrink alike, and so does what IL learns: it stays as far from backpropagation."""
    one = task(nets.perceptron((8, 10, 9, 7, 4), "identity"), scale=0.4)
    apart = []
    for near in (1.0, 1e-2, 1e-4):
        target = near * one.target
        found = il(one.graph, one.values, one.parameters, target, 0.1, 3000)
        right = z_il(one.graph, one.values, one.parameters, target)
        apart.append(difference({"W4": found["W4"]}, {"W4": right["W4"]}))
    assert apart[0] > 0.1 and apart[2] > 0.05
    assert apart[1] == pytest.approx(apart[2], rel=0.02)


def test_il_ends_where_all_free_values_are_at_rest() -> None:
    """Of two layers that are linear: eps_0 = (1 + W W^T)^-1 times what the output was off by."""
    graph = nets.perceptron((3, 4, 2), "identity")
    one = task(graph, scale=0.5)
    inference = Inference(graph, one.values, one.parameters, one.target)
    for _ in range(2000):
        inference.step(0.1)
    weights = one.parameters["W2"]
    expected = one.target @ np.linalg.inv(np.eye(2) + weights.T @ weights)
    assert np.allclose(inference.errors["output"], expected, rtol=1e-12)
    assert np.allclose(inference.errors["layer1"], expected @ weights.T, rtol=1e-12)


# What cannot be -------------------------------------------------------------------------------------------------------


def test_edges_that_skip_levels_are_refused() -> None:
    one = task(NETS["residual"][0])
    says = r"^node 'x1': level 7 hears 'x0' of level 10; needs one level between them: take graph.levelled\(\)$"
    with pytest.raises(InputError, match=says):
        changes(one)
    with pytest.raises(InputError, match="^node 'x1'"):
        changes(one, unlevelled=True, front=True)


def test_a_target_of_another_shape_is_refused() -> None:
    one = task(NETS["perceptron"][0])
    with pytest.raises(InputError, match=r"^target: found \(5, 3\); needs \(5, 4\), as the output$"):
        z_il(one.graph, one.values, one.parameters, one.target[:, :3])


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=7),
    function=st.sampled_from(["tanh", "logistic", "softplus", "soft_rectifier"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_perceptrons_of_all_sizes_and_functions_learn_the_exact_gradient(
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

    assert difference(changes(one), by_complex_steps(cost, one.parameters)) < 1e-10


@pytest.mark.parametrize("gamma", [0.0, -1.0, 1.5, float("nan"), float("inf")])
def test_a_gamma_that_leads_nowhere_is_refused(gamma: float) -> None:
    graph = nets.perceptron((3, 2))
    values = graph.forward({"input": np.ones((1, 3))}, weights := {k: np.ones(v) for k, v in graph.parameters.items()})
    for way in (z_il, il):
        with pytest.raises(InputError, match=r"^gamma: found .*; needs a number above 0 and at most 1$"):
            way(graph, values, weights, np.ones((1, 2)), gamma)
    with pytest.raises(InputError, match=r"^weight: found -1"):
        il(graph, values, weights, np.ones((1, 2)), weight=-1)


def test_values_of_another_graph_are_refused_and_parameters_that_are_missing() -> None:
    """Those of a residual net are not those of the same net with identity nodes between its levels."""
    graph, rng = nets.residual(5, 6, 3, 3), np.random.default_rng(0)
    parameters, inputs, level = nets.drawn(graph, rng), nets.shown(graph, 4, rng), graph.levelled()
    values, target = graph.forward(inputs, parameters), np.ones((4, *graph.shapes[graph.output]))
    with pytest.raises(InputError, match=r"^values: none of '.*'; needs those of Graph.forward of the same graph"):
        z_il(level, values, parameters, target)
    name = next(iter(parameters))
    less = {other: one for other, one in parameters.items() if other != name}
    with pytest.raises(InputError, match=rf"^parameters: none of '{name}'"):
        z_il(level, level.forward(inputs, parameters), less, target)


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
             for name, numbers in re.findall(r"IL of a (\w+ \w+): (.*) from", output)}  # fmt: skip
    assert found["smaller weight"][-2] / found["smaller weight"][-1] == pytest.approx(10, rel=0.05)
    assert found["nearer target"][-1] > 0.1


@pytest.mark.slow
def test_the_benchmark_measures_z_il_where_it_equals_backpropagation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--rounds", "1", "--il-steps", "1", "--json")
    rows = json.loads(output_of(bench_predictive_coding, monkeypatch, capsys, *words))["rows"]
    assert len(rows) == 5 and all(row["difference"] < 1e-10 for row in rows)
