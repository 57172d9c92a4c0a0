"""Z-IL on MNIST, 784-500-10: predictive coding with the updates of backpropagation."""

from dataclasses import replace

from snnlab.experiments.backprop_layers_mnist import EXPERIMENT as CONTROL
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rate.z_il import ZIL

EXPERIMENT = replace(
    CONTROL,
    name="z-il-mnist",
    summary="MNIST, 784-500-10 rectifiers, predictive coding that equals backpropagation (Z-IL)",
    reference="Song, Lukasiewicz, Xu, Bogacz, NeurIPS 2020, and Salvatori and others, arXiv:2103.04689",
    rule=ZIL(learning_rate=0.1, schedule=Schedule("late"), weight_init="he", low=0.0, high=1.0),
)
