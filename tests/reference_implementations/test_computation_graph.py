"""Computation graphs: outputs and derivatives of operations against complex steps, and levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from computation_graph import (
    Activation,
    Add,
    Bias,
    Concatenate,
    Convolution,
    Dense,
    Graph,
    Identity,
    Input,
    LayerNorm,
    Local,
    Multiply,
    Node,
    Operation,
    Product,
    Reshape,
    Scale,
    Select,
    Shape,
    Softmax,
    nets,
)
from computation_graph.operations import ACTIVATIONS
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_by_hand import NETS, STEP, Values, by_complex_steps
from predictive_coding import z_il

OPERATIONS: list[tuple[Operation, list[Shape], list[Shape]]] = [
    (Dense(), [(4,)], [(4, 3)]),
    (Dense("tanh"), [(4,)], [(4, 3), (3,)]),
    (Dense("softplus"), [(2, 4)], [(4, 3), (3,)]),
    (Bias(), [(2, 3)], [(3,)]),
    *((Activation(name), [(5,)], []) for name in ACTIVATIONS),
    (Identity(), [(2, 3)], []),
    (Scale(-1.5), [(3,)], []),
    (Add(), [(2, 3)] * 3, []),
    (Multiply(), [(2, 3)] * 3, []),
    (Reshape((3, 4)), [(2, 6)], []),
    (Reshape((-1,)), [(2, 6)], []),
    (Select(1), [(3, 2)], []),
    (Concatenate(), [(2, 3), (2, 1), (2, 2)], []),
    (Convolution(), [(5, 4, 2)], [(3, 2, 2, 3)]),
    (Convolution(stride=2), [(6, 5, 2)], [(3, 2, 2, 3)]),
    (Convolution(stride=3, padding=2), [(4, 5, 1)], [(2, 3, 1, 2)]),
    (Product(), [(3, 4), (4, 2)], []),
    (Product(transposed=True), [(3, 4), (2, 4)], []),
    (Softmax(), [(2, 4)], []),
    (LayerNorm(), [(2, 4)], [(4,), (4,)]),
]


@pytest.mark.parametrize(("operation", "parents", "parameters"), OPERATIONS, ids=lambda one: str(one)[:40])
def test_vector_jacobian_products_equal_complex_step_derivatives(
    operation: Operation, parents: list[Shape], parameters: list[Shape]
) -> None:
    """For each parent and parameter of each operation, and a random error."""
    rng = np.random.default_rng(0)
    seen = [rng.normal(size=(3, *shape)) for shape in parents]
    known = [rng.normal(size=shape) for shape in parameters]
    output = operation.forward(seen, known)
    assert output.dtype == np.float64
    error, local = rng.normal(size=output.shape), Local(tuple(seen), tuple(known), output)
    found = [operation.to_parent(which, error, local) for which in range(len(parents))]
    found += operation.to_parameters(error, local)
    both = {str(k): values for k, values in enumerate([*seen, *known])}

    def cost(trial: Mapping[str, Values]) -> complex:
        values = list(trial.values())
        return (error * operation.forward(values[: len(seen)], values[len(seen) :])).sum()

    for derivative, exact in zip(found, by_complex_steps(cost, both).values(), strict=True):
        assert derivative.shape == exact.shape
        assert np.allclose(derivative, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("operation", [Dense("logistic"), Activation("softplus"), Softmax(), LayerNorm()])
def test_operations_do_not_overflow_and_preserve_single_precision(operation: Operation) -> None:
    seen = np.array([[-900.0, 0.0, 900.0]], dtype=np.float32)
    shapes = {Dense: [(3, 2)], LayerNorm: [(3,), (3,)]}.get(type(operation), [])
    known = [np.ones(shape, dtype=np.float32) for shape in shapes]
    output = operation.forward([seen], known)
    propagated = operation.to_parent(0, output, Local((seen,), tuple(known), output))
    assert output.dtype == propagated.dtype == np.float32
    assert np.isfinite(output).all() and np.isfinite(propagated).all()


@pytest.mark.parametrize("name", NETS)
def test_the_output_of_a_net_equals_that_of_its_equations(name: str) -> None:
    graph, forward = NETS[name]
    rng = np.random.default_rng(0)
    parameters, inputs = nets.random_parameters(graph, rng), nets.random_inputs(graph, 4, rng)
    for one in (graph, graph.levelled()):
        output = one.forward(inputs, parameters)["output"]
        assert np.allclose(output, forward(parameters, inputs["input"]), rtol=1e-12, atol=1e-13)


# Levels ---------------------------------------------------------------------------------------------------------------


def path_lengths(graph: Graph, name: str) -> set[int]:
    """The lengths of all paths from a node to the output."""
    children = [node.name for node in graph.nodes for parent in node.parents if parent == name]
    return {1 + length for child in children for length in path_lengths(graph, child)} if name != graph.output else {0}


@pytest.mark.parametrize("name", NETS)
def test_in_a_levelled_graph_all_paths_from_a_node_to_the_output_are_equally_long(name: str) -> None:
    """Except from inputs, which receive no error."""
    graph = NETS[name][0]
    level = graph.levelled()
    assert not level.skips and level.levelled().nodes == level.nodes
    for node in level.nodes:
        if node.name not in level.constant:
            assert path_lengths(level, node.name) == {level.levels[node.name]}
    for node in graph.nodes:
        assert max(path_lengths(graph, node.name)) == graph.levels[node.name] == level.levels[node.name]


def test_an_edge_over_n_levels_gets_n_minus_1_identities() -> None:
    graph = NETS["residual"][0]
    assert graph.skips == (("x0", "x1"), ("x1", "x2"), ("x2", "x3"))
    added = {node.name for node in graph.levelled().nodes} - {node.name for node in graph.nodes}
    assert added == {"x0@9", "x0@8", "x1@6", "x1@5", "x2@3", "x2@2"}


def test_edges_from_one_node_share_their_identities() -> None:
    nodes = (
        Node("in", Input((2,))),
        Node("a", Dense(), ("in",), ("W",)),
        Node("b", Activation("tanh"), ("a",)),
        Node("c", Activation("tanh"), ("b",)),
        Node("d", Add(), ("c", "a")),
        Node("e", Add(), ("d", "a", "a")),
    )
    graph = Graph(nodes, {"W": (2, 2)}, "e")
    level = graph.levelled()
    added = {node.name: node.parents for node in level.nodes if isinstance(node.operation, Identity)}
    assert added == {"a@3": ("a",), "a@2": ("a@3",), "a@1": ("a@2",)}
    assert level["d"].parents == ("c", "a@2") and level["e"].parents == ("d", "a@1", "a@1")


def test_inputs_and_nodes_that_depend_only_on_them_are_constant() -> None:
    graph = NETS["recurrent"][0]
    assert graph.constant == {"input", *(f"x{t}" for t in range(6))}


def test_the_order_of_nodes_does_not_matter() -> None:
    graph = NETS["attention"][0]
    rng = np.random.default_rng(0)
    parameters, inputs = nets.random_parameters(graph, rng), nets.random_inputs(graph, 2, rng)
    reversed_ = Graph(graph.nodes[::-1], graph.parameters, "output")
    assert reversed_.levels == graph.levels
    first, second = (each.forward(inputs, parameters)["output"] for each in (graph, reversed_))
    assert first.tobytes() == second.tobytes()


# Random graphs -------------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small operations on vectors in a random graph; nodes without children are concatenated into the output."""
    shapes: dict[str, Shape] = {}
    nodes: list[Node] = []
    sizes: dict[str, int] = {}

    def append(operation: Operation, parents: Sequence[str], needs: Sequence[Shape], size: int) -> None:
        """Parameters are shared with earlier nodes if shapes allow, or new."""
        names = []
        for shape in needs:
            known = [name for name, one in shapes.items() if one == shape]
            name = draw(st.sampled_from([*known, f"p{len(shapes)}"]))
            shapes[name] = shape
            names.append(name)
        nodes.append(Node(f"n{len(nodes)}", operation, tuple(parents), tuple(names)))
        sizes[nodes[-1].name] = size

    for _ in range(draw(st.integers(1, 2))):
        append(Input((size := draw(st.integers(1, 3)),)), (), (), size)
    append(Dense(), ("n0",), ((sizes["n0"], 3), (3,)), 3)
    for _ in range(draw(st.integers(0, 9))):
        one = draw(st.sampled_from(sorted(sizes)))
        size = sizes[one]
        alike = [one, *draw(st.lists(st.sampled_from([name for name in sizes if sizes[name] == size]), max_size=2))]
        match draw(st.integers(0, 6)):
            case 0:
                after = draw(st.integers(1, 3))
                append(Dense(draw(st.sampled_from(["identity", "tanh"]))), (one,), ((size, after),), after)
            case 1:
                append(Bias(), (one,), ((size,),), size)
            case 2:
                append(Activation(draw(st.sampled_from(["tanh", "logistic", "softplus"]))), (one,), (), size)
            case 3:
                append(Add(), alike, (), size)
            case 4:
                append(Multiply(), alike, (), size)
            case 5:
                append(LayerNorm(epsilon=0.1), (one,), ((size,), (size,)), size)
            case _:
                append(Softmax(), (one,), (), size)
    with_children = {parent for node in nodes for parent in node.parents}
    childless = [node.name for node in nodes if node.name not in with_children]
    append(Concatenate(), childless, (), sum(sizes[name] for name in childless))
    return Graph(tuple(nodes), shapes, nodes[-1].name)


