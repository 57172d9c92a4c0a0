"""Learning by correlative information maximisation."""
