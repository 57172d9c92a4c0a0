"""Rules that teach neurons to fire at given times."""
