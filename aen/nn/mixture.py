"""Mixtures of tied weights: the sum over branches of what each branch's group allows, in one set of full weights."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from aen._typing import Float, Weighting
from aen.errors import SpecError, did_you_mean
from aen.nn.chain import TableChain
from aen.nn.differentiation import is_transformed
from aen.nn.tying import OrbitTable


class _WeightedSum(torch.autograd.Function):
    r"""The sum :math:`\sum_i c_i F_i(W_i)`, where :math:`c_i = p_i n_i / |W_i|` if norms n are kept, else p_i.

    Its gradient is written out: with g_i the sum of F's gradient over the orbits of branch i, that of p_i is
    :math:`c_i \langle W_i, g_i \rangle / p_i`, and that of W_i is c_i times g_i without its part along W_i, or c_i g_i.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's
        mixture: "Mixture",
        norms: Tensor | None,
        strengths: Tensor,
        *values: Tensor,
    ) -> Tensor:
        ctx.mixture = mixture
        lengths, scales = None, torch.ones_like(strengths[: len(values)])
        if norms is not None:
            lengths = torch.stack(list(torch._foreach_norm(values)))  # noqa: SLF001 - one call for all
            scales = norms / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)
        ctx.save_for_backward(strengths, scales, *([] if norms is None else [norms, lengths]), *values)
        ctx.keeps = norms is not None
        scaled = torch._foreach_mul(values, (strengths[: len(values)] * scales).unbind())  # noqa: SLF001
        full: Tensor = mixture.chain.expand(scaled)
        return full

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        strengths, scales, *values = ctx.saved_tensors
        norms, lengths = (values.pop(0), values.pop(0)) if ctx.keeps else (None, None)
        if torch.is_grad_enabled():  # the gradient is to be differentiated, too
            wanted = [own for own, needed in zip((strengths, *values), ctx.needs_input_grad[2:], strict=True) if needed]
            full = ctx.mixture.plain_sum(norms, strengths, values)
            found = iter(torch.autograd.grad(full, wanted, grads[0], create_graph=True))
            return (None, None, *(next(found) if needed else None for needed in ctx.needs_input_grad[2:]))
        with torch.autocast(grads[0].device.type, enabled=False):
            full = grads[0].contiguous()
            coefficients = strengths[: len(values)] * scales
            gathered = ctx.mixture.chain.sums(full)
            products = torch.stack([torch.dot(own, g) for own, g in zip(values, gathered, strict=True)])
            # Single operations on every branch would cost more than the arithmetic: one call for all branches each.
            d_strengths = torch.zeros_like(strengths)
            d_strengths[: len(values)] = products * scales
            if not any(ctx.needs_input_grad[3:]):  # a step of alpha alone
                return (None, None, d_strengths, *([None] * len(values)))
            d_values = torch._foreach_mul(gathered, coefficients.unbind())  # noqa: SLF001
            if lengths is not None:
                along = -coefficients * products / lengths.square().clamp_min(torch.finfo(full.dtype).tiny)
                torch._foreach_add_(d_values, torch._foreach_mul(values, along.unbind()))  # noqa: SLF001
            return (None, None, d_strengths, *d_values)


