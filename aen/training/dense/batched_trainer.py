"""BatchedTrainer: trains many dense children of one shape at once on one device.

All parameters are stored in one vector. A step expands them to full matrices ``[children, inputs, outputs]``, runs
batched matrix products, and sums the gradients over the orbits. Operations across children are elementwise only, so a
child's result depends on how many children there are, but not on which. BLAS results depend on the alignment of a
matrix in their last bits, so every matrix starts at the start of a cache line.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from aen._typing import Float, Int
from aen.children.dense import DenseSpec
from aen.data.dataset import Split
from aen.training.batches import differentiate_in_micro_batches
from aen.training.dense.parameter_layout import (
    LINE,
    ParameterLayout,
    aligned_points,
    full_shapes,
    merged_layouts,
    rest_of_line,
)
from aen.training.dense.trainer import ADAM
from aen.training.measuring import EVALUATION_BATCH, Measured


def evaluation_chunk(size: int) -> int:
    """Return how many images a population of this size is measured on at a time."""
    return max(EVALUATION_BATCH // size // LINE * LINE, 64)


class BatchedTrainer:
    """The parameters of many children of one shape, and training steps that are taken by all of them together.

    Args:
        specs: the children.
        device: where they are trained.
        micro_batches: how many micro-batches their batches are split into.

    Attributes:
        parameters: all parameters of all children, one after the other.
        parameter_counts: how many of them each child has.
    """

    def __init__(self, specs: Sequence[DenseSpec], device: str, micro_batches: int = 1) -> None:
        self.spec = specs[0]
        self.micro_batches = micro_batches
        self.specs = tuple(specs)
        layouts = [ParameterLayout(spec) for spec in specs]
        self._layouts = layouts
        self.parameter_counts = [layout.count for layout in layouts]
        starts = np.concatenate([[0], np.cumsum(self.parameter_counts)])
        self._starts = starts
        self.shapes = full_shapes(self.spec)
        points, self._weights = aligned_points(self.shapes)
        labels = np.zeros((len(specs), self._weights), dtype=np.int64)
        for row, layout, start in zip(labels, layouts, starts, strict=False):
            row[points] = layout.labels + start
        order, self._blocks, places = merged_layouts(layouts, starts, points, self._weights)
        self.parameters = torch.cat([layout.initial_values() for layout in layouts]).to(device)
        self._labels = torch.from_numpy(labels.reshape(-1)).to(device)
        self._order = torch.from_numpy(order).to(device)
        self._places = torch.from_numpy(places).to(device)
        self._pooling: Tensor | None = None
        if self.spec.head == "invariant":
            self._pooling = torch.stack([layout.cell_weights() for layout in layouts]).unsqueeze(1).to(device)
        # Adam's kernel rounds the last few elements of a vector differently, so each child has its own vector.
        self._own = torch.split(self.parameters, self.parameter_counts)
        self._first_moments = [torch.zeros_like(own) for own in self._own]
        self._second_moments = [torch.zeros_like(own) for own in self._own]
        self._steps = [torch.zeros((), device=device) for _ in self._own]
        self._gradient = torch.empty(len(specs), self._weights, device=device)

    def fit(self, split: Split) -> Tensor:
        """Train for the spec's epochs; return for each child whether its loss stayed finite."""
        training = self.spec.training
        images, labels = split.images.flatten(1), split.labels
        sources = [torch.Generator().manual_seed(spec.seed) for spec in self.specs]
        augmenters = [spec.augmenter(str(images.device)) for spec in self.specs]
        finite = torch.ones(len(self.specs), dtype=torch.bool)
        for epoch in range(int(training.epochs)):
            order = torch.stack([torch.randperm(len(labels), generator=source) for source in sources])
            total = torch.zeros(len(self.specs), device=images.device)
            moves = [a.draw(len(labels), epoch) for a in augmenters if a is not None]
            for batch in torch.split(order.to(images.device), training.batch_size, dim=1):
                total += self.step(_moved(images[batch], batch, moves), labels[batch])
            # Checked once per epoch: on CUDA every check waits for the device.
            finite &= torch.isfinite(total).cpu()
            if not finite.any():
                break
        return finite

    @torch.no_grad()
    def step(
        self, images: Float[Tensor, "children batch inputs"], labels: Int[Tensor, "children batch"]
    ) -> Float[Tensor, " children"]:
        """Take one step with every child on its own batch; return their mean cross-entropies before it."""
        loss = differentiate_in_micro_batches(self.differentiate, self._gradient, images, labels, self.micro_batches)
        adam(
            list(self._own),
            list(torch.split(self._orbit_sums(self._gradient), self.parameter_counts)),
            self._first_moments,
            self._second_moments,
            [],
            self._steps,
            **ADAM,
            lr=self.spec.training.learning_rate,
        )
        return loss

    @torch.no_grad()
    def differentiate(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return each child's mean cross-entropy and write the gradient of the full weights to `_gradient`."""
        images, n = _filled(images), labels.shape[1]
        *layers, (head, head_bias) = _pairs(self._full_weights(), self.shapes)
        *d_layers, (d_head, d_head_bias) = _pairs(self._gradient, self.shapes)
        kept, h = [], images
        for weight, bias in layers:
            rectified, after = self._layer(h, weight, bias)
            kept.append((h, rectified))
            h = after
        pooled = h if self._pooling is None else h * self._pooling
        log_p = torch.log_softmax(torch.baddbmm(head_bias.unsqueeze(1), pooled, head.transpose(1, 2)), dim=2)
        chosen = labels.unsqueeze(2)
        loss = -log_p.gather(2, chosen).mean(dim=(1, 2))
        d_logits = log_p.exp_()
        d_logits.scatter_add_(2, chosen, d_logits.new_full(chosen.shape, -1.0)).div_(n)
        d_logits[:, n:] = 0
        torch.bmm(d_logits.transpose(1, 2), pooled, out=d_head)
        torch.sum(d_logits, dim=1, out=d_head_bias)
        dh = torch.bmm(d_logits, head)
        if self._pooling is not None:
            dh = dh * self._pooling
        late_bias = self.spec.bias == "scalar_after_relu"
        for (x, rectified), (weight, _), (d_weight, d_bias) in zip(
            reversed(kept), reversed(layers), reversed(d_layers), strict=True
        ):
            if late_bias:
                torch.sum(dh, dim=1, out=d_bias)
            dh = torch.where(rectified > 0, dh, 0)
            if not late_bias:
                torch.sum(dh, dim=1, out=d_bias)
            d_weight.copy_(self._product(x.transpose(1, 2), dh))
            if x is not images:
                dh = self._product(dh, weight.transpose(1, 2))
        return loss

    def _layer(self, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output of the ReLU, and that of the layer, whose bias comes before or after the ReLU."""
        if self.spec.bias == "scalar_after_relu":
            rectified = self._product(x, weight).clamp_min_(0)
            return rectified, rectified + bias.unsqueeze(1)
        rectified = self._product(x, weight).add_(bias.unsqueeze(1)).clamp_min_(0)
        return rectified, rectified

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the batched product of a hidden layer, in the precision of the spec."""
        if self.spec.training.precision == "bfloat16":
            return torch.bmm(a.bfloat16(), b.bfloat16()).float()
        return torch.bmm(a, b, out=_matrices(len(a), a.shape[1], b.shape[2], a))

    @torch.no_grad()
    def measure(self, split: Split) -> list[Measured]:
        """Measure every child on a split."""
        *layers, (head, head_bias) = _pairs(self._full_weights(), self.shapes)
        count = len(self.specs)
        loss = torch.zeros(count, device=split.labels.device)
        correct = torch.zeros(count, dtype=torch.int64, device=split.labels.device)
        chunk = max(evaluation_chunk(count) // self.micro_batches, 1)
        for images, labels in zip(
            torch.split(split.images.flatten(1), chunk), torch.split(split.labels, chunk), strict=True
        ):
            h = _filled(images.unsqueeze(0)).expand(count, -1, -1)
            for weight, bias in layers:
                _, h = self._layer(h, weight, bias)
            pooled = h if self._pooling is None else h * self._pooling
            log_p = torch.log_softmax(torch.baddbmm(head_bias.unsqueeze(1), pooled, head.transpose(1, 2)), dim=2)
            log_p = log_p[:, : len(labels)]
            loss -= log_p.gather(2, labels.view(1, -1, 1).expand(count, -1, 1)).sum(dim=(1, 2))
            correct += (log_p.argmax(dim=2) == labels).sum(dim=1)
        n = len(split.labels)
        return [Measured(a / n, b / n) for a, b in zip(loss.tolist(), correct.tolist(), strict=True)]

    def stored_state(self, i: int) -> dict[str, Tensor]:
        """Return the parameters of child i as a file has them; see `aen.nn.stored`."""
        own = self.parameters[self._starts[i] : self._starts[i + 1]].cpu()
        return self._layouts[i].stored_state(own)

    def _full_weights(self) -> Tensor:
        return self.parameters.index_select(0, self._labels).view(len(self.specs), -1)

    def _orbit_sums(self, full: Tensor) -> Tensor:
        """Sum the gradient over each orbit, as a fixed tree of elementwise additions."""
        laid = full.view(-1).index_select(0, self._order)
        sums = []
        for part, (size, count) in zip(
            torch.split(laid, [size * count for size, count in self._blocks]), self._blocks, strict=True
        ):
            rows = part.view(size, count)
            while len(rows) > 1:
                half = len(rows) // 2
                pairs = rows[:half] + rows[half : 2 * half]
                rows = pairs if len(rows) % 2 == 0 else torch.cat([pairs, rows[2 * half :]])
            sums.append(rows[0])
        return torch.cat(sums).index_select(0, self._places)


def _moved(images: Tensor, batch: Tensor, moves: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the images of a batch of each child, moved as its augmenter drew for them; no moves: as they are."""
    if not moves:
        return images
    cells = [table[drawn[own]] for (table, drawn), own in zip(moves, batch.cpu(), strict=True)]
    return images.gather(2, torch.stack(cells).to(images.device))


def _filled(images: Tensor) -> Tensor:
    """Pad a batch with black images, so that the outputs of all layers fill whole cache lines."""
    missing = rest_of_line(images.shape[1])
    return torch.nn.functional.pad(images, (0, 0, 0, missing)) if missing else images


def _matrices(children: int, rows: int, columns: int, like: Tensor) -> Tensor:
    """Return an uninitialised matrix for each child, each at the start of a cache line."""
    size = rows * columns
    return like.new_empty(children, size + rest_of_line(size))[:, :size].view(children, rows, columns)


def _pairs(flat: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[tuple[Tensor, Tensor]]:
    """Cut ``[children, weights]`` into (weight, bias) of each layer, as views."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = torch.split(flat, [size + rest_of_line(size) for size in sizes], dim=1)
    views = [part[:, :size].view(-1, *shape) for part, size, shape in zip(parts, sizes, shapes, strict=True)]
    return list(zip(views[::2], views[1::2], strict=True))
