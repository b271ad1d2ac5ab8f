"""Multi-head latent attention: what is cached is one latent a token, not keys and values for each head.

Two ways to the same result (spec §4.2). *Expanded* makes keys and values of every latent and runs ordinary attention:
best where many queries share that work. *Absorbed* carries the queries into the latent's space instead and never
expands: best for a few queries over a long cache, where it reads 576 values a token instead of making 4,096.
With the published sizes both cost the same at 170 queries; ``LatentAttention.attend`` takes the cheaper.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right

from folioscope.model.kimi_vl.configuration import KimiVLTextConfig
from folioscope.model.kimi_vl.rotary import rotate

LATENT_NORM_EPS = 1e-6  # the published code leaves this norm at its class's default, unlike all others (spec §4.1)
MOST_EXPANDED = 16 * 32_768  # keys held at once: 32,768 tokens for all heads; 0.7 GB with their values in bfloat16
ALL_HEADS = slice(None)
QUERY_BLOCK = 512  # queries a mask is built for, where one is needed


class Attend(Protocol):
    """How a layer's tokens see each other and what was cached: given by the caller, once for all layers."""

    def __call__(self, layer: int, attention: LatentAttention, query: Tensor, latent: Tensor) -> Tensor:
        """``query`` (tokens, heads, 192) and ``latent`` (tokens, 576), both turned; returns (tokens, heads, 128)."""
        ...


class RmsNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, hidden: Tensor) -> Tensor:
        """The mean square in float32; the weight applies after the cast back, as in the published code."""
        return self.weight * F.rms_norm(hidden, hidden.shape[-1:], eps=self.eps)


