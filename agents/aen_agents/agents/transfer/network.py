"""ClassQNetwork: the value of training each class next, by one network that is shared over classes and symmetries."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aen._typing import Bool, Float
from aen_agents.agents.transfer.features import EVIDENCE, STATIC, SYMMETRY, SYMMETRY_EVIDENCE

WIDTH = 32
_MESSAGE = 8
_LOWEST = -1e8


class ClassQNetwork(nn.Module):
    """Deep sets over symmetries and classes: each class sees the sum of its symmetries, and the mean of all classes.

    It is equivariant to permutations of the classes and invariant to those of the symmetries, and its size depends on
    the number of neither.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.symmetry = nn.Sequential(
            nn.Linear(len(SYMMETRY) + len(SYMMETRY_EVIDENCE), width), nn.ReLU(), nn.Linear(width, _MESSAGE)
        )
        self.encoder = nn.Sequential(
            nn.Linear(len(STATIC) + len(EVIDENCE) + _MESSAGE, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.own, self.around = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.advantage = nn.Linear(width, 1)
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(
        self,
        classes: Float[Tensor, "batch classes features"],
        symmetries: Float[Tensor, "batch symmetries properties"],
        members: Float[Tensor, "batch classes symmetries"],
        present: Bool[Tensor, "batch classes"],
    ) -> Float[Tensor, "batch classes"]:
        """Return the Q-values, dueling: value + advantage - mean advantage; very low where there is no class.

        Args:
            classes: `STATIC` and `EVIDENCE` of each class.
            symmetries: `SYMMETRY` and `SYMMETRY_EVIDENCE` of each symmetry.
            members: how often each symmetry ties each class.
            present: whether there is a class.
        """
        message = torch.bmm(members, self.symmetry(symmetries)) / 2
        h = self.encoder(torch.cat([classes, message], dim=2))
        there = present.unsqueeze(2)
        number = present.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (h * there).sum(dim=1) / number
        most = torch.where(there, h, h.new_zeros(())).amax(dim=1)
        pooled = torch.cat([mean, most], dim=1)
        advantage = self.advantage((self.own(h) + self.around(pooled).unsqueeze(1)).relu()).squeeze(2)
        centred = advantage - (advantage * present).sum(dim=1, keepdim=True) / number
        return torch.where(present, self.value(pooled) + centred, _LOWEST)


class Ensemble(nn.Module):
    """The mean of the values of several networks, which were trained with different seeds.

    Args:
        networks: trained; one at least.
    """

    def __init__(self, networks: Sequence[ClassQNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, *features: Tensor) -> Float[Tensor, "batch classes"]:
        """Return the mean Q-values; see `ClassQNetwork.forward`."""
        return torch.stack([network(*features) for network in self.networks]).mean(dim=0)