@settings(max_examples=examples(60), deadline=None)
@given(graph=graphs(), seed=st.integers(0, 2**32 - 1))
def test_z_il_and_reverse_mode_are_exact_on_random_graphs(graph: Graph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters, inputs = nets.random_parameters(graph, rng), nets.random_inputs(graph, 2, rng)
    level = graph.levelled()
    values = level.forward(inputs, parameters)
    target = rng.normal(size=values[graph.output].shape)

    def cost(trial: Mapping[str, Values]) -> complex:
        return (target * graph.forward(inputs, trial)[graph.output]).sum()

    exact = by_complex_steps(cost, parameters)
    largest = max(float(np.abs(one).max()) for one in exact.values())
    for found in (
        z_il(level, values, parameters, target),
        z_il(level, values, parameters, target, front=True),
        graph.gradients(values, parameters, target),
    ):
        assert found.keys() == exact.keys()
        for name, one in exact.items():
            assert np.abs(found[name] - one).max() <= 1e-10 * largest, name


def test_derivatives_of_activations_equal_closed_forms_and_complex_steps() -> None:
    """Away from any kink."""
    x = np.array([-2.0, -0.5, 0.5, 4.0])
    derivatives = {
        "identity": np.ones(4),
        "tanh": 1 / np.cosh(x) ** 2,
        "logistic": 1 / (2 * np.cosh(x / 2)) ** 2,
        "relu": np.array([0.0, 0.0, 1.0, 1.0]),
        "softplus": 1 / (1 + np.exp(-x)),
        "soft_rectifier": 0.1 / (1 + np.exp(3 - x)),
    }
    assert derivatives.keys() == ACTIVATIONS.keys()
    for name, function in ACTIVATIONS.items():
        stepped = function.value(x + 1j * STEP).imag / STEP
        assert np.allclose(stepped, derivatives[name], rtol=1e-13)
        assert np.allclose(function.derivative(function.value(x)), derivatives[name], rtol=1e-12)
