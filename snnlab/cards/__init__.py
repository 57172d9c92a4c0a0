"""Cards: TOML files that describe cells, synapses, plasticity and datasets, read into frozen values."""

from snnlab.cards.dataset_card import Archive, DataFile, Dataset, Listing, Split
from snnlab.cards.model_cards import (
    METHODS,
    PRODUCT,
    Card,
    Cell,
    Compartment,
    Plasticity,
    Synapse,
    all_datasets,
    all_models,
    cell,
    dataset,
    kind,
    plasticity,
    synapse,
)
from snnlab.cards.toml_reader import library_folder

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
    "plasticity",
    "library_folder",
    "synapse",
]
