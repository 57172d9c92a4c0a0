"""Computation graphs whose nodes know no more than their neighbours: what predictive coding runs on."""

from snnlab.graph.graph import Graph, Node
from snnlab.graph.images import Convolution
from snnlab.graph.operation import Local, Operation, Shape, Values
from snnlab.graph.operations import Add, Bias, Dense, Identity, Input, Join, Multiply, Pick, Reshape, Scale, Transfer
from snnlab.graph.sequences import Normalise, Product, Softmax

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
