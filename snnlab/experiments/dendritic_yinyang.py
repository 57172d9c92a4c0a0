"""A dendritic microcircuit, 4-120-3, on Yin-Yang in continuous time.

Cells have latent equilibrium; samples last 2 ms. The number of hidden cells is that of re-implementations of the
circuit, which reach 96.7 to 97.2 % in the full dynamics. Learning rates were chosen on other samples of the dataset.
"""

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.continuous import Dendritic

EXPERIMENT = Experiment(
    name="dendritic-yinyang",
    summary="Yin-Yang, 4-120-3 pyramidal cells with interneurons, dendritic error in continuous time",
    reference="Kriener, Göltz, Petrovici, NICE 2022, arXiv:2102.08211",
    reported=None,
    dataset="yin-yang",
    network=Microcircuit(hidden=(120,), mixing=(0.5, 0.3), interneuron_mixing=0.3, latent=True, bias=True),
    encoder=Intensity(),
    rule=Dendritic(
        bottom_up=(50000.0, 166.7), to_interneuron=333.0, from_interneuron=0.0, filter_time=1e-4,
        learning_time=2e-3, learning_lag=0.6e-3, prediction_time=2e-3, init_scale=(4.0, 0.3),
        schedule=Schedule("inverse", gamma=(0.02,)),
    ),
    epochs=100,
    batch=10,
)  # fmt: skip