class Mixture(nn.Module):
    r"""Full weights as a weighted sum over branches, :math:`F = \sum_i p_i F_i(W_i)`.

    With ``weighting="softmax"`` the p are the softmax of `alpha` (EquiNAS, arXiv 2210.05484), and with `keep_norm` each
    W_i counts with the norm that it had when it was drawn, so that alpha alone carries a branch's strength. With
    ``weighting="sum"`` every p is 1: with an L2 penalty on the less tied branches that is a residual pathway prior.

    Args:
        names: of the branches.
        tables: how each branch's values are expanded to the full weights.
        values: initial values of each branch, flat.
        skip: whether there is one more alpha, for what passes the layer unchanged.
        weighting: ``softmax`` or ``sum``.
        keep_norm: whether the norms are kept.
        temperature: p is the softmax of alpha divided by it: below 1 the strongest stand out more.

    Attributes:
        values: the branches' parameters.
        alpha: one number per branch, and one for the skip, from 0; None where there is no softmax.

    Raises:
        SpecError: no branches, two of one name, or an unknown weighting.
    """

    norms: Tensor

    def __init__(
        self,
        names: Sequence[str],
        tables: Sequence[OrbitTable],
        values: Sequence[Tensor],
        *,
        skip: bool = False,
        weighting: Weighting = "softmax",
        keep_norm: bool = True,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise SpecError(f"temperature is {temperature}; it must be a number above 0.")
        self.temperature = temperature
        if not names or len(set(names)) < len(names):
            raise SpecError(f"groups is {list(names)}; name one branch or more, each once.")
        if weighting not in ("softmax", "sum"):
            raise SpecError(f"unknown weighting {weighting!r}{did_you_mean(weighting, ['softmax', 'sum'])}.")
        self.names, self.skip, self.weighting, self.keep_norm = tuple(names), skip, weighting, keep_norm
        self.tables = nn.ModuleList(tables)
        self.chain = TableChain(tables, [own.numel() for own in values])
        self.values = nn.ParameterList(nn.Parameter(own) for own in values)
        self.register_buffer("norms", torch.stack([torch.linalg.vector_norm(own.detach()) for own in values]))
        self.alpha = nn.Parameter(torch.zeros(len(names) + skip)) if weighting == "softmax" else None

    def strengths(self) -> Float[Tensor, " branches"]:
        """Return p, one number per branch, and the skip's last."""
        if self.alpha is None:
            return self.norms.new_ones(len(self.names) + self.skip)
        return torch.softmax(self.alpha / self.temperature, dim=0)

    def branch(self, place: int) -> Float[Tensor, " values"]:
        """Return a branch's values as they count, without p: with their norm kept."""
        values: Tensor = self.values[place]
        if not self.keep_norm:
            return values
        kept: Tensor = values * (
            self.norms[place] / torch.linalg.vector_norm(values).clamp_min(torch.finfo(values.dtype).tiny)
        )
        return kept

    def forward(self, strengths: Float[Tensor, " branches"]) -> Float[Tensor, " points"]:
        """Return the full weights, flat."""
        norms = self.norms if self.keep_norm else None
        with torch.autocast(self.norms.device.type, enabled=False):
            if is_transformed():
                return self.plain_sum(norms, strengths, list(self.values))
            full: Tensor = _WeightedSum.apply(self, norms, strengths, *self.values)  # type: ignore[no-untyped-call]
            return full

    def plain_sum(
        self, norms: Tensor | None, strengths: Float[Tensor, " branches"], values: Sequence[Tensor]
    ) -> Float[Tensor, " points"]:
        """Return the full weights, slower: for derivatives of any order and the transforms of `torch.func`.

        Args:
            norms: those that are kept, if any.
            strengths: as in `forward`.
            values: of the branches.
        """
        parts = []
        for place, own in enumerate(values):
            scale = strengths[place]
            if norms is not None:
                scale = scale * norms[place] / torch.linalg.vector_norm(own).clamp_min(torch.finfo(own.dtype).tiny)
            parts.append(self.tables[place](own * scale))
        return torch.stack(parts).sum(dim=0)

    def strongest(self) -> int:
        """Return the place of the branch with the largest alpha; the first of equals. The skip stands last."""
        if self.alpha is None:
            raise SpecError("this mixture has no alpha to choose by: it was made with weighting='sum'.")
        return int(torch.argmax(self.alpha.detach()))

    def penalty(self, factors: Mapping[str, float]) -> Float[Tensor, ""]:
        r"""Return :math:`\sum_i c_i |W_i|^2` with one factor for each branch that is named.

        Raises:
            SpecError: an unknown branch, a factor that is no number from 0 up, or norms that are kept anyway.
        """
        if self.keep_norm:
            raise SpecError("a penalty on norms that are kept does nothing; make the layer with keep_norm=False.")
        total = self.norms.new_zeros(())
        for name, factor in factors.items():
            if name not in self.names:
                raise SpecError(f"penalty names the branch {name!r}{did_you_mean(name, self.names)}.")
            if not 0 <= factor < math.inf:
                raise SpecError(f"penalty[{name!r}] is {factor}; it must be a number from 0 up.")
            total = total + factor * cast("Tensor", self.values[self.names.index(name)]).square().sum()
        return total
