"""aen finds which symmetries to build into a neural network for a data set, and hands back the network."""
