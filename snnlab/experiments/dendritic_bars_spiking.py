"""A dendritic microcircuit of spiking cells, 9-30-3, learns bars of 3 x 3 pixels.

Cells fire as Poisson processes (Gille's thesis, Bern 2023, on the circuit of arXiv:1810.11393): 100 spikes per
millisecond at a rate of 1, about five per step at a rate of 0.5. With fewer spikes learning is harder:
scripts/rate_scale.py. Learning rates were chosen on seeds 0 to 2; the eight patterns are both training and test set.
"""

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic.continuous import Dendritic

EXPERIMENT = Experiment(
    name="dendritic-bars-spiking",
    summary="bars of 3 x 3 pixels, 9-30-3 Poisson-spiking cells, dendritic error in continuous time",
    reference="Gille, MSc thesis, Bern 2023; circuit of arXiv:1810.11393, latent equilibrium of arXiv:2110.14549",
    reported=1.0,
    dataset="bars",
    network=Microcircuit(hidden=(30,), mixing=(0.3,), interneuron_mixing=0.3, latent=True, spikes_per_ms=100.0),
    encoder=Intensity(low=0.1),
    rule=Dendritic(
        bottom_up=(840.0, 28.0), to_interneuron=56.0, from_interneuron=0.0, filter_time=1e-3,
        learning_time=20e-3, learning_lag=10e-3, prediction_time=50e-3, init_scale=(2.0, 1.0),
    ),
    epochs=200,
    batch=2,
)  # fmt: skip
