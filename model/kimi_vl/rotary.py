"""Rotary position embeddings of both halves of the model, over adjacent pairs of dimensions, in float32.

The published weights are laid out for adjacent pairs (2i, 2i+1); rotating half against half gives wrong results without
any error. Angles are computed where they are needed: a table to 131,072 positions would be 33 MB that nothing saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

VISION_BASE = 10_000.0


class Rotation(NamedTuple):
    """Cosines and sines, (tokens, pairs) each, float32."""

    cos: Tensor
    sin: Tensor


def text_rotation(positions: Tensor, dims: int, base: float) -> Rotation:
    """The decoder's rotation for ``positions`` (tokens,) over ``dims`` dimensions (spec §4.3)."""
    steps = torch.arange(0, dims, 2, dtype=torch.float32, device=positions.device)
    angles = positions[:, None].float() * base ** (-steps / dims)
    return Rotation(angles.cos(), angles.sin())


def image_rotation(grids: Sequence[tuple[int, int]], dims: int, device: torch.device) -> Rotation:
    """MoonViT's rotation for patches of images (rows, columns), row by row: pairs turn by column and row in turn.

    Spec §3.3: dims 4i and 4i+1 turn by the column, 4i+2 and 4i+3 by the row.
    """
    steps = torch.arange(0, dims, 4, dtype=torch.float32, device=device)
    frequencies = VISION_BASE ** (-steps / dims)
    places = torch.cat([_places(rows, columns, device) for rows, columns in grids])
    angles = (places[:, None, :] * frequencies[None, :, None]).flatten(1)
    return Rotation(angles.cos(), angles.sin())


def _places(rows: int, columns: int, device: torch.device) -> Tensor:
    """(column, row) of every patch, (rows * columns, 2)."""
    row, column = torch.meshgrid(
        torch.arange(rows, dtype=torch.float32, device=device),
        torch.arange(columns, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack([column.flatten(), row.flatten()], dim=-1)


def rotate(vectors: Tensor, rotation: Rotation) -> Tensor:
    """``vectors`` (tokens, ..., 2 * pairs) turned pair by pair; their dtype is kept."""
    middle = [1] * (vectors.dim() - 2)
    cos = rotation.cos.view(len(rotation.cos), *middle, -1)
    sin = rotation.sin.view(len(rotation.sin), *middle, -1)
    even, odd = vectors.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).to(vectors.dtype)
