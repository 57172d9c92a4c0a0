"""The self-assembling circuit (reconstruction) on MNIST, 784-128-10, and backpropagation with the same weight decay.

The paper's abstract has no result on MNIST. The criterion here: with the same initial weights, batches, learning
rate and decay, its accuracy is within half a point of backpropagation. With 256 paired cells for 128 hidden ones,
errors of random directions are on average atan(sqrt(128 / 256)) = 35 degrees from those of backpropagation. Learning
rate and decay are such that the initial weights decay by exp(-5) in 20 epochs. Lateral synapses P learn at a twentieth
of the rate of Q, so that both converge to nearly the initial P.
"""

from dataclasses import replace

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.mlp import MLP
from snnlab.networks.two_stream import TwoStream
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.self_assembly import SelfAssembly

EXPERIMENT = Experiment(
    name="sal-mnist",
    summary="MNIST, 784-128-10, SAL-style (reconstruction): two streams that self-assemble from random connections",
    reference="After Liao, Ziyin, Gan, Cheung, Harnett, Poggio, arXiv:2412.20018, 2024, a reconstruction: no number",
    reported=None,
    dataset="mnist",
    network=TwoStream(hidden=(128,), descending=(256,)),
    encoder=Intensity(),
    rule=SelfAssembly(
        learning_rate=0.05,
        schedule=Schedule("late"),
        weight_decay=1e-3,
        weight_init="he",
        low=0.0,
        high=1.0,
        mirror_rate=2e-3,
        lateral_rate=1e-4,
        noise_samples=8,
    ),
    epochs=20,
    batch=10,
)

CONTROL = replace(
    EXPERIMENT,
    name="sal-mnist-backprop",
    summary="MNIST, 784-128-10, backpropagation with the learning rate and weight decay of sal-mnist: the control",
    reference="Rumelhart, Hinton, Williams, Nature 323:533, 1986: the control of a reconstruction, no number",
    network=MLP(hidden=(128,)),
    rule=Backprop(
        learning_rate=0.05, schedule=Schedule("late"), weight_decay=1e-3, weight_init="he", low=0.0, high=1.0
    ),
)
