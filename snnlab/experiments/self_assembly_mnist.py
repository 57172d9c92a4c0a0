"""The self-assembling circuit (reconstruction) on MNIST, 784-128-10, and backpropagation with the same decay.

The paper's abstract has no number for it. What is asked of it: with the same first weights, batches, rates and decay it
comes within half a point of backpropagation. 256 cells beside the 128 hidden ones
bring the error sent down to atan(sqrt(128 / 256)) = 35 degrees from that of backpropagation, in the mean over errors
of all directions. Rate and decay are such that the wiring of the start is forgotten by exp(-5) in 20 epochs. Lateral
synapses P learn at a twentieth of the rate of Q, so that both end as nearly all of what P began as.
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
    summary="MNIST, 784-128-10, SAL-style (reconstruction): two streams that assemble themselves from random wiring",
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
    summary="MNIST, 784-128-10, backpropagation with the rate and the decay of sal-mnist: the control",
    reference="Rumelhart, Hinton, Williams, Nature 323:533, 1986: the control of a reconstruction, no number",
    network=MLP(hidden=(128,)),
    rule=Backprop(
        learning_rate=0.05, schedule=Schedule("late"), weight_decay=1e-3, weight_init="he", low=0.0, high=1.0
    ),
)
