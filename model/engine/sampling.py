"""The next token of each sequence, from its own logits and its own random generator: no neighbour has a say."""

from __future__ import annotations

import torch
from torch import Tensor

from model.engine.interface import Sampling


def generator_for(sampling: Sampling) -> torch.Generator | None:
    """A generator on the CPU, so that draws are the same on every device; None for greedy."""
    return None if sampling.temperature == 0 else torch.Generator().manual_seed(sampling.seed)


def choose(
    logits: Tensor, samplings: list[Sampling], generators: list[torch.Generator | None]
) -> tuple[Tensor, Tensor]:
    """(ids, log-probabilities under the model itself) on the CPU, from float32 logits (sequences, vocabulary)."""
    logprobs = logits.log_softmax(dim=-1)
    chosen = logits.argmax(dim=-1)
    for row, (sampling, generator) in enumerate(zip(samplings, generators, strict=True)):
        if generator is not None:
            chosen[row] = _draw(logits[row], sampling, generator)
    return chosen.cpu(), logprobs.gather(1, chosen[:, None])[:, 0].cpu()


def _draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """One id: softmax at the temperature, cut to the fewest tokens that hold ``top_p`` (nucleus sampling)."""
    probabilities, ids = (logits / sampling.temperature).softmax(dim=-1).sort(descending=True)
    before = probabilities.cumsum(dim=-1) - probabilities
    kept = probabilities.masked_fill(before >= sampling.top_p, 0.0).cpu()
    return ids[int(torch.multinomial(kept, 1, generator=generator))]
