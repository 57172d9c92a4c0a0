"""HM2-BP trained on MNIST recorded by a simulated camera, tested on recordings of N-MNIST, 2312-800-10.

For users without the 60,000 recordings: the network is trained without any, and tested on the available recordings of
the test part. Network, encoding and thresholds are those of hm2bp-nmnist. The position jitter of 0.4 pixels accounts
for the different positions of digits in N-MNIST's recording sessions.
"""

from snnlab.encoders import Sensor, SimulatedCamera
from snnlab.encoders.camera_model import Camera
from snnlab.experiments.core.experiment import Experiment
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.spike_count.hm2bp import HM2BP

EXPERIMENT = Experiment(
    name="hm2bp-camera",
    summary="MNIST recorded by a simulated camera, tested on recordings of N-MNIST, 2312-800-10, trained with HM2-BP",
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
