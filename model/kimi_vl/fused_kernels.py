"""The Triton kernels of :mod:`folioscope.model.kimi_vl.fused`: each program takes one token or row, and a block of it.

Sums are in float32, and values are rounded where PyTorch's own steps round them. Compiled at first use, in seconds.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def turn(
    vectors, rotation, out, token_stride, head_stride, HEADS, PAIRS, HEAD_BLOCK: tl.constexpr, PAIR_BLOCK: tl.constexpr
):
    token = tl.program_id(0).to(tl.int64)
    heads = tl.program_id(1) * HEAD_BLOCK + tl.arange(0, HEAD_BLOCK)[:, None]
    pairs, places = tl.arange(0, PAIR_BLOCK)[None, :], tl.arange(0, 2 * PAIR_BLOCK)[None, :]
    real = (heads < HEADS) & (places < 2 * PAIRS)
    values = tl.load(vectors + token * token_stride + heads * head_stride + places, mask=real, other=0.0)
    one, other = tl.split(tl.reshape(values.to(tl.float32), (HEAD_BLOCK, PAIR_BLOCK, 2)))
    unit = rotation + 2 * (token * PAIRS + pairs)
    cosine = tl.load(unit, mask=pairs < PAIRS, other=0.0)
    sine = tl.load(unit + 1, mask=pairs < PAIRS, other=0.0)
    turned = tl.interleave(one * cosine - other * sine, one * sine + other * cosine)
    tl.store(out + (token * HEADS + heads) * 2 * PAIRS + places, turned.to(out.dtype.element_ty), mask=real)


@triton.jit
def gate_rows(gate, up, out, gate_stride, up_stride, WIDTH, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = columns < WIDTH
    opened = tl.load(gate + row * gate_stride + columns, mask=real, other=0.0).to(tl.float32)
    opened = (opened * tl.sigmoid(opened)).to(out.dtype.element_ty).to(tl.float32)
    passed = tl.load(up + row * up_stride + columns, mask=real, other=0.0).to(tl.float32)
    tl.store(out + row * WIDTH + columns, (opened * passed).to(out.dtype.element_ty), mask=real)


@triton.jit
def add_up_rows(rows, places, weights, out, WIDTH, PICKS: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = columns < WIDTH
    total = tl.zeros([BLOCK], tl.float32)
    for pick in range(PICKS):
        row = tl.load(places + token * PICKS + pick).to(tl.int64)
        weight = tl.load(weights + token * PICKS + pick)
        total += weight * tl.load(rows + row * WIDTH + columns, mask=real, other=0.0).to(tl.float32)
    tl.store(out + token * WIDTH + columns, total.to(out.dtype.element_ty), mask=real)
