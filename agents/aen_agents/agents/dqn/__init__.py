"""The DQN agent of AEN (arXiv 2104.04848) on Stable-Baselines3."""
