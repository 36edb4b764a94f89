"""ClassQNetwork: the value of training each class next, by one network that is shared over the classes."""

import torch
from torch import Tensor, nn

from aen._typing import Bool, Float
from aen_agents.agents.transfer.features import EVIDENCE, STATIC

WIDTH = 64
_LOWEST = -1e8


class ClassQNetwork(nn.Module):
    """A set network: each class is encoded alone, then sees the mean and the maximum of all.

    It is equivariant to permutations of the classes, and its size does not depend on their number.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(len(STATIC) + len(EVIDENCE), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(
        self, features: Float[Tensor, "batch classes features"], present: Bool[Tensor, "batch classes"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the Q-values; very low where there is no class."""
        h = self.encoder(features)
        there = present.unsqueeze(2)
        mean = (h * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        most = torch.where(there, h, h.new_zeros(())).amax(dim=1)
        pooled = torch.cat([mean, most], dim=1)
        around = pooled.unsqueeze(1).expand(-1, h.shape[1], -1)
        advantage = self.head(torch.cat([h, around], dim=2)).squeeze(2)
        centred = advantage - (advantage * present).sum(dim=1, keepdim=True) / present.sum(dim=1, keepdim=True).clamp(
            min=1
        )
        return torch.where(present, self.value(pooled) + centred, _LOWEST)
