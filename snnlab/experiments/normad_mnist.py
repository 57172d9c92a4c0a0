"""NormAD on MNIST."""

from snnlab.encode import Features
from snnlab.experiments.experiment import Experiment
from snnlab.network import Layers
from snnlab.rules.desired import Paced
from snnlab.rules.normad import NormAD

EXPERIMENT = Experiment(
    name="normad-mnist",
    summary="MNIST through 8,112 fixed features, 10 outputs, 100 ms, trained with NormAD",
    reference="Kulkarni, Rajendran, Neural Networks 103:118, 2018, doi:10.1016/j.neunet.2018.03.019",
    reported=0.9817,
    dataset="mnist",
    network=Layers(
        "lif_normad",
        hidden=(),
        v_th=(20e-3,),
        inhibition=1e-9,
        synapse="double_exponential_current",
    ),
    encoder=Features(),
    rule=NormAD(desired=Paced(), rate=2e-10, halve_every=3, decision="count", precision="float32"),
    epochs=20,
    batch=1,
)
