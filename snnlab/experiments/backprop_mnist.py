"""Backpropagation in the network of `dendritic-mnist`: the paper's control.

The circuit, forward pass, targets, initial weights and batches are the same; the learning rate is not.
"""

from dataclasses import replace

from snnlab.experiments.dendritic_mnist import EXPERIMENT as DENDRITIC
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rate.backprop import Backprop

EXPERIMENT = replace(
    DENDRITIC,
    name="backprop-mnist",
    summary="MNIST, 784-500-500-10, the same network trained with backpropagation: the control",
    reference="Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393: 1.53 % test error of the control",
    reported=0.9847,
    rule=Backprop(learning_rate=0.5, schedule=Schedule("late"), init_scale=(0.5, 0.3, 0.1)),
)
