"""HM2-BP on scikit-learn's 1,797 handwritten digits of 8 x 8 pixels: a quick first experiment.

Cell, encoding and rule of hm2bp-mnist, with a smaller network, a lower hidden threshold for its fewer inputs, and lower
targets for its shorter samples. There is no published number.
"""

from snnlab.encoders import Poisson
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.spike_count.hm2bp import HM2BP

EXPERIMENT = Experiment(
    name="hm2bp-digits",
    summary="scikit-learn's 8 x 8 digits, 64-100-10, 200 steps of 1 ms, trained with HM2-BP",
    reference="the rule is that of Jin, Zhang, Li, NeurIPS 2018, arXiv:1805.07866",
    reported=None,
    dataset="digits",
    network=FeedForward(cell="lif_exp_euler", hidden=("100",), v_th=(10.0, 8.0)),
    encoder=Poisson(steps=200, dt=1e-3, max_rate=1 / 5.5, resample_each_epoch=True),
    rule=HM2BP(learning_rate=1e-2, target=20, non_target=3, margin=3),
    epochs=20,
    batch=32,
)
