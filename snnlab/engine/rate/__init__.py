"""Rate circuits over a batch of stimuli, and dense products."""
