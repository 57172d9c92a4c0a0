"""HM2-BP on MNIST, fully connected 784-800-10: the first row of the paper's comparison.

Network, encoding, thresholds, time constants, targets and initial weights are the authors' (arXiv:1805.07866 and their
configuration files). They step Adam after every sample with a rate that decays with 1/sqrt(epoch) over 200 epochs; here
Adam steps after every batch, with a larger rate and cosine decay over 20 epochs. The rate was chosen on the last 10,000
training images, not on the test set. The authors' lateral inhibition, weight penalty and boosting are options:
network.inhibition, rule.regularisation, boosting.
"""

from snnlab.encoders import Poisson
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.spike_count.hm2bp import HM2BP

EXPERIMENT = Experiment(
    name="hm2bp-mnist",
    summary="MNIST, 784-800-10, 400 steps of 1 ms, trained with HM2-BP",
    reference="Jin, Zhang, Li, NeurIPS 2018, arXiv:1805.07866: mean of 5 runs, each the best of 200 epochs on test",
    reported=0.9884,
    dataset="mnist",
    network=FeedForward(cell="lif_exp_euler", hidden=("800",), v_th=(20.0, 8.0)),
    encoder=Poisson(steps=400, dt=1e-3, max_rate=1 / 5.5, resample_each_epoch=True),
    rule=HM2BP(learning_rate=1.5e-2, schedule=Schedule("cosine")),
    epochs=20,
    batch=64,
)
