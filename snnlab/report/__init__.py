"""Which figures are drawn of a run, a cell, a dataset and a suite."""
