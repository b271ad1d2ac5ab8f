"""The next token of each sequence, from its own logits and its own random generator: no neighbour has a say.

Everything but one random number a sequence happens on the device, for all sequences that sample together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from folioscope.model.engine.interface import Sampling


def generator_for(sampling: Sampling) -> torch.Generator | None:
    """A generator on the CPU, so that draws are the same on every device; None for greedy."""
    return None if sampling.temperature == 0 else torch.Generator().manual_seed(sampling.seed)


def choose(
    logits: Tensor, samplings: list[Sampling], generators: list[torch.Generator | None]
) -> tuple[Tensor, Tensor]:
    """(ids, log-probabilities under the model itself) on the CPU, from float32 logits (sequences, vocabulary)."""
    chosen = logits.argmax(dim=-1)
    drawing = [(row, generator) for row, generator in enumerate(generators) if generator is not None]
    if drawing:
        rows = torch.tensor([row for row, _ in drawing], device=logits.device)
        draws = torch.cat([torch.rand(1, generator=generator) for _, generator in drawing])
        settings = torch.tensor([[samplings[row].temperature, samplings[row].top_p] for row, _ in drawing])
        temperatures, top_p = settings.to(logits.device).unbind(1)
        nucleus = any(samplings[row].top_p < 1 for row, _ in drawing)
        chosen[rows] = _draw(logits[rows] / temperatures[:, None], top_p if nucleus else None, draws.to(logits.device))
    picked = logits.gather(1, chosen[:, None])[:, 0]
    return chosen.cpu(), (picked - logits.logsumexp(dim=-1)).cpu()


def _draw(logits: Tensor, top_p: Tensor | None, draws: Tensor) -> Tensor:
    """One id a row, where its draw (0..1) falls in the sum of its probabilities.

    With ``top_p`` they are cut to the fewest tokens that hold as much (nucleus sampling), which takes a sort.
    """
    probabilities, ids = logits.softmax(dim=-1), None
    if top_p is not None:
        probabilities, ids = probabilities.sort(dim=-1, descending=True)
        before = probabilities.cumsum(dim=-1) - probabilities
        first = torch.arange(probabilities.shape[1], device=logits.device) == 0  # whatever the share, one token stays
        probabilities = probabilities.masked_fill((before >= top_p[:, None]) & ~first, 0.0)
    sums = probabilities.cumsum(dim=-1)
    whole = sums[:, -1:]
    targets = torch.minimum(draws[:, None] * whole, torch.nextafter(whole, torch.zeros_like(whole)))
    places = torch.searchsorted(sums, targets, right=True)
    return (places if ids is None else ids.gather(1, places))[:, 0]
