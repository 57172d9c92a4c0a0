"""Cards: TOML files that describe cells, synapses, plasticity and datasets, read into frozen values."""

from snnlab.cards.cell_card import METHODS, Cell, Compartment
from snnlab.cards.dataset_card import Dataset, Split
from snnlab.cards.dataset_files import Archive, DataFile, Listing
from snnlab.cards.library import (
    Card,
    all_datasets,
    all_models,
    cell,
    dataset,
    kind,
    library_folder,
    plasticity,
    synapse,
)
from snnlab.cards.plasticity_card import PRODUCT, Plasticity
from snnlab.cards.synapse_card import Synapse

__all__ = [
    "METHODS",
    "PRODUCT",
    "Archive",
    "Card",
    "Cell",
    "Compartment",
    "DataFile",
    "Dataset",
    "Listing",
    "Plasticity",
    "Split",
    "Synapse",
    "all_datasets",
    "all_models",
    "cell",
    "dataset",
    "kind",
    "library_folder",
    "plasticity",
    "synapse",
]
