"""Full-size arithmetic from Kimi-VL's configuration: one 80 GB GPU, and which card holds what; writes docs/capacity.md.

    python -m benchmarks.capacity [--check]

A calculation, not a measurement: benchmarks/gpu.py measures. Every assumption is named in the text that it writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

from folioscope.model.kimi_vl import KimiVLConfig
from folioscope.model.kimi_vl.checkpoint import expected_shapes
from folioscope.model.kimi_vl.image_processing import plan_patches
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "capacity.md"
BYTES = 2  # bfloat16
PROMPT_TOKENS = 60  # layout and task
MOST_AT_ONCE = 256


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


# CPU seconds a page on one core of the machine that the benchmarks ran on.
PREPARE_S = 0.05  # rendering at 144 dpi and cutting into patches
LAYER_S = 0.014
OCR_S = {"Tesseract installed": 1.6, "RapidOCR alone": 2.5}
FIND_LINES_S = 0.4  # of a page of which only the lines are found
REFERENCE_SHARE = 0.1


@cache
def shapes() -> dict[str, tuple[int, ...]]:
    return expected_shapes(KimiVLForConditionalGeneration, CONFIG)


def parameters() -> int:
    return sum(prod(shape) for shape in shapes().values())


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
    language = sum(prod(s) for n, s in shapes().items() if n.startswith("language_model"))
    return int(language - idle - text.vocab_size * text.hidden_size)


def page_load(limit: int) -> Load:
    width, height = (round(side * GIVEN.dpi) for side in GIVEN.page_inches)
    plan = plan_patches(width, height, limit)
    patches = plan.rows * plan.columns
    vision = CONFIG.vision_config
    named = shapes().items()
    weights = sum(prod(s) for n, s in named if n.startswith("vision_tower.encoder.blocks"))
    projector = sum(prod(s) for n, s in named if n.startswith("multi_modal_projector.linear"))
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
    return sum(prod(s) * BYTES for n, s in shapes().items() if n.startswith("language_model"))


def pages_per_second(limit: int, sequences: int) -> dict[str, float]:
    """The roofline of reading: prefill and vision at the compute limit, decoding at the limit of memory."""
    load = page_load(limit)
    compute = (load.vision_flops + load.prefill_flops) / (GPU.flops * GIVEN.compute_share)
    context = load.image_tokens + GIVEN.output_tokens / 2
    step_bytes = language_bytes() + sequences * context * cache_bytes_per_token()
    step = step_bytes / (GPU.bandwidth * GIVEN.bandwidth_share)
    decode = GIVEN.output_tokens * step / sequences
    return {"compute_s": compute, "decode_s": decode, "pages_per_s": 1 / (compute + decode)}


@dataclass(frozen=True)
class Form:
    """A form of the weights. ``body`` is bytes a parameter of the decoder's matrices, with their scales."""

    name: str
    body: float

    def weight_bytes(self) -> float:
        """Embeddings, head, norms, routers and the vision tower stay in bfloat16, as published recipes leave them."""
        whole = parameters()
        body = sum(
            prod(shape)
            for name, shape in shapes().items()
            if name.startswith("language_model.model.layers") and len(shape) == 2 and "mlp.gate.weight" not in name
        )
        return (whole - body) * BYTES + body * self.body


FORMS = (Form("bfloat16", 2.0), Form("FP8", 1.0), Form("4-bit (AWQ, GPTQ)", 0.5 + 2.5 / 128))
CARDS = (  # as their makers name them; GB
    ("RTX 4090, L4, A10", 24),
    ("A100 40 GB", 40),
    ("L40S, RTX 6000 Ada, A6000", 48),
    ("A100, H100", 80),
    ("H200", 141),
)
LEAST_CONTEXT = 8_192  # tokens: less is no use


def card_table() -> list[str]:
    """Which card holds which form, with what context and how many pages in flight."""
    page = page_load(4096).image_tokens + PROMPT_TOKENS + GIVEN.output_tokens
    whole = CONFIG.text_config.max_position_embeddings
    lines = [
        "| card | GB | weights | for the cache, GB | longest context | pages in flight |",
        "|---|---|---|---|---|---|",
    ]
    for name, size in CARDS:
        for form in FORMS:
            room = size * 1e9 * GIVEN.usable_memory - form.weight_bytes() - activations()
            tokens = int(room // cache_bytes_per_token())
            if tokens < LEAST_CONTEXT:
                held = "does not fit | – | –"
            else:
                held = f"{room / 1e9:.1f} | {min(whole, tokens):,} | {min(MOST_AT_ONCE, tokens // page):,}"
            lines.append(f"| {name} | {size} | {form.name}, {form.weight_bytes() / 1e9:.1f} GB | {held} |")
    return lines


def cpu_table(pages_per_s: float) -> list[str]:
    """Cores that rendering pages, and reading them a second time, take beside one GPU."""
    in_part = REFERENCE_SHARE * OCR_S["Tesseract installed"] + (1 - REFERENCE_SHARE) * FIND_LINES_S
    second = {
        "any, `--reference none`": 0.0,
        "usable text layer, `auto` or `layer`": LAYER_S,
        **{f"scans, {engine}": seconds for engine, seconds in OCR_S.items()},
        f"scans, `--reference-share {REFERENCE_SHARE}`, Tesseract installed": in_part,
    }
    return [
        f"| {kind} | {PREPARE_S + seconds:.2f} | {pages_per_s * (PREPARE_S + seconds):.1f} |"
        for kind, seconds in second.items()
    ]


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
        f"{int(room // (2000 * cache_bytes_per_token())):,} pages being read (2,000 tokens each). Our engine "
        f"takes pages in by what they are expected to write; before it has seen any, with room for all that they may, "
        f"{GIVEN.most_tokens:,} tokens: {admitted:,} at once.",
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
        "## Which card holds what",
        "",
        "Weights as vLLM loads them; a page in flight takes its image, the prompt and what it writes on average. Our "
        "own engine takes bfloat16 alone, on compute capability 9.0 or 10.0; other forms and cards are vLLM's, or a "
        f"server's. At most {MOST_AT_ONCE} pages are in flight: more bring little.",
        "",
        *card_table(),
        "",
        "Not run here: any of these cards but an H200 in bfloat16, and any quantised checkpoint.",
        "",
        "## CPU cores beside each GPU",
        "",
        f"So that the GPU never waits, at the {few['pages_per_s']:.1f} pages/s of 64 sequences and 4,096 patches, if "
        "all pages are of one kind. CPU seconds a page were measured on one core: rendering and cutting into patches "
        "by `benchmarks/replica_utilisation.py`, a text layer's second reading by `benchmarks/grounding.py`, OCR on "
        "five pages of a book and slides at 144 dpi.",
        "",
        "| pages, and who reads them a second time | CPU s a page | cores |",
        "|---|---|---|",
        *cpu_table(few["pages_per_s"]),
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
