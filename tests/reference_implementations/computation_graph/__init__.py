"""Computation graphs whose nodes know no more than their neighbours: what predictive coding runs on."""

from computation_graph.graph import Graph, Node
from computation_graph.images import Convolution
from computation_graph.operation import Local, Operation, Shape, Values
from computation_graph.operations import (
    Add,
    Bias,
    Dense,
    Identity,
    Input,
    Join,
    Multiply,
    Pick,
    Reshape,
    Scale,
    Transfer,
)
from computation_graph.sequences import Normalise, Product, Softmax

__all__ = [
    "Add",
    "Bias",
    "Convolution",
    "Dense",
    "Graph",
    "Identity",
    "Input",
    "Join",
    "Local",
    "Multiply",
    "Node",
    "Normalise",
    "Operation",
    "Pick",
    "Product",
    "Reshape",
    "Scale",
    "Shape",
    "Softmax",
    "Transfer",
    "Values",
]
