"""Graphs of local nodes: what they make and send back, how they are levelled, and what is no graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from computation_graph import (
    Add,
    Bias,
    Convolution,
    Dense,
    Graph,
    Identity,
    Input,
    Join,
    Local,
    Multiply,
    Node,
    Normalise,
    Operation,
    Pick,
    Product,
    Reshape,
    Scale,
    Shape,
    Softmax,
    Transfer,
    nets,
)
from computation_graph.operations import FUNCTIONS
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_by_hand import NETS, STEP, Values, by_complex_steps
from predictive_coding import z_il

from snnlab.errors import InputError

OPERATIONS: list[tuple[Operation, list[Shape], list[Shape]]] = [
    (Dense(), [(4,)], [(4, 3)]),
    (Dense("tanh"), [(4,)], [(4, 3), (3,)]),
    (Dense("softplus"), [(2, 4)], [(4, 3), (3,)]),
    (Bias(), [(2, 3)], [(3,)]),
    *((Transfer(name), [(5,)], []) for name in FUNCTIONS),
    (Identity(), [(2, 3)], []),
    (Scale(-1.5), [(3,)], []),
    (Add(), [(2, 3)] * 3, []),
    (Multiply(), [(2, 3)] * 3, []),
    (Reshape((3, 4)), [(2, 6)], []),
    (Reshape((-1,)), [(2, 6)], []),
    (Pick(1), [(3, 2)], []),
    (Join(), [(2, 3), (2, 1), (2, 2)], []),
    (Convolution(), [(5, 4, 2)], [(3, 2, 2, 3)]),
    (Convolution(stride=2), [(6, 5, 2)], [(3, 2, 2, 3)]),
    (Convolution(stride=3, padding=2), [(4, 5, 1)], [(2, 3, 1, 2)]),
    (Product(), [(3, 4), (4, 2)], []),
    (Product(transposed=True), [(3, 4), (2, 4)], []),
    (Softmax(), [(2, 4)], []),
    (Normalise(), [(2, 4)], [(4,), (4,)]),
]


@pytest.mark.parametrize(("operation", "parents", "parameters"), OPERATIONS, ids=lambda one: str(one)[:40])
def test_what_is_sent_back_is_the_derivative_by_every_number(
    operation: Operation, parents: list[Shape], parameters: list[Shape]
) -> None:
    """Of each parent and each parameter, by complex steps, for an error of random numbers."""
    rng = np.random.default_rng(0)
    seen = [rng.normal(size=(3, *shape)) for shape in parents]
    known = [rng.normal(size=shape) for shape in parameters]
    made = operation.forward(seen, known)
    assert made.shape == (3, *operation.shape(parents, parameters)) and made.dtype == np.float64
    error, local = rng.normal(size=made.shape), Local(tuple(seen), tuple(known), made)
    found = [operation.to_parent(which, error, local) for which in range(len(parents))]
    found += operation.to_parameters(error, local)
    both = {str(k): values for k, values in enumerate([*seen, *known])}

    def cost(trial: Mapping[str, Values]) -> complex:
        values = list(trial.values())
        return (error * operation.forward(values[: len(seen)], values[len(seen) :])).sum()

    for sent, exact in zip(found, by_complex_steps(cost, both).values(), strict=True):
        assert sent.shape == exact.shape
        assert np.allclose(sent, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("operation", [Dense("logistic"), Transfer("softplus"), Softmax(), Normalise()])
def test_nothing_overflows_and_single_precision_stays(operation: Operation) -> None:
    seen = np.array([[-900.0, 0.0, 900.0]], dtype=np.float32)
    shapes = {Dense: [(3, 2)], Normalise: [(3,), (3,)]}.get(type(operation), [])
    known = [np.ones(shape, dtype=np.float32) for shape in shapes]
    made = operation.forward([seen], known)
    sent = operation.to_parent(0, made, Local((seen,), tuple(known), made))
    assert made.dtype == sent.dtype == np.float32
    assert np.isfinite(made).all() and np.isfinite(sent).all()


@pytest.mark.parametrize("name", NETS)
def test_a_net_makes_what_it_makes_written_out(name: str) -> None:
    graph, forward = NETS[name]
    rng = np.random.default_rng(0)
    parameters, inputs = nets.drawn(graph, rng), nets.shown(graph, 4, rng)
    for one in (graph, graph.levelled()):
        made = one.forward(inputs, parameters)["output"]
        assert np.allclose(made, forward(parameters, inputs["input"]), rtol=1e-12, atol=1e-13)


# Levels ---------------------------------------------------------------------------------------------------------------


def ways(graph: Graph, name: str) -> set[int]:
    """The lengths of all ways from a node to the output."""
    children = [node.name for node in graph.nodes for parent in node.parents if parent == name]
    return {1 + length for child in children for length in ways(graph, child)} if name != graph.output else {0}


@pytest.mark.parametrize("name", NETS)
def test_in_a_levelled_graph_all_ways_from_a_node_to_the_output_are_equally_long(name: str) -> None:
    """Of inputs they need not be, as no error has to come there."""
    graph = NETS[name][0]
    level = graph.levelled()
    assert not level.leaps and level.levelled().nodes == level.nodes
    for node in level.nodes:
        if node.name not in level.given:
            assert ways(level, node.name) == {level.levels[node.name]}
    for node in graph.nodes:
        assert max(ways(graph, node.name)) == graph.levels[node.name] == level.levels[node.name]


def test_an_edge_gets_one_identity_less_than_the_levels_that_it_spans() -> None:
    graph = NETS["residual"][0]
    assert graph.leaps == (("x0", "x1"), ("x1", "x2"), ("x2", "x3"))
    added = {node.name for node in graph.levelled().nodes} - {node.name for node in graph.nodes}
    assert added == {"x0@9", "x0@8", "x1@6", "x1@5", "x2@3", "x2@2"}


def test_edges_out_of_one_node_share_their_identities() -> None:
    nodes = (
        Node("in", Input((2,))),
        Node("a", Dense(), ("in",), ("W",)),
        Node("b", Transfer("tanh"), ("a",)),
        Node("c", Transfer("tanh"), ("b",)),
        Node("d", Add(), ("c", "a")),
        Node("e", Add(), ("d", "a", "a")),
    )
    graph = Graph(nodes, {"W": (2, 2)}, "e")
    level = graph.levelled()
    added = {node.name: node.parents for node in level.nodes if isinstance(node.operation, Identity)}
    assert added == {"a@3": ("a",), "a@2": ("a@3",), "a@1": ("a@2",)}
    assert level["d"].parents == ("c", "a@2") and level["e"].parents == ("d", "a@1", "a@1")


def test_inputs_and_what_is_made_of_them_alone_are_given() -> None:
    graph = NETS["recurrent"][0]
    assert graph.given == {"input", *(f"x{t}" for t in range(6))}


def test_nodes_may_stand_in_any_order() -> None:
    graph = NETS["attention"][0]
    rng = np.random.default_rng(0)
    parameters, inputs = nets.drawn(graph, rng), nets.shown(graph, 2, rng)
    turned = Graph(graph.nodes[::-1], graph.parameters, "output")
    assert turned.levels == graph.levels
    one, other = (each.forward(inputs, parameters)["output"] for each in (graph, turned))
    assert one.tobytes() == other.tobytes()


# Graphs of all kinds --------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small operations on vectors, wired at random; what nobody hears is joined into the output."""
    shapes: dict[str, Shape] = {}
    nodes: list[Node] = []
    sizes: dict[str, int] = {}

    def put(operation: Operation, parents: Sequence[str], needs: Sequence[Shape], size: int) -> None:
        """Parameters are shared with earlier nodes where shapes allow, or new."""
        names = []
        for shape in needs:
            known = [name for name, one in shapes.items() if one == shape]
            name = draw(st.sampled_from([*known, f"p{len(shapes)}"]))
            shapes[name] = shape
            names.append(name)
        nodes.append(Node(f"n{len(nodes)}", operation, tuple(parents), tuple(names)))
        sizes[nodes[-1].name] = size

    for _ in range(draw(st.integers(1, 2))):
        put(Input((size := draw(st.integers(1, 3)),)), (), (), size)
    put(Dense(), ("n0",), ((sizes["n0"], 3), (3,)), 3)
    for _ in range(draw(st.integers(0, 9))):
        one = draw(st.sampled_from(sorted(sizes)))
        size = sizes[one]
        alike = [one, *draw(st.lists(st.sampled_from([name for name in sizes if sizes[name] == size]), max_size=2))]
        match draw(st.integers(0, 6)):
            case 0:
                after = draw(st.integers(1, 3))
                put(Dense(draw(st.sampled_from(["identity", "tanh"]))), (one,), ((size, after),), after)
            case 1:
                put(Bias(), (one,), ((size,),), size)
            case 2:
                put(Transfer(draw(st.sampled_from(["tanh", "logistic", "softplus"]))), (one,), (), size)
            case 3:
                put(Add(), alike, (), size)
            case 4:
                put(Multiply(), alike, (), size)
            case 5:
                put(Normalise(epsilon=0.1), (one,), ((size,), (size,)), size)
            case _:
                put(Softmax(), (one,), (), size)
    heard = {parent for node in nodes for parent in node.parents}
    loose = [node.name for node in nodes if node.name not in heard]
    put(Join(), loose, (), sum(sizes[name] for name in loose))
    return Graph(tuple(nodes), shapes, nodes[-1].name)


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 2**32 - 1))
def test_z_il_and_the_backward_sweep_are_exact_on_all_graphs(graph: Graph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters, inputs = nets.drawn(graph, rng), nets.shown(graph, 2, rng)
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


def test_a_complex_step_goes_through_every_function() -> None:
    """Their slopes against closed forms, away from any corner."""
    x = np.array([-2.0, -0.5, 0.5, 4.0])
    slopes = {
        "identity": np.ones(4),
        "tanh": 1 / np.cosh(x) ** 2,
        "logistic": 1 / (2 * np.cosh(x / 2)) ** 2,
        "relu": np.array([0.0, 0.0, 1.0, 1.0]),
        "softplus": 1 / (1 + np.exp(-x)),
        "soft_rectifier": 0.1 / (1 + np.exp(3 - x)),
    }
    assert slopes.keys() == FUNCTIONS.keys()
    for name, function in FUNCTIONS.items():
        stepped = function.of(x + 1j * STEP).imag / STEP
        assert np.allclose(stepped, slopes[name], rtol=1e-13)
        assert np.allclose(function.slope(function.of(x)), slopes[name], rtol=1e-12)


# What cannot be -------------------------------------------------------------------------------------------------------

GOOD = NETS["perceptron"][0]


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("layer1", {"parents": ("layer3",)}, r"^graph: a cycle layer\d( -> layer\d){3}; needs none: unroll it in time"),
        ("layer2", {"parents": ("layer2",)}, "^graph: a cycle layer2 -> layer2;"),
        ("layer3", {"parents": ("layer9",)}, "^node 'layer3': hears 'layer9'; did you mean 'layer3'"),
        ("layer3", {"parents": ("layer1",)}, "^node 'layer2': heard by none; needs a child, to lead to the output"),
        ("layer3", {"parameters": ("W9",)}, "^node 'layer3': has parameter 'W9'; known: W1, W2, W3"),
        ("layer3", {"parameters": ("W3",)}, "^parameter 'b3': used by no node; needs one, or to be left out$"),
        ("layer3", {"name": "layer2"}, "^node 'layer2': found 2 of this name"),
        (
            "layer3",
            {"parameters": ("W4", "b4")},
            r"^node 'layer3': a parent \(9,\) for weights \(7, 4\); needs 7 along the last axis, or weights",
        ),
        ("layer3", {"parameters": ("W3", "b4")}, r"^node 'layer3': a bias \(4,\) for weights \(9, 7\); needs \(7,\)$"),
        ("layer3", {"parameters": ("b3",)}, "^node 'layer3': parameters of "),
        ("layer3", {"parents": ("layer2", "layer1")}, "^node 'layer3': 2 parents; needs 1$"),
        ("layer3", {"operation": Transfer("tanh")}, "^node 'layer3': 2 parameters; needs 0$"),
        ("input", {"operation": Input((7,))}, r"^node 'layer1': a parent \(7,\) for weights \(8, 10\)"),
        ("output", {"name": "answer"}, "^graph.output: found 'output'; known: answer"),
    ],
)
def test_what_is_no_graph_is_refused(name: str, changes: dict, says: str) -> None:
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in GOOD.nodes)
    with pytest.raises(InputError, match=says):
        Graph(nodes, GOOD.parameters, "output")


