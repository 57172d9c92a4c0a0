"""Feedback alignment on MNIST, 784-500-10: errors come down by random weights that never change."""

from dataclasses import replace

from snnlab.experiments.z_il_mnist import EXPERIMENT as Z_IL
from snnlab.rules.feedback_alignment import FeedbackAlignment

EXPERIMENT = replace(
    Z_IL,
    name="feedback-alignment-mnist",
    summary="MNIST, 784-500-10 rectifiers, errors sent down by fixed random weights",
    reference="Lillicrap, Cownden, Tweed, Akerman, Nature Communications 7:13276, 2016",
    rule=FeedbackAlignment(rate=0.1, decay="late", initial="he", low=0.0, high=1.0),
)
