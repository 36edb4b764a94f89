"""TODO aen/training/dense."""