def test_an_output_that_is_heard_or_that_comes_from_outside_is_refused() -> None:
    with pytest.raises(InputError, match="^node 'output': heard by none"):
        Graph(GOOD.nodes, GOOD.parameters, "layer3")
    looped = (*GOOD.nodes[:-1], replace(GOOD.nodes[-1], name="more"))
    with pytest.raises(InputError, match="^node 'more': heard by none"):
        Graph(looped, GOOD.parameters, "layer3")
    with pytest.raises(InputError, match="^graph.output: 'input' of shape"):
        Graph(GOOD.nodes[:1], {}, "input")


@pytest.mark.parametrize(
    ("operation", "parents", "parameters", "says"),
    [
        (Add(), [(2,), (3,)], [], r"parents \(2,\), \(3,\); needs one shape, as \(2,\)"),
        (Multiply(), [], [], "parents none; needs one shape"),
        (Join(), [(2, 3), (1, 3)], [], "needs shapes that differ in their last axis alone"),
        (Bias(), [(2,)], [(3,)], r"a bias \(3,\) for a parent \(2,\); needs \(2,\)"),
        (Reshape((4, 2)), [(3, 3)], [], r"a parent \(3, 3\) of 9 numbers for \(4, 2\); needs 8 numbers"),
        (Pick(3), [(3, 2)], [], r"place 3 of a parent \(3, 2\); needs one from 0"),
        (Convolution(), [(8, 8)], [(3, 3, 1, 4)], r"a parent \(8, 8\) for kernels \(3, 3, 1, 4\); needs an image"),
        (Convolution(), [(2, 8, 1)], [(3, 3, 1, 4)], "needs kernels no larger than the padded image"),
        (Product(), [(3, 4), (3, 4)], [], r"parents \(3, 4\) and \(3, 4\); needs \(n, k\) and \(k, m\)"),
        (Product(True), [(3, 4), (4, 3)], [], r"needs \(n, k\) and \(m, k\)"),
        (Normalise(), [(3, 4)], [(3,), (3,)], r"gain and shift \(3,\) and \(3,\) for a parent \(3, 4\); needs \(4,\)"),
        (Softmax(), [()], [], "needs an axis"),
    ],
)
def test_shapes_that_do_not_compose_are_refused(
    operation: Operation, parents: list[Shape], parameters: list[Shape], says: str
) -> None:
    """And say at which node."""
    nodes = [Node(f"in{k}", Input(shape)) for k, shape in enumerate(parents)]
    known = {f"p{k}": shape for k, shape in enumerate(parameters)}
    node = Node("here", operation, tuple(one.name for one in nodes), tuple(known))
    with pytest.raises(InputError, match=f"^node 'here': .*{says}"):
        Graph((*nodes, node), known, "here")


