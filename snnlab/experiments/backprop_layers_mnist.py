"""Backpropagation on MNIST, 784-500-10: the control of Z-IL and feedback alignment."""

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.mlp import MLP
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rate.backprop import Backprop

EXPERIMENT = Experiment(
    name="backprop-layers-mnist",
    summary="MNIST, 784-500-10 rectifiers, backpropagation: a control",
    reference="Rumelhart, Hinton, Williams, Nature 323:533, 1986",
    reported=None,
    dataset="mnist",
    network=MLP(hidden=(500,)),
    encoder=Intensity(),
    rule=Backprop(learning_rate=0.1, schedule=Schedule("late"), weight_init="he", low=0.0, high=1.0),
    epochs=10,
    batch=20,
)
