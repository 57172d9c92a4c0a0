"""NormAD on MNIST, by its authors' group: twelve fixed kernels of 3 x 3, 8,112 features, ten outputs, 100 ms.

Features, target trains, initial weights of zero, 20 epochs and learning rates halved every three epochs are those of
Kulkarni and Rajendran (arXiv:1711.03637 and their code). They change weights after every image by 2e-10 A per error;
here after 16 images, by the mean change. On 5,000 held-out training images, 5e-11 A per image (here 8e-10 A) gave a
higher accuracy after every epoch than 1e-10 and 2e-10, and so did lateral inhibition of 5 nA instead of the published
1 nA.
"""

from snnlab.encoders import Features
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.target_trains import RegularTrains

EXPERIMENT = Experiment(
    name="normad-mnist",
    summary="MNIST through 8,112 fixed features into 10 outputs, 100 ms, trained with NormAD",
    reference="Kulkarni, Rajendran, Neural Networks 103:118, 2018, doi:10.1016/j.neunet.2018.03.019",
    reported=0.9817,
    dataset="mnist",
    network=FeedForward("lif_normad", hidden=(), v_th=(20e-3,), inhibition=5e-9, synapse="double_exponential_current"),
    encoder=Features(),
    rule=NormAD(
        targets=RegularTrains(),
        learning_rate=8e-10,
        schedule=Schedule("step", step_size=3),
        decision="count",
        precision="float32",
    ),
    epochs=20,
    batch=16,
)
