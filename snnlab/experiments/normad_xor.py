"""NormAD on exclusive or: bits are spike patterns, and the output should fire once, late, if they differ.

Each bit is one of two fixed patterns of 30 Poisson trains of 40 Hz, 100 ms long; a third group fires the same in every
case. A prediction is correct if the correlation with the target train is at least 0.8: one spike within about 1 ms of
80 ms, or none. Without the hidden layer (`--set network.hidden= --set network.v_th=0.02`) none of 20 seeds learns it in
500 epochs. Sizes and times are ours; those of the paper were not available.
"""

from snnlab.encoders import Patterns
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.target_trains import SingleSpikes

EXPERIMENT = Experiment(
    name="normad-xor",
    summary="exclusive or of two patterns of spikes, 90-40-1, 100 ms, trained with NormAD",
    reference="Anwani, Rajendran, Neurocomputing 380:67, 2020, arXiv:1811.10678; sizes and times are ours",
    reported=None,
    dataset="xor",
    network=FeedForward(
        "lif_normad", hidden=("40",), v_th=(20e-3, 20e-3), synapse="double_exponential_current", outputs=1
    ),
    encoder=Patterns(steps=1000, dt=1e-4, neurons=30, firing_rate=40.0, bias=1),
    rule=NormAD(
        SingleSpikes(time=80e-3),
        4e-9,
        hidden_learning_rate=2e-9,
        loss_scaling=2.0,
        init_scale=0.3e-9,
        hidden_init_scale=14e-9,
        min_correlation=0.8,
    ),
    epochs=500,
    batch=4,
)
