"""Search strategies: agents that say which children to train next and are told the results (ask and tell)."""
