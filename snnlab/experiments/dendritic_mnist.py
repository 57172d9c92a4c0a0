"""The dendritic microcircuit on MNIST, 784-500-500-10, in two sweeps: the paper's row with fixed top-down weights.

Network, mixing factors, targets, initial weights and batches are published (Sacramento et al., arXiv:1810.11393 and its
supplement). A leak of 0 makes potentials the convex mixtures of the paper.
"""

from snnlab.encode import Intensity
from snnlab.experiments.experiment import Experiment
from snnlab.microcircuit import Microcircuit
from snnlab.rules.two_sweep import TwoSweep

EXPERIMENT = Experiment(
    name="dendritic-mnist",
    summary="MNIST, 784-500-500-10 pyramidal cells with interneurons, dendritic error in two sweeps",
    reference="Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393: 1.96 % test error",
    reported=0.9804,
    dataset="mnist",
    network=Microcircuit(hidden=(500, 500), mixing=(0.3, 0.3, 0.1), interneuron=0.1, leak=0.0, bias=True),
    encoder=Intensity(),
    rule=TwoSweep(rate=8e-3),
    epochs=40,
    batch=10,
)