class LatentAttention(nn.Module):
    def __init__(self, config: KimiVLTextConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.num_attention_heads
        self.rank, self.rope = config.kv_lora_rank, config.qk_rope_head_dim
        self.nope, self.value = config.qk_nope_head_dim, config.v_head_dim
        self.scale = (self.nope + self.rope) ** -0.5
        width = config.hidden_size
        self.q_proj = nn.Linear(width, self.heads * (self.nope + self.rope), bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(width, self.rank + self.rope, bias=False)
        self.kv_a_layernorm = RmsNorm(self.rank, LATENT_NORM_EPS)
        self.kv_b_proj = nn.Linear(self.rank, self.heads * (self.nope + self.value), bias=False)
        self.o_proj = nn.Linear(self.heads * self.value, width, bias=False)

    def forward(self, hidden: Tensor, rotation: Tensor, attend: Attend) -> Tensor:
        """``hidden`` (tokens, width), tokens of any number of sequences; ``attend`` knows which belong together."""
        query = self.q_proj(hidden).view(len(hidden), self.heads, -1)
        plain, turning = query.split([self.nope, self.rope], dim=-1)
        query = torch.cat([plain, rotate(turning, rotation)], dim=-1)
        content, position = self.kv_a_proj_with_mqa(hidden).split([self.rank, self.rope], dim=-1)
        latent = torch.cat([self.kv_a_layernorm(content), rotate(position, rotation)], dim=-1)
        return self.o_proj(attend(self.layer, self, query, latent).flatten(1))

    def attend(self, query: Tensor, latent: Tensor) -> Tensor:
        """The last T of S tokens of each sequence, causally: (batch, T, heads, 192) over (batch, S, 576).

        Takes the way that costs fewer operations.
        """
        queries, tokens = query.shape[1], latent.shape[1]
        if queries == tokens or queries >= self.break_even:
            return self.attend_expanded(query, latent)
        visible = None if queries == 1 else causal_mask(queries, tokens, query.device)
        return self.attend_absorbed(query, latent, visible)

    @property
    def break_even(self) -> float:
        """Queries from which expanding every latent costs less than attending in the latent's space."""
        saved = 2 * self.rank - self.nope - self.value
        return self.rank * (self.nope + self.value) / saved if saved > 0 else float("inf")

    def attend_expanded(self, query: Tensor, latent: Tensor) -> Tensor:
        """Keys and values made for every head; shapes as in :meth:`attend`. Returns (batch, T, heads, 128).

        Of a long context for a few heads at a time: those of 131,072 tokens would take 2.7 GB in bfloat16.
        """
        vectors = latent.shape[0] * latent.shape[1] * self.heads
        groups = -(-vectors // MOST_EXPANDED)
        if groups <= 1:
            return self._attend_heads(query, latent, ALL_HEADS)
        size = max(1, self.heads // groups)
        heads = [slice(start, start + size) for start in range(0, self.heads, size)]
        return torch.cat([self._attend_heads(query[:, :, some], latent, some) for some in heads], dim=2)

    def _attend_heads(self, query: Tensor, latent: Tensor, heads: slice) -> Tensor:
        key, value = self.expand(latent, heads)
        # Fused kernels want values as wide as keys: without the zeros, the slow path holds all T * S scores at once.
        width = max(key.shape[-1], self.value)
        query, key, value = (_widened(part, width).transpose(1, 2) for part in (query, key, value))
        mixed = causal_attention(query, key, value, self.scale)
        return mixed.transpose(1, 2)[..., : self.value]

    def expand(self, latent: Tensor, heads: slice = ALL_HEADS) -> tuple[Tensor, Tensor]:
        """(batch, S, 576) to keys (batch, S, heads, 192) and values (batch, S, heads, 128)."""
        content, position = latent.split([self.rank, self.rope], dim=-1)
        if heads == ALL_HEADS:
            expanded = self.kv_b_proj(content)
        else:
            expanded = F.linear(content, self._per_head()[heads].flatten(0, 1))
        key, value = expanded.unflatten(-1, (-1, self.nope + self.value)).split([self.nope, self.value], dim=-1)
        shared = position.unsqueeze(-2).expand(*key.shape[:-1], self.rope)
        return torch.cat([key, shared], dim=-1), value

    def attend_absorbed(self, query: Tensor, latent: Tensor, visible: Tensor | None) -> Tensor:
        """Queries carried into the latent's space; shapes as in :meth:`attend`.

        ``visible`` is None (each query sees all S tokens) or bool, (batch or 1, T or 1, S).
        """
        return self.release(self.mix(self.absorb(query), latent, visible))

    def absorb(self, query: Tensor) -> Tensor:
        """Queries carried into the latent's space: (..., heads, 192) to (..., heads, 576)."""
        plain, turned = query.split([self.nope, self.rope], dim=-1)
        up_key, _ = self._up_projections()
        return torch.cat([torch.einsum("...hn,hnr->...hr", plain, up_key), turned], dim=-1)

    def mix(self, carried: Tensor, latent: Tensor, visible: Tensor | None) -> Tensor:
        """What carried queries (batch, T, heads, 576) see of the latents, (batch, T, heads, rank)."""
        weights = self.absorbed_scores(carried, latent, visible).softmax(dim=-1).to(latent.dtype)
        return (weights.flatten(1, 2) @ latent[..., : self.rank]).view(*carried.shape[:3], self.rank)

    def release(self, content: Tensor) -> Tensor:
        """Out of the latent's space: (..., heads, rank) to (..., heads, 128)."""
        _, up_value = self._up_projections()
        return torch.einsum("...hr,hvr->...hv", content, up_value)

    def absorbed_scores(self, carried: Tensor, latent: Tensor, visible: Tensor | None) -> Tensor:
        """Scaled scores in float32, (batch, T, heads, S); what is not visible is minus infinity."""
        scores = carried.flatten(1, 2) @ latent.transpose(1, 2)
        scores = scores.view(*carried.shape[:3], -1).float() * self.scale
        return scores if visible is None else scores.masked_fill(~visible.unsqueeze(-2), float("-inf"))

    def _up_projections(self) -> tuple[Tensor, Tensor]:
        """kv_b_proj as (heads, 128, rank) for keys and the same for values: views, nothing is copied."""
        per_head = self._per_head()
        return per_head[:, : self.nope], per_head[:, self.nope :]

    def _per_head(self) -> Tensor:
        return self.kv_b_proj.weight.view(self.heads, self.nope + self.value, self.rank)


def _widened(vectors: Tensor, width: int) -> Tensor:
    return vectors if vectors.shape[-1] == width else F.pad(vectors, (0, width - vectors.shape[-1]))


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attention of the last T of S tokens, (batch, heads, T or S, dims), never holding T * S scores."""
    queries, tokens = query.shape[-2], key.shape[-2]
    if queries == tokens:
        return F.scaled_dot_product_attention(query, key, value, is_causal=queries > 1, scale=scale)
    if query.is_cuda:  # its kernels know this mask by name
        return F.scaled_dot_product_attention(query, key, value, causal_lower_right(queries, tokens), scale=scale)
    blocks = []
    for start in range(0, queries, QUERY_BLOCK):
        block = query[..., start : start + QUERY_BLOCK, :]
        seen = tokens - queries + start + block.shape[-2]
        visible = causal_mask(block.shape[-2], seen, query.device)
        blocks.append(
            F.scaled_dot_product_attention(block, key[..., :seen, :], value[..., :seen, :], visible, scale=scale)
        )
    return torch.cat(blocks, dim=-2)


def causal_mask(queries: int, tokens: int, device: torch.device) -> Tensor:
    """True where a query, being one of the last of ``tokens``, may look: (1, queries, tokens)."""
    return torch.ones(queries, tokens, dtype=torch.bool, device=device).tril(tokens - queries)[None]
