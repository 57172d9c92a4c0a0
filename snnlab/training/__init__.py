"""The training loop, its run directory, evaluation, augmentation and cost."""