def test_values_that_do_not_fit_a_graph_are_refused() -> None:
    rng = np.random.default_rng(0)
    parameters, inputs = nets.drawn(GOOD, rng), nets.shown(GOOD, 3, rng)
    for known, seen, says in (
        (parameters, {}, r"^input 'input': missing; needs an array \(8,\)$"),
        (parameters, {"inputs": inputs["input"]}, "^input 'inputs': not in the graph; did you mean 'input'"),
        (parameters, {"input": np.ones((3, 7))}, r"^input 'input': found samples of \(7,\); needs samples of \(8,\)$"),
        (parameters | {"b2": np.ones(3)}, inputs, r"^parameter 'b2': found \(3,\); needs \(9,\)$"),
        ({}, inputs, r"^parameter 'W1': missing; needs an array \(8, 10\)$"),
    ):
        with pytest.raises(InputError, match=says):
            GOOD.forward(seen, known)


@pytest.mark.parametrize("make", [lambda: Transfer("tan"), lambda: Dense("tan")])
def test_a_function_that_nobody_knows_is_refused(make: type) -> None:
    with pytest.raises(InputError, match="^function: found 'tan'; did you mean 'tanh'"):
        make()


def test_a_convolution_that_stands_still_is_refused() -> None:
    with pytest.raises(InputError, match="^convolution: found a stride of 0 and a padding of 0; needs at least 1"):
        Convolution(stride=0)


@pytest.mark.parametrize("shape", [(3, 0), (3, -2), (2.0, 3), 3])
def test_sizes_that_nothing_has_are_refused(shape: object) -> None:
    with pytest.raises(InputError, match=r"^parameter 'W': shape .*; needs a tuple of whole numbers, at least 1$"):
        Graph((Node("x", Input((3,))), Node("y", Dense(), ("x",), ("W",))), {"W": shape}, "y")  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"^node 'x': shape "):
        Graph((Node("x", Input(shape)), Node("y", Dense(), ("x",), ("W",))), {"W": (3, 2)}, "y")  # type: ignore[arg-type]
