"""A dendritic microcircuit, 30-50-10, learns what a random network, 30-20-10, says to random patterns, noise on.

Network, noise, transfer function and teacher are published (Sacramento et al., arXiv:1810.11393, figure 2); the paper
shows 10 million patterns, one at a time, of 100 ms each. Here 10,000 patterns are shown ten times, ten side by side,
for 10 ms, in which nothing learns for the first 3; speeds are larger by as much and fall. An answer is met where its
squared error, summed over the outputs, is below 0.02; the mean of that error is the loss.
"""

from dataclasses import replace

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.continuous import Dendritic
from snnlab.rules.dendritic.teacher import NetworkTeacher

_RULE = Dendritic(
    teacher=NetworkTeacher(),
    bottom_up=(20000.0, 3000.0), to_interneuron=6000.0, from_interneuron=0.0, filter_time=1e-3,
    learning_time=10e-3, learning_lag=3e-3, prediction_time=6e-3, init_scale=(4.0, 1.0),
    schedule=Schedule("inverse", gamma=(0.5,)),
)  # fmt: skip

EXPERIMENT = Experiment(
    name="dendritic-regression",
    summary="30-50-10 pyramidal cells with interneurons learn a random 30-20-10 network, dendritic error, noise on",
    reference="Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393, figure 2",
    reported=None,
    dataset="noise",
    network=Microcircuit(hidden=(50,), activation="soft_rectifier", noise=0.3, outputs=10),
    encoder=Intensity(low=-1.0, high=1.0),
    rule=_RULE,
    epochs=10,
    batch=10,
)

SHALLOW = replace(
    EXPERIMENT,
    name="dendritic-regression-shallow",
    summary="the same with basal weights onto the output learning alone: the control of dendritic-regression",
    rule=replace(_RULE, bottom_up=(0.0, 3000.0)),
)
