"""Networks as values: populations, projections, weights, and builders of the published circuits."""
