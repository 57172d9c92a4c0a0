"""Backpropagation on MNIST, 784-500-10: the control of Z-IL, feedback alignment and others."""

from dataclasses import replace

from snnlab.experiments.z_il_mnist import EXPERIMENT as Z_IL
from snnlab.rules.backprop import Backprop

EXPERIMENT = replace(
    Z_IL,
    name="backprop-layers-mnist",
    summary="MNIST, 784-500-10 rectifiers, backpropagation: a control",
    reference="Rumelhart, Hinton, Williams, Nature 323:533, 1986",
    rule=Backprop(rate=0.1, decay="late", initial="he", low=0.0, high=1.0),
)
