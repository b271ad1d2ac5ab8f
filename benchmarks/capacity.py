"""Full-size arithmetic for one 80 GB GPU, from Kimi-VL's configuration alone; writes docs/capacity.md.

    python -m benchmarks.capacity [--check]

A calculation, not a measurement: benchmarks/gpu.py measures. Every assumption is named in the text that it writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path

from model.kimi_vl import KimiVLConfig
from model.kimi_vl.checkpoint import expected_shapes
from model.kimi_vl.image_processing import plan_patches

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "capacity.md"
BYTES = 2  # bfloat16
PROMPT_TOKENS = 60  # layout and task


@dataclass(frozen=True)
class Gpu:
    """An H100 SXM as its maker states it."""

    memory: float = 80e9
    bandwidth: float = 3.35e12  # bytes/s
    flops: float = 989e12  # bfloat16, dense


@dataclass(frozen=True)
class Assumptions:
    usable_memory: float = 0.92  # the rest: CUDA context, fragments
    compute_share: float = 0.4  # of the stated FLOP/s, in prefill and vision
    bandwidth_share: float = 0.7  # of the stated bandwidth, in decoding
    output_tokens: int = 700  # a dense page as Markdown
    most_tokens: int = 4096  # that a page may write
    dpi: int = 144
    page_inches: tuple[float, float] = (8.27, 11.69)
    tokens_per_step: int = 10_240
    patches_per_step: int = 36_864


@dataclass(frozen=True)
class Load:
    """What one page asks for."""

    patches: int
    image_tokens: int
    vision_flops: float
    prefill_flops: float


GPU, GIVEN, CONFIG = Gpu(), Assumptions(), KimiVLConfig()


def parameters() -> int:
    return sum(prod(shape) for shape in expected_shapes(CONFIG).values())


def cache_bytes_per_token() -> int:
    return int(CONFIG.text_config.num_hidden_layers * CONFIG.text_config.latent_width * BYTES)


def active_parameters() -> int:
    """Of the decoder, for one token, with the head."""
    text = CONFIG.text_config
    unused = text.n_routed_experts - text.num_experts_per_tok
    idle = (
        (text.num_hidden_layers - text.first_k_dense_replace)
        * unused
        * 3
        * text.hidden_size
        * text.moe_intermediate_size
    )
    language = sum(prod(s) for n, s in expected_shapes(CONFIG).items() if n.startswith("language_model"))
    return int(language - idle - text.vocab_size * text.hidden_size)


def page_load(limit: int) -> Load:
    width, height = (round(side * GIVEN.dpi) for side in GIVEN.page_inches)
    plan = plan_patches(width, height, limit)
    patches = plan.rows * plan.columns
    vision = CONFIG.vision_config
    shapes = expected_shapes(CONFIG).items()
    weights = sum(prod(s) for n, s in shapes if n.startswith("vision_tower.encoder.blocks"))
    projector = sum(prod(s) for n, s in shapes if n.startswith("multi_modal_projector.linear"))
    attention = vision.num_hidden_layers * 4 * patches**2 * vision.hidden_size
    text = CONFIG.text_config
    tokens = plan.tokens + PROMPT_TOKENS
    heads = text.num_attention_heads * (text.qk_head_dim + text.v_head_dim)
    causal = text.num_hidden_layers * tokens**2 * heads
    return Load(
        patches=patches,
        image_tokens=plan.tokens,
        vision_flops=2 * weights * patches + attention + 2 * projector * plan.tokens,
        prefill_flops=2 * active_parameters() * tokens + causal,
    )


def activations() -> int:
    """Bytes of the widest moment of a step: the vision pack's feed-forward, or the experts' rows of a prefill."""
    text, vision = CONFIG.text_config, CONFIG.vision_config
    seen = GIVEN.patches_per_step * (2 * vision.hidden_size + 2 * vision.intermediate_size) * BYTES
    rows = GIVEN.tokens_per_step * text.num_experts_per_tok
    experts = rows * (2 * text.hidden_size * BYTES + 3 * text.moe_intermediate_size * BYTES + text.hidden_size * 4)
    return int(max(seen, experts))


def cache_room() -> float:
    return GPU.memory * GIVEN.usable_memory - parameters() * BYTES - activations()


def language_bytes() -> int:
    """Weights that a step of decoding reads."""
    return sum(prod(s) * BYTES for n, s in expected_shapes(CONFIG).items() if n.startswith("language_model"))


def pages_per_second(limit: int, sequences: int) -> dict[str, float]:
    """The roofline of reading: prefill and vision at the compute limit, decoding at the limit of memory."""
    load = page_load(limit)
    compute = (load.vision_flops + load.prefill_flops) / (GPU.flops * GIVEN.compute_share)
    context = load.image_tokens + GIVEN.output_tokens / 2
    step_bytes = language_bytes() + sequences * context * cache_bytes_per_token()
    step = step_bytes / (GPU.bandwidth * GIVEN.bandwidth_share)
    decode = GIVEN.output_tokens * step / sequences
    return {"compute_s": compute, "decode_s": decode, "pages_per_s": 1 / (compute + decode)}


def text() -> str:
    whole = CONFIG.text_config.max_position_embeddings
    room = cache_room()
    reserved = page_load(4096).image_tokens + PROMPT_TOKENS + GIVEN.most_tokens
    admitted = int(room // (reserved * cache_bytes_per_token()))
    lines = [
        "# Capacity: Kimi-VL-A3B on one 80 GB GPU",
        "",
        "Calculated from the configuration by `python -m benchmarks.capacity`; nothing here was measured. What "
        "a GPU did stands in [kimi-vl.md](kimi-vl.md#on-a-gpu).",
        "",
        "## Memory",
        "",
        "| what | GB |",
        "|---|---|",
        f"| weights, {parameters():,} parameters in bfloat16 | {parameters() * BYTES / 1e9:.1f} |",
        f"| activations of one step ({GIVEN.tokens_per_step:,} tokens, {GIVEN.patches_per_step:,} patches) | "
        f"{activations() / 1e9:.1f} |",
        f"| left for the cache, of {GPU.memory * GIVEN.usable_memory / 1e9:.1f} usable | {room / 1e9:.1f} |",
        "",
        f"The cache takes {cache_bytes_per_token():,} bytes a token: {room / cache_bytes_per_token() / 1e6:.2f} "
        f"million tokens fit. A context of {whole:,} tokens takes {whole * cache_bytes_per_token() / 1e9:.2f} GB, so "
        f"**{int(room // (whole * cache_bytes_per_token()))} documents of full length are in flight at once**, or "
        f"{int(room // (2000 * cache_bytes_per_token())):,} pages being read (2,000 tokens each). Our engine takes a "
        f"page in with room for all that it may write, {GIVEN.most_tokens:,} tokens: {admitted:,} at once.",
        "",
        "## A page",
        "",
        "| | 4,096 patches (Instruct) | 16,384 (Thinking-2506) |",
        "|---|---|---|",
    ]
    loads = [page_load(limit) for limit in (4096, 16_384)]
    rows = (
        ("patches", [f"{load.patches:,}" for load in loads]),
        ("image tokens", [f"{load.image_tokens:,}" for load in loads]),
        (f"pages in {whole:,} tokens", [f"{(whole - 2048) // (load.image_tokens + 8):,}" for load in loads]),
        ("vision, TFLOP", [f"{load.vision_flops / 1e12:.1f}" for load in loads]),
        ("prefill, TFLOP", [f"{load.prefill_flops / 1e12:.1f}" for load in loads]),
    )
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows]
    lines += [
        "",
        "## Reading: roofline",
        "",
        "| sequences at once | pages/s, 4,096 | pages/s, 16,384 |",
        "|---|---|---|",
    ]
    for sequences in (1, 16, 64, 128, 256):
        speeds = [pages_per_second(limit, sequences)["pages_per_s"] for limit in (4096, 16_384)]
        lines.append(f"| {sequences} | {' | '.join(f'{speed:.2f}' for speed in speeds)} |")
    few = pages_per_second(4096, 64)
    lines += [
        "",
        f"At 64 sequences and 4,096 patches a page costs {few['compute_s'] * 1e3:.0f} ms of computing and "
        f"{few['decode_s'] * 1e3:.0f} ms of decoding: every step of decoding reads all experts once, whatever the "
        "batch, so the batch is what counts.",
        "",
        "## Assumptions",
        "",
        f"- GPU as stated by its maker for an H100 SXM: {GPU.memory / 1e9:.0f} GB, {GPU.bandwidth / 1e12:.2f} TB/s, "
        f"{GPU.flops / 1e12:.0f} TFLOP/s in bfloat16 without sparsity.",
        f"- {GIVEN.usable_memory:.0%} of memory usable, {GIVEN.compute_share:.0%} of the FLOP/s reached in vision and "
        f"prefill, {GIVEN.bandwidth_share:.0%} of the bandwidth in decoding.",
        f"- A4 at {GIVEN.dpi} dpi, {GIVEN.output_tokens} tokens written a page, one try, prompts of {PROMPT_TOKENS} "
        "tokens.",
        "- From 16 sequences on every expert is read in every step; with one sequence only its own would be, so the "
        "first row is too low.",
        "- Decoding and prefill follow each other on the GPU; rendering and writing run beside it on the CPU.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail where docs/capacity.md is stale")
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(0 if DOCUMENT.read_text("utf-8") == text() else f"{DOCUMENT} is stale; run this without --check")
    DOCUMENT.write_text(text(), "utf-8")
    print(text())
    print(json.dumps({"cache_room_gb": round(cache_room() / 1e9, 1), **pages_per_second(4096, 64)}))


if __name__ == "__main__":
    main()
