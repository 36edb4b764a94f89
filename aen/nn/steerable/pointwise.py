"""Layers that see each value alone, or a field as a whole: ReLU, pooling, batch norm, and the invariant mean."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.nn.module import GridWindow
from aen.nn.steerable.equivariance import equivariance_errors
from aen.nn.steerable.gspaces import SO2_FREQUENCY, SO2_SAMPLES, Fields, gspace
from aen.nn.steerable.layers import Shape, SteerableLayer, plain_conv, window_sides
from aen.nn.steerable.loading import escnn_building


class SteerablePointwise(SteerableLayer):
    """A function of single values: the channels of a regular field are permuted by the group, so it commutes.

    A field of SO2 is given by its coefficients: it is sampled at equal angles, the function is applied, and the result
    is projected back. That commutes exactly for multiples of the angle and nearly for others.

    Args:
        in_type: the fields.
        function: a plain torch module that acts on each channel alone.
    """

    sampling: Tensor
    projection: Tensor

    def __init__(self, in_type: Fields, function: nn.Module) -> None:
        super().__init__(in_type, in_type)
        self.function = function
        if in_type.sampled:
            with escnn_building() as escnn:
                so2 = gspace(in_type.group).fibergroup
                fourier = escnn.nn.FourierPointwise(
                    gspace(in_type.group), 1, so2.bl_irreps(SO2_FREQUENCY), type="regular", N=SO2_SAMPLES
                )
            self.fix("sampling", fourier.A.clone())
            self.fix("projection", fourier.Ainv.clone())

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h2 w2"]:
        """Return the function of every value."""
        if not self.in_type.sampled:
            plain: Tensor = self.function(x)
            return plain
        # Sizes are written out: with an empty batch none could be inferred.
        n, channels, h, w = x.shape
        fields, (samples, per_field) = self.in_type.count, self.sampling.shape
        values = torch.einsum("sc,nfchw->nfshw", self.sampling, x.reshape(n, fields, per_field, h, w))
        values = self.function(values.reshape(n, fields * samples, h, w))
        n, _, h, w = values.shape
        values = values.reshape(n, fields, samples, h, w)
        return torch.einsum("cs,nfshw->nfchw", self.projection, values).reshape(n, channels, h, w)

    def plain_function(self) -> nn.Module:
        """Return the function as a module of plain torch layers."""
        return self.function

    def export(self) -> nn.Module:
        """Return the function, for SO2 between two 1x1 convolutions that sample and project."""
        function = self.plain_function()
        if not self.in_type.sampled:
            return function
        fields = self.in_type.count
        sample, project = (
            plain_conv(matrix.repeat(fields, 1)[:, :, None, None], None, groups=fields)
            for matrix in (self.sampling, self.projection)
        )
        return nn.Sequential(sample, function, project)


class SteerableReLU(SteerablePointwise):
    """ReLU of every value, see `SteerablePointwise`."""

    def __init__(self, in_type: Fields) -> None:
        super().__init__(in_type, nn.ReLU())


class SteerableMaxPool2d(SteerablePointwise):
    """The maximum over squares of cells, each value alone; see `SteerablePointwise`.

    Where the squares do not fill the map there is an `EquivarianceWarning`: the cells left over on one side are those
    of the other after a half turn.
    """

    def __init__(self, in_type: Fields, kernel_size: int = 2) -> None:
        window = GridWindow(kernel_size, stride=kernel_size)
        super().__init__(in_type, nn.MaxPool2d(kernel_size))
        self.window = window

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h2 w2"]:
        """Return the maxima; SpecError as `evaluate_output_shape`."""
        self.evaluate_output_shape(tuple(x.shape))
        return super().forward(x)

    def evaluate_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of this shape.

        Raises:
            SpecError: the map is smaller than a square.
        """
        return (*shape[:2], *window_sides(self.window, shape, self.in_type.group))


class SteerableBatchNorm2d(SteerablePointwise):
    """Batch norm with one mean, variance, scale and shift for each field, over batch, group and cells.

    It computes what escnn's InnerBatchNorm computes; for SO2, over the sampled angles, which for the functions that its
    fields hold is the same as over all.
    """

    def __init__(self, in_type: Fields) -> None:
        norm = _FieldNorm(in_type.count)
        super().__init__(in_type, norm)
        self.function: _FieldNorm = norm

    def plain_function(self) -> nn.BatchNorm2d:
        """Return batch norm of every channel in evaluation mode, with the statistics as they are now."""
        norm = self.function.norm
        channels = SO2_SAMPLES if self.in_type.sampled else self.in_type.per_field
        plain = nn.BatchNorm2d(self.in_type.count * channels, norm.eps, norm.momentum).to(norm.weight)
        state = {
            name: value.repeat_interleave(channels) if value.ndim else value
            for name, value in norm.state_dict().items()
        }
        plain.load_state_dict(state)
        return plain.eval()


class _FieldNorm(nn.Module):
    """Batch norm of a stack of fields, the channels of one field together."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(fields)

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
        """Return the normalised values."""
        n, channels, h, w = x.shape
        fields = self.norm.num_features
        y: Tensor = self.norm(x.reshape(n, fields, channels // fields, h, w))
        return y.reshape(x.shape)


class SteerableMean(SteerableLayer):
    """The mean over group and cells: one number for each field, which does not change when the input is moved.

    ``y[i] = mean over p and g of f_i(p, g)``; for SO2 the mean of the coefficient with frequency 0.
    """

    weights: Tensor

    def __init__(self, in_type: Fields) -> None:
        super().__init__(in_type, Fields(in_type.group, "trivial", in_type.count))
        size = in_type.per_field
        # escnn sorts the frequencies upwards, so the invariant coefficient is the first.
        weights = torch.eye(size)[0] if in_type.sampled else torch.full((size,), 1 / size)
        self.fix("weights", weights)

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch fields"]:
        """Return the invariant features."""
        return x.mean((-2, -1)).reshape(len(x), self.in_type.count, self.in_type.per_field) @ self.weights

    def evaluate_output_shape(self, shape: Shape) -> Shape:
        """Return ``(batch, fields)``."""
        return (shape[0], self.in_type.count)

    def check_equivariance(self, *, side: int = 32, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of invariance for every element."""
        return equivariance_errors(self, self.in_type, None, side=side, seed=seed, like=self.weights)

    def export(self) -> nn.Sequential:
        """Return the mean over cells, a fixed 1x1 convolution over each field's channels, and a flattening."""
        fields = self.in_type.count
        weight = self.weights.repeat(fields, 1)[:, :, None, None]
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), plain_conv(weight, None, groups=fields), nn.Flatten())
