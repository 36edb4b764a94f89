"""dqn_transfer: a DQN whose Q-network is shared over factors and classes, trained on many tables."""
