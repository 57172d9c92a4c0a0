"""HM2-BP on Free Spoken Digits, fully connected 64-400-10: the front end of TI46 on freely available recordings.

Ear and code of hm2bp-ti46-digits at the recordings' 8 kHz. A simulation step lasts as long as the sound in it, 1.6 ms,
so that cells have a time constant of 40 steps instead of 64; target counts are lower because sounds are short, 0.4 s.
Both, and the learning rate, were chosen by training without takes 5 to 9 of each speaker and testing on these, not on
the test part. There is no published number.
"""

from snnlab.encoders import Ear
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.spike_count.hm2bp import HM2BP

EXPERIMENT = Experiment(
    name="hm2bp-fsdd",
    summary="Free Spoken Digits, Lyon's ear and BSA, 64-400-10, 700 steps of 1.6 ms, trained with HM2-BP",
    reference="the rule and the front end are those of Jin, Zhang, Li, NeurIPS 2018, arXiv:1805.07866",
    reported=None,
    dataset="fsdd",
    network=FeedForward(cell="lif_exp_euler", hidden=("400",), v_th=(10.0, 8.0)),
    encoder=Ear(steps=700, dt=1.6e-3, sample_rate=8000, decimation=128),
    rule=HM2BP(learning_rate=8e-3, schedule=Schedule("cosine"), target=20, non_target=3, margin=3),
    epochs=12,
    batch=16,
)
