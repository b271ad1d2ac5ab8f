"""What helps the nano model to learn and is dropped afterwards: a letter head on the encoder, and a guided head.

Plain training on answers alone stays at noise for a long time. So the encoder is asked which letters stand in each
patch, and one attention head of two decoder layers is drawn to the image token of the letter to be written next.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.nano.drawing import NOTHING, SLOTS
from examples.nano.lessons import IGNORED, Batch
from folioscope.model.kimi_vl.attention import LatentAttention, causal_mask
from folioscope.model.kimi_vl.experts import MixtureOfExperts, Router
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration

LETTERS = NOTHING + 1
GUIDED_LAYERS = (1, 2)
BALANCE_RATE = 0.003


class LetterHead(nn.Module):
    """Patch vectors to the letters of their slots."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, SLOTS * LETTERS)

    def loss(self, patches: Tensor, slots: Tensor) -> tuple[Tensor, float]:
        """(cross entropy a patch, share of letters that are right)."""
        logits = self.linear(patches).view(-1, LETTERS)
        wanted = slots.flatten()
        letters = wanted != NOTHING
        right = (logits[letters].argmax(-1) == wanted[letters]).float().mean().item() if letters.any() else 1.0
        return F.cross_entropy(logits, wanted) * SLOTS, right


class TaughtAttention:
    """Causal attention of a batch laid flat; keeps the first head's weights in the guided layers."""

    def __init__(self, rows: int, columns: int, *, guided: bool) -> None:
        self._shape = (rows, columns)
        self._guided = GUIDED_LAYERS if guided else ()
        self.weights: list[Tensor] = []

    def __call__(self, layer: int, attention: LatentAttention, query: Tensor, latent: Tensor) -> Tensor:
        query, latent = query.unflatten(0, self._shape), latent.unflatten(0, self._shape)
        if layer not in self._guided:
            return attention.attend_expanded(query, latent).flatten(0, 1)
        key, value = attention.expand(latent)
        scores = torch.einsum("bthd,bshd->bhts", query, key) * attention.scale
        visible = causal_mask(scores.shape[-2], scores.shape[-1], scores.device)
        weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        self.weights.append(weights[:, 0])
        return torch.einsum("bhts,bshd->bthd", weights, value).flatten(0, 1)


def letter_loss(model: KimiVLForConditionalGeneration, head: LetterHead, batch: Batch) -> tuple[Tensor, float]:
    """The encoder's lesson alone."""
    return head.loss(model.vision_tower.patch_vectors(batch.pixels, batch.grids), batch.slots)


def answer_losses(
    model: KimiVLForConditionalGeneration, head: LetterHead, batch: Batch, *, guided: bool
) -> tuple[Tensor, Tensor, Tensor, float]:
    """(answers' cross entropy, letters' cross entropy, guide's loss, share of answer tokens right)."""
    vectors = model.vision_tower.patch_vectors(batch.pixels, batch.grids)
    letters, _ = head.loss(vectors, batch.slots)
    features = model.multi_modal_projector(model.vision_tower.merge_neighbours(vectors, batch.grids))
    rows, columns = batch.ids.shape
    embedded = model.embed(batch.ids.clamp(min=0), features)
    attention = TaughtAttention(rows, columns, guided=guided)
    positions = torch.arange(columns).repeat(rows)
    hidden = model.language_model.model(embedded.flatten(0, 1), positions, attention)
    wanted = batch.labels.flatten()
    asked = wanted != IGNORED
    logits = model.language_model.lm_head(hidden[asked])
    right = (logits.argmax(-1) == wanted[asked]).float().mean().item()
    return F.cross_entropy(logits, wanted[asked]), letters, _guide_loss(attention, batch.cells), right


def _guide_loss(attention: TaughtAttention, cells: Tensor) -> Tensor:
    """How far the guided heads look away from the letter to be written."""
    looking = cells >= 0
    losses = [
        -(weights[looking].gather(1, cells[looking][:, None]) + 1e-3).log().mean()
        for weights in attention.weights
        if looking.any()
    ]
    return torch.stack(losses).sum() if losses else torch.zeros(())


class Balance:
    """Keeps experts equally used through the router's selection bias alone, with no loss of its own."""

    def __init__(self, model: nn.Module) -> None:
        self._routers = [module.gate for module in model.modules() if isinstance(module, MixtureOfExperts)]
        self._loads: list[Tensor] = []
        self.valid: Tensor | None = None
        for router in self._routers:
            router.register_forward_hook(self._count)

    def _count(self, router: nn.Module, inputs: object, output: tuple[Tensor, Tensor]) -> None:
        assert isinstance(router, Router)
        if router.training and self.valid is not None:
            self._loads.append(torch.bincount(output[0][self.valid].flatten(), minlength=len(router.weight)))

    def step(self, rate: float) -> None:
        for router, load in zip(self._routers, self._loads, strict=True):
            router.e_score_correction_bias += BALANCE_RATE * rate * torch.sign(load.float().mean() - load)
        self._loads.clear()
