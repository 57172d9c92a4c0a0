"""NormAD on the standard task of spike-time rules: respond to a spike pattern with spikes at target times.

100 inputs fire as Poisson processes of 10 Hz for 500 ms; the target times are a Poisson process of 10 Hz with a dead
time of 10 ms. The problem is solved when the correlation of both trains, through exponential filters of 5 ms, is at
least 0.95, as the mean over outputs. The seed determines pattern and target times, which are the same in all of these
experiments. The protocol is ours; those of the papers were not available.

`normad-association` has a single layer, `normad-association-hidden` 50 hidden neurons; `resume-association` and
`span-association` train the single layer with other rules.

Learning rates were chosen on seeds from 100; docs/spike_times.md has the results with other learning rates.
"""

from dataclasses import replace

from snnlab.encoders import Patterns
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.resume import ReSuMe
from snnlab.rules.spike_time.span import SPAN
from snnlab.rules.spike_time.target_trains import PoissonTrains

_NETWORK = FeedForward("lif_normad", hidden=(), v_th=(20e-3,), synapse="double_exponential_current", outputs=1)
_SINGLE = NormAD(targets=PoissonTrains(), learning_rate=1e-9, min_correlation=0.95)

SINGLE = Experiment(
    name="normad-association",
    summary="100 Poisson trains of 500 ms mapped to target times of one neuron, trained with NormAD",
    reference="Anwani, Rajendran, IJCNN 2015, doi:10.1109/IJCNN.2015.7280618; the protocol is ours",
    reported=None,
    dataset="one",
    network=_NETWORK,
    encoder=Patterns(steps=5000, dt=1e-4, neurons=100, firing_rate=10.0),
    rule=_SINGLE,
    epochs=500,
    batch=1,
)

HIDDEN = replace(
    SINGLE,
    name="normad-association-hidden",
    summary="100 Poisson trains of 500 ms mapped to target times through 50 hidden neurons, trained with NormAD",
    reference="Anwani, Rajendran, Neurocomputing 380:67, 2020, arXiv:1811.10678; the protocol is ours",
    network=replace(_NETWORK, hidden=("50",), v_th=(20e-3, 20e-3)),
    rule=replace(_SINGLE, hidden_learning_rate=2e-9, loss_scaling=2.0, init_scale=0.3e-9, hidden_init_scale=12e-9),
)

RESUME = replace(
    SINGLE,
    name="resume-association",
    summary="100 Poisson trains of 500 ms mapped to target times of one neuron, trained with ReSuMe",
    reference="Ponulak, Kasinski, Neural Computation 22:467, 2010, doi:10.1162/neco.2009.11-08-901; protocol ours",
    rule=ReSuMe(targets=PoissonTrains(), learning_rate=1e-9, non_hebbian=0.0, min_correlation=0.95),
)

SPAN_SINGLE = replace(
    SINGLE,
    name="span-association",
    summary="100 Poisson trains of 500 ms mapped to target times of one neuron, trained with SPAN",
    reference="Mohemmed et al., Int. J. Neural Systems 22:1250012, 2012, doi:10.1142/S0129065712500128; protocol ours",
    rule=SPAN(targets=PoissonTrains(), learning_rate=3e-10, min_correlation=0.95),
)
