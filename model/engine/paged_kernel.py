"""Decoding's attention on CUDA: one query a sequence over latents in pages, read where they lie and each once.

Gathering the pages first, as the CPU's way does, moves every latent three times, and the scores lie in memory too. Here
a context is cut into splits, computed side by side and then joined by their sums (Dao et al., Flash-Decoding, 2023).
Splits depend on a context's own length, so neighbours change nothing; they are ``MOST_SPLITS`` at most, so that what
lies between the two kernels is half a gigabyte for 256 sequences, however long one of them is. Wants Triton, which
PyTorch for CUDA brings; kernels are compiled once, in seconds.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from folioscope.model.engine.pages import PAGE_TOKENS

SPLIT_TOKENS = 512  # of a split, or a multiple of it in a long context
MOST_SPLITS = 64
_BLOCK_TOKENS = 32  # latents that a program holds at once, in bfloat16; half as many in float32
_WARPS, _STAGES = 4, 2
_LEAST_DOT = 16  # rows and columns of the smallest product that Triton makes


@triton.jit
def _split_size(length, SPLIT: tl.constexpr, MOST: tl.constexpr):
    """Tokens of each split of a context."""
    return SPLIT * tl.cdiv(tl.cdiv(length, SPLIT), MOST)


@triton.jit
def _attend_split(
    query, latents, tables, lengths, mixed, sums, scale, table_width, splits,
    HEADS: tl.constexpr, RANK: tl.constexpr, ROPE: tl.constexpr,
    HEAD_BLOCK: tl.constexpr, RANK_BLOCK: tl.constexpr, ROPE_BLOCK: tl.constexpr,
    PAGE: tl.constexpr, SPLIT: tl.constexpr, MOST: tl.constexpr, TOKENS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One sequence's heads over one split: their mix of latents, and the logarithm of what the scores sum to."""
    row = tl.program_id(0).to(tl.int64)
    split = tl.program_id(1)
    length = tl.load(lengths + row)
    size = _split_size(length, SPLIT, MOST)
    first = split * size
    if first >= length:
        return
    width = RANK + ROPE
    heads, ranks, ropes = tl.arange(0, HEAD_BLOCK), tl.arange(0, RANK_BLOCK), tl.arange(0, ROPE_BLOCK)
    real, rank, rope = heads[:, None] < HEADS, ranks[None, :] < RANK, ropes[None, :] < ROPE
    asked = query + (row * HEADS + heads[:, None]) * width
    content_query = tl.load(asked + ranks[None, :], mask=real & rank, other=0.0)
    position_query = tl.load(asked + RANK + ropes[None, :], mask=real & rope, other=0.0)
    most = tl.full([HEAD_BLOCK], float("-inf"), tl.float32)
    total = tl.zeros([HEAD_BLOCK], tl.float32)
    held = tl.zeros([HEAD_BLOCK, RANK_BLOCK], tl.float32)
    for start in range(first, tl.minimum(first + size, length), TOKENS):
        tokens = start + tl.arange(0, TOKENS)
        there = tokens[:, None] < length
        page = tl.load(tables + row * table_width + start // PAGE).to(tl.int64)
        places = latents + (page * PAGE + start % PAGE + tl.arange(0, TOKENS))[:, None] * width
        content = tl.load(places + ranks[None, :], mask=there & rank, other=0.0)
        position = tl.load(places + RANK + ropes[None, :], mask=there & rope, other=0.0)
        scores = tl.dot(content_query, tl.trans(content), input_precision=PRECISION)
        scores = tl.dot(position_query, tl.trans(position), scores, input_precision=PRECISION)
        scores = tl.where(tokens[None, :] < length, scores * scale, float("-inf"))
        higher = tl.maximum(most, tl.max(scores, 1))
        fade = tl.exp(most - higher)
        weights = tl.exp(scores - higher[:, None])
        total = total * fade + tl.sum(weights, 1)
        held = held * fade[:, None] + tl.dot(weights.to(content.dtype), content, input_precision=PRECISION)
        most = higher
    part = (row * splits + split) * HEADS + heads
    tl.store(mixed + part[:, None] * RANK + ranks[None, :], held / total[:, None], mask=real & rank)
    tl.store(sums + part, most + tl.log(total), mask=heads < HEADS)


@triton.jit
def _join_splits(
    mixed, sums, lengths, out, splits,
    HEADS: tl.constexpr, RANK: tl.constexpr, RANK_BLOCK: tl.constexpr, SPLIT: tl.constexpr, MOST: tl.constexpr,
):  # fmt: skip
    """One head of one sequence: its splits weighed by their sums."""
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    ranks = tl.arange(0, RANK_BLOCK)
    most = float("-inf")
    total = 0.0
    held = tl.zeros([RANK_BLOCK], tl.float32)
    length = tl.load(lengths + row)
    for split in range(tl.cdiv(length, _split_size(length, SPLIT, MOST))):
        part = (row * splits + split) * HEADS + head
        weight = tl.load(sums + part)
        higher = tl.maximum(most, weight)
        fade, share = tl.exp(most - higher), tl.exp(weight - higher)
        held = held * fade + share * tl.load(mixed + part * RANK + ranks, mask=ranks < RANK, other=0.0)
        total = total * fade + share
        most = higher
    place = out + (row * HEADS + head) * RANK + ranks
    tl.store(place, (held / total).to(out.dtype.element_ty), mask=ranks < RANK)


def attend_pages(
    query: Tensor, latents: Tensor, tables: Tensor, lengths: Tensor, splits: int, rank: int, scale: float
) -> Tensor:
    """What carried queries (rows, heads, width) see of their own contexts: (rows, heads, rank).

    ``latents`` is (pages, tokens of a page, width), a layer of the pool; ``tables`` (rows, pages) and ``lengths``
    (rows,), int32 and at least 1, say which pages a row has and how many tokens of them it sees. ``splits`` is
    :func:`splits_for` the longest, or more.
    """
    rows, heads, width = query.shape
    mixed = query.new_empty(rows, splits, heads, rank, dtype=torch.float32)
    sums = query.new_empty(rows, splits, heads, dtype=torch.float32)
    out = query.new_empty(rows, heads, rank)
    narrow = query.element_size() == 2
    rank_block = triton.next_power_of_2(max(rank, _LEAST_DOT))
    _attend_split[(rows, splits)](
        query.contiguous(), latents, tables, lengths, mixed, sums, scale, tables.stride(0), splits,
        HEADS=heads, RANK=rank, ROPE=width - rank,
        HEAD_BLOCK=triton.next_power_of_2(max(heads, _LEAST_DOT)),
        RANK_BLOCK=rank_block,
        ROPE_BLOCK=triton.next_power_of_2(max(width - rank, _LEAST_DOT)),
        PAGE=PAGE_TOKENS, SPLIT=SPLIT_TOKENS, MOST=MOST_SPLITS,
        TOKENS=_BLOCK_TOKENS if narrow else _BLOCK_TOKENS // 2,
        PRECISION="tf32" if narrow else "ieee",
        num_warps=_WARPS, num_stages=_STAGES,
    )  # fmt: skip
    _join_splits[(rows, heads)](
        mixed, sums, lengths, out, splits,
        HEADS=heads, RANK=rank, RANK_BLOCK=rank_block, SPLIT=SPLIT_TOKENS, MOST=MOST_SPLITS,
    )  # fmt: skip
    return out


def splits_for(tokens: int) -> int:
    """Splits that contexts of up to so many tokens have at most, as a power of two: few graphs serve all lengths."""
    return min(int(triton.next_power_of_2(-(-tokens // SPLIT_TOKENS))), MOST_SPLITS)
