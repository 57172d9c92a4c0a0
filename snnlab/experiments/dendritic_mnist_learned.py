"""A dendritic microcircuit on MNIST, 784-1000-10, in two passes, with all weights random and learned.

The paper's row with learned top-down weights (Sacramento et al., arXiv:1810.11393), which gives no learning rates for
them. Teacher, initial weights and warm-up are those of `dendritic-mnist`; learning rates were chosen on 5,000 held-out
training images, where three epochs gave 96.1 %. With 0.1 for weights from interneurons and 1e-3 for top-down weights
training diverges.
"""

from snnlab.encoders import Intensity
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.two_pass import TwoPass

EXPERIMENT = Experiment(
    name="dendritic-mnist-learned",
    summary="MNIST, 784-1000-10, dendritic error in two passes, all weights random and learned",
    reference="Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393: 2.48 % test error",
    reported=0.9752,
    dataset="mnist",
    network=Microcircuit(hidden=(1000,), mixing=(0.3, 0.8), interneuron_mixing=0.1, leak=0.0, bias=True),
    encoder=Intensity(),
    rule=TwoPass(
        learning_rate=3e-2,
        to_interneuron=8.0,
        from_interneuron=3e-2,
        top_down=1e-4,
        interneuron_init="random",
        schedule=Schedule("late", warmup=2000),
        init_scale=(0.5, 0.1),
    ),
    epochs=40,
    batch=10,
)
