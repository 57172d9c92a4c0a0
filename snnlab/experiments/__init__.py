"""Published results that snnlab reproduces. Each module of this folder defines one or more experiments."""

from importlib import import_module
from pkgutil import iter_modules

from snnlab.experiments.core.experiment import Experiment


def _defined_experiments() -> dict[str, Experiment]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if not module.ispkg]
    values = [value for module in modules for value in vars(module).values() if isinstance(value, Experiment)]
    return {experiment.name: experiment for experiment in sorted(values, key=lambda value: value.name)}


EXPERIMENTS: dict[str, Experiment] = _defined_experiments()
"""All experiments by name. New modules of this folder are found automatically."""

__all__ = ["EXPERIMENTS", "Experiment"]
