"""Rules for feed-forward networks of rate cells."""
