"""The results that we reproduce, by name."""

from snnlab.experiments import (
    backprop_mnist,
    dendritic_association,
    dendritic_bars,
    dendritic_bars_spiking,
    dendritic_mnist,
    dendritic_mnist_learned,
    dendritic_regression,
    dendritic_yinyang,
    hm2bp_camera,
    hm2bp_digits,
    hm2bp_fsdd,
    hm2bp_mnist,
    hm2bp_mnist_conv,
    hm2bp_nmnist,
    hm2bp_ti46,
    normad_association,
    normad_mnist,
    normad_xor,
    self_assembly_mnist,
    z_il_mnist,
)
from snnlab.experiments.experiment import Experiment
from snnlab.network import Layers

EXPERIMENTS: dict[str, Experiment] = {
    "backprop-mnist": backprop_mnist.EXPERIMENT,
    "dendritic-association": dendritic_association.EXPERIMENT,
    "dendritic-bars": dendritic_bars.EXPERIMENT,
    "dendritic-bars-spiking": dendritic_bars_spiking.EXPERIMENT,
    "dendritic-mnist": dendritic_mnist.EXPERIMENT,
    "dendritic-mnist-learned": dendritic_mnist_learned.EXPERIMENT,
    "dendritic-regression": dendritic_regression.EXPERIMENT,
    "dendritic-regression-shallow": dendritic_regression.SHALLOW,
    "dendritic-yinyang": dendritic_yinyang.EXPERIMENT,
    "hm2bp-camera": hm2bp_camera.EXPERIMENT,
    "hm2bp-digits": hm2bp_digits.EXPERIMENT,
    "hm2bp-fsdd": hm2bp_fsdd.EXPERIMENT,
    "hm2bp-mnist": hm2bp_mnist.EXPERIMENT,
    "hm2bp-mnist-conv": hm2bp_mnist_conv.EXPERIMENT,
    "hm2bp-nmnist": hm2bp_nmnist.EXPERIMENT,
    "hm2bp-ti46-digits": hm2bp_ti46.DIGITS,
    "hm2bp-ti46-letters": hm2bp_ti46.LETTERS,
    "normad-association": normad_association.SINGLE,
    "normad-association-hidden": normad_association.HIDDEN,
    "normad-mnist": normad_mnist.EXPERIMENT,
    "normad-xor": normad_xor.EXPERIMENT,
    "resume-association": normad_association.RESUME,
    "sal-mnist": self_assembly_mnist.EXPERIMENT,
    "sal-mnist-backprop": self_assembly_mnist.CONTROL,
    "span-association": normad_association.SPAN_SINGLE,
    "z-il-mnist": z_il_mnist.EXPERIMENT,
}

__all__ = ["EXPERIMENTS", "Experiment", "Layers"]
