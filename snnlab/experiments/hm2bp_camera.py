"""HM2-BP trained on films of MNIST by a modelled camera, and tested on recordings of N-MNIST, 2312-800-10.

For those who lack the 60,000 recordings: the network sees none before it is tested, on those of the part "test" that
are there. Network, code and thresholds are those of hm2bp-nmnist. The camera plays by 0.4 pixels, because from one
session of recording to another the digits of N-MNIST lie elsewhere on the sensor.
"""

from snnlab.encoders import Sensor, SimulatedCamera
from snnlab.encoders.camera_model import Camera
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.spike_count.hm2bp import HM2BP

EXPERIMENT = Experiment(
    name="hm2bp-camera",
    summary="MNIST filmed by a modelled camera, tested on recordings of N-MNIST, 2312-800-10, trained with HM2-BP",
    reference="none; trained on recordings, the network has 0.9888: Jin, Zhang, Li, NeurIPS 2018, arXiv:1805.07866",
    reported=None,
    dataset="mnist",
    tested_on="nmnist",
    network=FeedForward(cell="lif_exp_euler", hidden=("800",), v_th=(15.0, 15.0)),
    encoder=SimulatedCamera(camera=Camera(position_jitter=0.4), sensor=Sensor(steps=540, dt=600e-6)),
    rule=HM2BP(learning_rate=1.2e-2, schedule=Schedule("cosine")),
    epochs=5,
    batch=64,
)
