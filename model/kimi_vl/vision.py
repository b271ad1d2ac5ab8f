"""MoonViT, the vision encoder for images at their own resolution, and the projector into the decoder's space.

Images are packed end to end: every layer but attention sees one long list of patches. Attention runs image by image,
images of one size together, so that patches of two images never meet and no mask is ever built. For an A4 page at 4,096
patches: 0.42B parameters * 2 * 4,096 = 3.4 TFLOP in the layers, 27 * 4 * 4,096^2 * 1,152 = 2.1 TFLOP in attention.
Spec §3; parity with transformers' Kimi_K25VisionModel is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from folioscope.model.kimi_vl.configuration import KimiVLVisionConfig
from folioscope.model.kimi_vl.rotary import image_rotation, rotate

Grid = tuple[int, int]  # rows, columns of patches

LAYER_NORM_EPS = 1e-5


class PositionTable(nn.Module):
    """Learned positions (rows, columns, width), resized to each image's grid by bicubic interpolation.

    Bicubic weights are products of a row's and a column's: two matrix products, where a GPU's kernel for pictures
    takes 10 ms for so many channels.
    """

    def __init__(self, config: KimiVLVisionConfig) -> None:
        super().__init__()
        shape = (config.init_pos_emb_height, config.init_pos_emb_width, config.hidden_size)
        self.weight = nn.Parameter(torch.empty(shape))

    def forward(self, grids: Sequence[Grid]) -> Tensor:
        """(patches, width), in float32: rounding twice would cost precision for nothing."""
        table = self.weight.float()
        resized = {grid: self._resize(table, grid) for grid in set(grids)}
        return torch.cat([resized[grid] for grid in grids])

    def _resize(self, table: Tensor, grid: Grid) -> Tensor:
        if grid != tuple(table.shape[:2]):
            rows, columns = (_bicubic(have, want, table) for have, want in zip(table.shape[:2], grid, strict=True))
            table = columns @ (rows @ table.flatten(1)).unflatten(1, table.shape[1:])
        return table.reshape(grid[0] * grid[1], -1)


def _bicubic(have: int, want: int, like: Tensor) -> Tensor:
    """Bicubic interpolation along one axis as a matrix, (want, have)."""
    unit = torch.eye(have, dtype=like.dtype, device=like.device)[None, None]
    return F.interpolate(unit, size=(want, have), mode="bicubic", align_corners=False)[0, 0]


class PatchEmbedding(nn.Module):
    """A convolution whose stride is its width: on cut patches it is one matrix product."""

    def __init__(self, config: KimiVLVisionConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size)
        self.pos_emb = PositionTable(config)

    def forward(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """``patches`` (patches, 3, side, side) to (patches, width)."""
        embedded = F.linear(patches.flatten(1), self.proj.weight.flatten(1), self.proj.bias)
        return embedded + self.pos_emb(grids).to(embedded.dtype)


class VisionMlp(nn.Module):
    def __init__(self, config: KimiVLVisionConfig) -> None:
        super().__init__()
        self.fc0 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc1 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.fc1(F.gelu(self.fc0(hidden), approximate="tanh"))


class VisionBlock(nn.Module):
    def __init__(self, config: KimiVLVisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.norm0 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.wqkv = nn.Linear(width, 3 * width)
        self.wo = nn.Linear(width, width)
        self.mlp = VisionMlp(config)

    def forward(self, hidden: Tensor, rotation: Tensor, lengths: Sequence[int]) -> Tensor:
        hidden = hidden + self._attend(self.norm0(hidden), rotation, lengths)
        return hidden + self.mlp(self.norm1(hidden))

    def _attend(self, hidden: Tensor, rotation: Tensor, lengths: Sequence[int]) -> Tensor:
        joint = self.wqkv(hidden).view(len(hidden), 3, self.heads, -1)
        query, key = rotate(joint[:, :2], rotation).unbind(1)
        mixed = attend_within_images(query, key, joint[:, 2], lengths)
        return self.wo(mixed.flatten(1))


def attend_within_images(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int]) -> Tensor:
    """Full attention inside each image, (patches, heads, dims); neighbours of one length go through in one call."""
    mixed: list[Tensor] = []
    start = 0
    for length, run in groupby(lengths):
        images = len(list(run))
        end = start + images * length
        q, k, v = (
            part[start:end].unflatten(0, (images, length)).transpose(1, 2) for part in (query, key, value)
        )  # (images, heads, length, dims)
        mixed.append(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(0, 1))
        start = end
    return torch.cat(mixed)


class VisionEncoder(nn.Module):
    def __init__(self, config: KimiVLVisionConfig) -> None:
        super().__init__()
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.num_hidden_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS)

    def forward(self, hidden: Tensor, grids: Sequence[Grid]) -> Tensor:
        rotation = image_rotation(grids, self.head_dim, hidden.device)
        lengths = [rows * columns for rows, columns in grids]
        for block in self.blocks:
            hidden = block(hidden, rotation, lengths)
        return self.final_layernorm(hidden)


class MoonVit(nn.Module):
    """Patches of packed images to groups of neighbours, (patches / 4, 4, width)."""

    def __init__(self, config: KimiVLVisionConfig) -> None:
        super().__init__()
        self.merge = tuple(config.merge_kernel_size)
        self.patch_embed = PatchEmbedding(config)
        self.encoder = VisionEncoder(config)

    def forward(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """Raises ``ValueError`` where the grids do not add up to the patches or cannot be merged."""
        self._check(patches, grids)
        return self.merge_neighbours(self.patch_vectors(patches, grids), grids)

    def patch_vectors(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """(patches, width), before neighbours are brought together."""
        return self.encoder(self.patch_embed(patches, grids), grids)

    def merge_neighbours(self, hidden: Tensor, grids: Sequence[Grid]) -> Tensor:
        down, across = self.merge
        merged = []
        for image, (rows, columns) in zip(hidden.split([r * c for r, c in grids]), grids, strict=True):
            tiles = image.view(rows // down, down, columns // across, across, -1).transpose(1, 2)
            merged.append(tiles.reshape(-1, down * across, hidden.shape[-1]))
        return torch.cat(merged)

    def _check(self, patches: Tensor, grids: Sequence[Grid]) -> None:
        total = sum(rows * columns for rows, columns in grids)
        if total != len(patches):
            raise ValueError(f"image_grid_hws covers {total} patches, pixel_values holds {len(patches)}.")
        odd = [grid for grid in grids if grid[0] % self.merge[0] or grid[1] % self.merge[1] or min(grid) < 1]
        if odd:
            raise ValueError(f"A grid of {odd[0][0]}x{odd[0][1]} patches cannot be merged {self.merge}.")


class Projector(nn.Module):
    """Groups of neighbours to the decoder's vectors: norm each, join, two linear layers around an exact GELU."""

    def __init__(self, vision: KimiVLVisionConfig, text_width: int) -> None:
        super().__init__()
        joined = vision.hidden_size * vision.merge_kernel_size[0] * vision.merge_kernel_size[1]
        self.pre_norm = nn.LayerNorm(vision.hidden_size, eps=LAYER_NORM_EPS)
        self.linear_1 = nn.Linear(joined, joined)
        self.linear_2 = nn.Linear(joined, text_width)

    def forward(self, groups: Tensor) -> Tensor:
        """(n, 4, vision width) to (n, text width)."""
        return self.linear_2(F.gelu(self.linear_1(self.pre_norm(groups).flatten(1))))
