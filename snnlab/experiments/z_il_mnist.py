"""Z-IL on MNIST, 784-500-10: predictive coding that learns what backpropagation learns."""

from snnlab.encode import Intensity
from snnlab.experiments.experiment import Experiment
from snnlab.rate_layers import RateLayers
from snnlab.rules.z_il import ZIL

EXPERIMENT = Experiment(
    name="z-il-mnist",
    summary="MNIST, 784-500-10 rectifiers, predictive coding that equals backpropagation (Z-IL)",
    reference="Song, Lukasiewicz, Xu, Bogacz, NeurIPS 2020, and Salvatori and others, arXiv:2103.04689",
    reported=None,
    dataset="mnist",
    network=RateLayers(hidden=(500,)),
    encoder=Intensity(),
    rule=ZIL(rate=0.1, decay="late", initial="he", low=0.0, high=1.0),
    epochs=10,
    batch=20,
)
