"""Computation graphs with local nodes: an independent source of gradients, and what predictive coding runs on."""

from computation_graph.graph import Graph, Node
from computation_graph.images import Convolution
from computation_graph.operation import Local, Operation, Shape, Values
from computation_graph.operations import (
    Activation,
    Add,
    Bias,
    Concatenate,
    Dense,
    Identity,
    Input,
    Multiply,
    Reshape,
    Scale,
    Select,
)
from computation_graph.sequences import LayerNorm, Product, Softmax

__all__ = [
    "Activation",
    "Add",
    "Bias",
    "Concatenate",
    "Convolution",
    "Dense",
    "Graph",
    "Identity",
    "Input",
    "LayerNorm",
    "Local",
    "Multiply",
    "Node",
    "Operation",
    "Product",
    "Reshape",
    "Scale",
    "Select",
    "Shape",
    "Softmax",
    "Values",
]
