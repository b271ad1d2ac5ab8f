"""Weights of the decoder in the order that the CPU's matrix kernels want them, laid out once instead of in every call.

With few tokens a step, a plain matrix product spends more time on arranging the weights than on computing: packed ones
take half the time, and results differ by rounding alone. The price is a second copy of the decoder's weights, so
this is for models that are small beside the machine. oneDNN does it, in float32, on x86.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from folioscope.model.kimi_vl.experts import Experts
from folioscope.model.kimi_vl.host_memory import keep_freed_memory, use_large_pages

LEAST_BYTES = 64 << 20  # below, weights stay in the processor's cache, and arranging them costs nothing
MOST_BYTES = 8 << 30
_ROWS = 16  # a step of decoding's; the layout serves any number
_FEW_ROWS = 2  # up to here the plain product reads weights as fast as memory gives them, a fifth faster than packed


def can_pack(module: nn.Module) -> bool:
    """Whether packing is to be had here, brings something, and its copy is small enough."""
    parameters = list(module.parameters())
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and all(p.device.type == "cpu" and p.dtype == torch.float32 for p in parameters)
        and LEAST_BYTES <= sum(p.nbytes for p in parameters) <= MOST_BYTES
    )


def packed(module: nn.Module) -> nn.Module:
    """The same module over the same parameters, with packed copies where it multiplies by them; for inference.

    Weights and copies move to large memory pages, and the process keeps what it frees (``host_memory.py``).
    """
    multipliers: list[_Multiplier] = []
    clone = _packed(module, multipliers)
    for multiplier in multipliers:  # once all are there: a large page may reach over to the next one
        multiplier.use_large_pages()
    keep_freed_memory()
    return clone


def _packed(module: nn.Module, multipliers: list[_Multiplier]) -> nn.Module:
    """``multipliers`` receives what the clone multiplies by."""
    if isinstance(module, nn.Linear) and module.bias is None:
        linear = PackedLinear(module.weight)
        multipliers.append(linear.multiply)
        return linear
    if isinstance(module, Experts):
        experts = PackedExperts(module)
        multipliers += [*experts.gate_up, *experts.down]
        return experts
    clone = copy.copy(module)
    clone._modules = {name: child and _packed(child, multipliers) for name, child in module._modules.items()}
    return clone


class PackedLinear(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight
        self.multiply = _Multiplier(weight)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.multiply(hidden)


class PackedExperts(nn.Module):
    """As :class:`~.experts.Experts`: each expert that has tokens multiplies its own, sorted to one run."""

    def __init__(self, experts: Experts) -> None:
        super().__init__()
        self.gate_up = [_Multiplier(weight) for weight in experts.gate_up_proj]
        self.down = [_Multiplier(weight) for weight in experts.down_proj]

    def forward(self, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        tokens, picks = chosen.shape
        order = chosen.flatten().argsort(stable=True)
        ends = [0, *chosen.flatten().bincount(minlength=len(self.down)).cumsum(0).tolist()]
        rows = hidden[order // picks]
        by_expert = hidden.new_empty(len(rows), hidden.shape[-1])
        for expert, (start, end) in enumerate(pairwise(ends)):
            if end > start:
                gate, up = self.gate_up[expert](rows[start:end]).chunk(2, dim=-1)
                by_expert[start:end] = self.down[expert](F.silu(gate) * up)
        by_token = by_expert[order.argsort()].view(tokens, picks, -1)
        return torch.einsum("tpw,tp->tw", by_token, weights)


class _Multiplier:
    """Rows (..., in) times a weight (out, in): packed, but for one or two rows, where nothing needs arranging."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.detach()
        self._packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(self._weight, _ROWS)

    def use_large_pages(self) -> None:
        use_large_pages(self._weight.data_ptr(), self._weight.nbytes)
        use_large_pages(torch.ops.mkldnn.data_ptr(self._packed), torch.ops.mkldnn._nbytes(self._packed))

    def __call__(self, rows: Tensor) -> Tensor:
        if rows.numel() <= _FEW_ROWS * rows.shape[-1]:
            return F.linear(rows, self._weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._packed, None, "none", [], "")
        return product
