"""TODO aen/data/sets."""
