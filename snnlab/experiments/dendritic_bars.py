"""A dendritic microcircuit, 9-30-3, learns bars of 3 x 3 pixels in continuous time.

Sizes and latent equilibrium are those of Haider et al. (arXiv:2110.14549); conductances and learning rates are our own,
for samples of 2 ms. The eight patterns are both training and test set.
"""

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic.continuous import Dendritic

EXPERIMENT = Experiment(
    name="dendritic-bars",
    summary="bars of 3 x 3 pixels, 9-30-3 pyramidal cells with interneurons, dendritic error in continuous time",
    reference="Haider et al., NeurIPS 2021, arXiv:2110.14549",
    reported=None,
    dataset="bars",
    network=Microcircuit(hidden=(30,), mixing=(0.3,), interneuron_mixing=0.3, latent=True),
    encoder=Intensity(),
    rule=Dendritic(
        bottom_up=(20000.0, 600.0), to_interneuron=1200.0, from_interneuron=0.0, filter_time=1e-4,
        learning_time=2e-3, learning_lag=0.6e-3, prediction_time=2e-3, init_scale=(2.0,),
    ),
    epochs=120,
    batch=2,
)  # fmt: skip
