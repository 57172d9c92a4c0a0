"""HM2-BP on TI46, 16 speakers: the alphabet, 78-800-800-26, and the digits, 78-400-400-10.

Ear, code, number of steps, thresholds, targets, initial weights and optimiser steps after every sample are those of the
authors' configuration files: of HM2-BP (arXiv:1805.07866), and of its successor ST-RSBP (arXiv:1908.06378) where
HM2-BP's file describes another network than the paper. The cell's time constant is 64 steps, as in HM2-BP; ST-RSBP has
128. Lateral inhibition of the output is off, as in all experiments here; network.inhibition=1 turns it on.

The data must be bought; the experiments were only tried on synthetic recordings. Any number of files can be used.
"""

from dataclasses import replace

from snnlab.encoders import Ear
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.spike_count.hm2bp import HM2BP

LETTERS = Experiment(
    name="hm2bp-ti46-letters",
    summary="TI46's alphabet, Lyon's ear and BSA, 78-800-800-26, 700 steps, trained with HM2-BP",
    reference="Jin, Zhang, Li, NeurIPS 2018, arXiv:1805.07866: mean of 5 runs, each the best of all epochs on test",
    reported=0.9050,
    dataset="ti46-letters",
    network=FeedForward(cell="lif_exp_euler", hidden=("800", "800"), v_th=(10.0, 8.0, 8.0)),
    encoder=Ear(steps=700, sample_rate=12500, decimation=200),
    rule=HM2BP(learning_rate=5e-3),
    epochs=50,
    batch=1,
)

DIGITS = replace(
    LETTERS,
    name="hm2bp-ti46-digits",
    summary="TI46's digits, Lyon's ear and BSA, 78-400-400-10, 700 steps, trained with HM2-BP",
    reference="none for this rule; ST-RSBP, recurrent, has 0.9939: Zhang, Li, NeurIPS 2019, arXiv:1908.06378, its code",
    reported=None,
    dataset="ti46-digits",
    network=FeedForward(cell="lif_exp_euler", hidden=("400", "400"), v_th=(10.0, 8.0, 8.0)),
)
