"""DenseTrainer: training steps of one dense child, with gradients written by hand.

A step of a child takes about a millisecond. Automatic differentiation and an optimiser that loops over parameters would
double that, so all parameters are views of one vector and the gradient is written into a second one.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from aen._typing import Float, Int
from aen.children.dense_child import DenseChild
from aen.nn.heads import InvariantHead
from aen.nn.products.base import Saved
from aen.training.batches import differentiate_in_micro_batches

# torch.optim.Adam's defaults. fused: one kernel, two to three times as fast.
ADAM: dict[str, Any] = {
    "fused": True,
    "amsgrad": False,
    "beta1": 0.9,
    "beta2": 0.999,
    "weight_decay": 0.0,
    "eps": 1e-8,
    "maximize": False,
}


class DenseTrainer:
    """Trains a child in place with Adam; the child's parameters become views of one vector.

    Args:
        child: the child, on the device where it is trained.
        learning_rate: of Adam.

    Attributes:
        parameters: all parameters, one after the other.
        gradient: the gradient of the last step, in the same layout.
    """

    def __init__(self, child: DenseChild, learning_rate: float) -> None:
        self.child = child
        self.learning_rate = learning_rate
        own = list(child.parameters())
        self.parameters = torch.cat([parameter.detach().reshape(-1) for parameter in own])
        self.gradient = torch.zeros_like(self.parameters)
        self._gradients: dict[int, Tensor] = {}
        sizes = [parameter.numel() for parameter in own]
        views = zip(torch.split(self.parameters, sizes), torch.split(self.gradient, sizes), strict=True)
        for parameter, (values, gradient) in zip(own, views, strict=True):
            parameter.data = values.view(parameter.shape)
            self._gradients[id(parameter)] = gradient.view(parameter.shape)
        self._moments = (torch.zeros_like(self.parameters), torch.zeros_like(self.parameters))
        self._steps = torch.zeros((), device=self.parameters.device)

    @torch.no_grad()
    def step(
        self, rows: Float[Tensor, "batch features"], labels: Int[Tensor, " batch"], micro_batches: int = 1
    ) -> Float[Tensor, ""]:
        """Take one step on prepared images and their labels; return the mean cross-entropy before it.

        The batch is split into `micro_batches`; see `aen.training.train_child`.
        """
        loss = differentiate_in_micro_batches(self.differentiate, self.gradient, rows, labels, micro_batches)
        adam(
            [self.parameters],
            [self.gradient],
            [self._moments[0]],
            [self._moments[1]],
            [],
            [self._steps],
            **ADAM,
            lr=self.learning_rate,
        )
        return loss

    @torch.no_grad()
    def differentiate(self, rows: Float[Tensor, "batch features"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Return the mean cross-entropy and leave its gradient in `gradient`."""
        child, layers = self.child, self.child.tied_layers
        hidden, kept = self._forward(rows.t())
        loss, dh = self._head(hidden, labels)
        for i in reversed(range(len(layers))):
            layer, (saved, h) = layers[i], kept[i]
            if i + 1 < len(layers):
                dh = layers[i + 1].product.encode_gradient(dh)
            back = child.moves(i, back=True)
            if back is not None:
                dh = dh.index_select(0, back)
            if child.scalar_bias is not None:
                self._gradients[id(child.scalar_bias)][i] = dh.sum()
            dh = torch.ops.aten.threshold_backward(dh, h, 0)
            if layer.bias is not None:
                layer.bias_table.sums(dh.sum(dim=1), out=self._gradients[id(layer.bias)])
            gradient = self._gradients[id(layer.weight)]
            tied = layer.weight_table.tied
            values, d_features = layer.product.gradient(saved, dh, features=i > 0, out=None if tied else gradient)
            if tied:
                layer.weight_table.sums(values, out=gradient)
            if d_features is not None:
                dh = d_features
        return loss

    def _forward(self, features: Tensor) -> tuple[Tensor, list[tuple[Saved, Tensor]]]:
        """Return the last hidden grid and, for each layer, what its gradient needs."""
        child, layers = self.child, self.child.tied_layers
        kept: list[tuple[Saved, Tensor]] = []
        for i, layer in enumerate(layers):
            multiply = layer.product.consume if layer.weight_table.tied else layer.product.forward
            h, saved = multiply(layer.weight_table.expand(layer.weight), features)
            if layer.bias is not None:
                h += layer.bias_table.expand(layer.bias).unsqueeze(1)
            h.clamp_min_(0)
            kept.append((saved, h))
            if child.scalar_bias is not None:
                h = h + child.scalar_bias[i]
            moves = child.moves(i)
            if moves is not None:
                h = h.index_select(0, moves)
            features = layers[i + 1].product.encode(h) if i + 1 < len(layers) else h
        return features, kept

    def _head(self, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the gradient of the last hidden grid; the head's own gradient is left in place."""
        head = self.child.head
        linear = head.linear
        pooled = head.mean.t() @ h if isinstance(head, InvariantHead) else h
        log_p = torch.log_softmax(torch.addmm(linear.bias.unsqueeze(1), linear.weight, pooled), dim=0)
        picked = log_p.gather(0, labels.unsqueeze(0))
        d_logits = log_p.exp_()
        d_logits.scatter_add_(0, labels.unsqueeze(0), d_logits.new_full((1, len(labels)), -1.0)).div_(len(labels))
        torch.mm(d_logits, pooled.t(), out=self._gradients[id(linear.weight)])
        torch.sum(d_logits, dim=1, out=self._gradients[id(linear.bias)])
        dh = linear.weight.t() @ d_logits
        return -picked.mean(), head.mean @ dh if isinstance(head, InvariantHead) else dh
