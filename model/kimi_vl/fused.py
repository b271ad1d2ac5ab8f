"""Steps that PyTorch takes in several passes over memory, each as one kernel; for inference on CUDA alone.

Between the matrix products a layer turns pairs, gates, and adds its experts up: a dozen small kernels, each of which
reads and writes all tokens. The kernels import Triton, which PyTorch for CUDA brings and CPUs do without.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 1024  # columns that a program takes
_HEADS = 16  # that it turns


def can_fuse(tensor: Tensor) -> bool:
    """Whether these serve: kernels are CUDA's, and have no gradients."""
    return tensor.is_cuda and not torch.is_grad_enabled()


def turn(vectors: Tensor, rotation: Tensor) -> Tensor:
    """As :func:`~.rotary.rotate`; what lies between tokens and pairs can be walked with one stride."""
    from folioscope.model.kimi_vl import fused_kernels as kernels

    heads = vectors.flatten(1, -2) if vectors.dim() > 2 else vectors[:, None]
    out = torch.empty(vectors.shape, dtype=vectors.dtype, device=vectors.device)
    count, pairs = heads.shape[1], rotation.shape[-1]
    kernels.turn[(len(heads), -(-count // _HEADS))](
        heads, torch.view_as_real(rotation), out, heads.stride(0), heads.stride(1), count, pairs,
        HEAD_BLOCK=_HEADS, PAIR_BLOCK=1 << (pairs - 1).bit_length(),
    )  # fmt: skip
    return out


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up, (rows, width) each; rows may lie apart."""
    from folioscope.model.kimi_vl import fused_kernels as kernels

    rows, width = gate.shape
    out = torch.empty(rows, width, dtype=gate.dtype, device=gate.device)
    kernels.gate_rows[(rows, -(-width // _BLOCK))](gate, up, out, gate.stride(0), up.stride(0), width, BLOCK=_BLOCK)
    return out


def add_up(rows: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """For each token the weighted sum of ``rows`` (any, width) at its ``places``; the latter two (tokens, picks)."""
    from folioscope.model.kimi_vl import fused_kernels as kernels

    tokens, picks = weights.shape
    width = rows.shape[-1]
    out = torch.empty(tokens, width, dtype=rows.dtype, device=rows.device)
    grid = (tokens, -(-width // _BLOCK))
    kernels.add_up_rows[grid](rows, places, weights.contiguous(), out, width, PICKS=picks, BLOCK=_BLOCK)
    return out
