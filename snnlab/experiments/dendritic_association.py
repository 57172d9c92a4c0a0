"""A dendritic microcircuit, 30-20-10, learns one association in continuous time.

Conductances, learning rates, noise and random initial weights are those of the paper's figure 1, as in its
re-implementations. The pattern is on the dataset's card; the seed determines the target, by a random network, and the
initial weights.
"""

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic.continuous import Dendritic
from snnlab.rules.dendritic.teacher import NetworkTeacher

EXPERIMENT = Experiment(
    name="dendritic-association",
    summary="one pattern associated with one target, 30-20-10 pyramidal cells with interneurons, dendritic error",
    reference="Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393, figure 1",
    reported=None,
    dataset="association",
    network=Microcircuit(hidden=(20,), noise=0.1, outputs=10),
    encoder=Intensity(),
    rule=Dendritic(
        teacher=NetworkTeacher(hidden=20, gains=(1.0, 1.0), tolerance=0.01),
        bottom_up=(1.1875, 0.5), to_interneuron=1.1875, from_interneuron=0.5, interneuron_init="random",
        prediction_time=20e-3,
    ),
    epochs=400,
    batch=1,
)  # fmt: skip
