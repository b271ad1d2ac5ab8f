"""The feed-forward half of a layer: a plain SwiGLU, and the mixture of 64 routed experts with one shared.

Tokens are sorted by expert and all experts are one grouped matrix product, so the cost is that of the experts used: 6
of 64 a token. Weights are kept stacked, (experts, ...); checkpoints keep them apart, and the loader maps one to the
other. Spec §4.4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from folioscope.model.kimi_vl import fused
from folioscope.model.kimi_vl.configuration import KimiVLTextConfig


class SwiGlu(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down_proj(gated(self.gate_proj(hidden), self.up_proj(hidden)))


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up, (rows, width)."""
    if fused.can_fuse(gate):
        return fused.gated(gate, up)
    return F.silu(gate) * up


class Router(nn.Module):
    """Chooses experts by sigmoid score plus a correction; the correction never reaches the weights. All in float32."""

    def __init__(self, config: KimiVLTextConfig) -> None:
        super().__init__()
        self.picks = config.num_experts_per_tok
        self.factor = config.routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        correction = torch.zeros(config.n_routed_experts, dtype=torch.float32)
        self.register_buffer("e_score_correction_bias", correction)
        self.e_score_correction_bias: Tensor

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """(tokens, width) to the chosen experts and their weights, (tokens, picks) each."""
        scores = F.linear(hidden.float(), self.weight.float()).sigmoid()
        chosen = (scores.detach() + self.e_score_correction_bias).topk(self.picks, dim=-1, sorted=False).indices
        weights = scores.gather(1, chosen)
        return chosen, weights / (weights.sum(-1, keepdim=True) + 1e-20) * self.factor


class Experts(nn.Module):
    """``gate_up_proj`` (experts, 2 * inner, width), gate above up; ``down_proj`` (experts, width, inner)."""

    def __init__(self, config: KimiVLTextConfig) -> None:
        super().__init__()
        experts, width, inner = config.n_routed_experts, config.hidden_size, config.moe_intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * inner, width))
        self.down_proj = nn.Parameter(torch.empty(experts, width, inner))

    def forward(self, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of each token's experts, (tokens, width), summed in float32 in a fixed order."""
        tokens, picks = chosen.shape
        experts, order = chosen.flatten().to(torch.int16).sort(stable=True)  # a radix sort: a quarter of the work
        numbers = torch.arange(len(self.down_proj), dtype=torch.int16, device=experts.device)
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        ends = torch.searchsorted(experts, numbers, right=True).to(torch.int32)  # counting would wait for the device
        gate, up = F.grouped_mm(hidden[order // picks], self.gate_up_proj.mT, offs=ends).chunk(2, dim=-1)
        by_expert = F.grouped_mm(gated(gate, up), self.down_proj.mT, offs=ends)
        if fused.can_fuse(by_expert):
            return fused.add_up(by_expert, back.view(tokens, picks), weights)
        by_token = by_expert[back].view(tokens, picks, -1)
        return (by_token * weights.unsqueeze(-1)).sum(1).to(hidden.dtype)


class MixtureOfExperts(nn.Module):
    def __init__(self, config: KimiVLTextConfig) -> None:
        super().__init__()
        self.gate = Router(config)
        self.experts = Experts(config)
        self.shared_experts = SwiGlu(config.hidden_size, config.n_shared_experts * config.moe_intermediate_size)

    def forward(self, hidden: Tensor) -> Tensor:
        chosen, weights = self.gate(hidden)
        return self.experts(hidden, chosen, weights) + self.shared_experts(hidden)
