"""A dendritic microcircuit, 30-50-10, learns the output of a random network, 30-20-10, for random patterns, with noise.

Network, noise, activation and teacher are published (Sacramento et al., arXiv:1810.11393, figure 2). The paper presents
10 million patterns of 100 ms, one at a time. Here 10,000 patterns are presented ten times, in batches of ten, for 10 ms
with a learning lag of 3 ms; learning rates are larger in proportion, and decay. An output is correct if its squared
error, summed over the output neurons, is below 0.02; the loss is the mean of that error.
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
    summary="30-50-10 pyramidal cells with interneurons learn a random 30-20-10 network, dendritic error with noise",
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
    summary="dendritic-regression where only the basal weights of the output learn: its control",
    rule=replace(_RULE, bottom_up=(0.0, 3000.0)),
)
