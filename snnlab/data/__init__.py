"""Data that flows between packages: spike trains, rates, samples, recordings, and the cache of encoded spikes."""
