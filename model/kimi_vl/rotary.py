"""Rotary position embeddings of both halves of the model, over adjacent pairs of dimensions, in float32.

The published weights are laid out for adjacent pairs (2i, 2i+1); rotating half against half gives wrong results without
any error. A pair is one complex number here, so that turning is one product. Angles are computed where they are needed:
a table to 131,072 positions would be 33 MB that nothing saves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from folioscope.model.kimi_vl.fused import can_fuse, turn

VISION_BASE = 10_000.0


def text_rotation(positions: Tensor, dims: int, base: float) -> Tensor:
    """The decoder's rotation for ``positions`` (tokens,): (tokens, dims / 2), complex64 (spec §4.3)."""
    steps = torch.arange(0, dims, 2, dtype=torch.float32, device=positions.device)
    angles = positions[:, None].float() * base ** (-steps / dims)
    return _unit(angles)


def image_rotation(grids: Sequence[tuple[int, int]], dims: int, device: torch.device) -> Tensor:
    """MoonViT's rotation for patches of images (rows, columns), row by row: pairs turn by column and row in turn.

    (patches, dims / 2), complex64. Spec §3.3: dims 4i and 4i+1 turn by the column, 4i+2 and 4i+3 by the row.
    """
    steps = torch.arange(0, dims, 4, dtype=torch.float32, device=device)
    frequencies = VISION_BASE ** (-steps / dims)
    places = torch.cat([_places(rows, columns, device) for rows, columns in grids])
    angles = (places[:, None, :] * frequencies[None, :, None]).flatten(1)
    return _unit(angles)


def _places(rows: int, columns: int, device: torch.device) -> Tensor:
    """(column, row) of every patch, (rows * columns, 2)."""
    row, column = torch.meshgrid(
        torch.arange(rows, dtype=torch.float32, device=device),
        torch.arange(columns, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack([column.flatten(), row.flatten()], dim=-1)


def _unit(angles: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(angles), angles)


def rotate(vectors: Tensor, rotation: Tensor) -> Tensor:
    """``vectors`` (tokens, ..., 2 * pairs) turned pair by pair; their dtype is kept."""
    if can_fuse(vectors):
        return turn(vectors, rotation)
    pairs = torch.view_as_complex(vectors.float().unflatten(-1, (-1, 2)).contiguous())
    turns = rotation.view(len(rotation), *[1] * (vectors.dim() - 2), -1)
    return torch.view_as_real(pairs * turns).flatten(-2).to(vectors.dtype)
