"""What flows between the parts: spike trains, rates, samples, recordings."""
