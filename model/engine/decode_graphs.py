"""Steps that only write, as CUDA graphs: some thousand kernels of a few microseconds each, launched at once.

Launching them one by one takes Python longer than the GPU takes to run them. A graph is recorded the first time that
its size comes up (rows, and splits of the longest context, each rounded up to a power of two) and replayed from then
on, over inputs that lie at fixed places. Rows that fill it up write to the pool's spare page, which nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor

from folioscope.model.engine.paged_attention import InPlace
from folioscope.model.engine.paged_kernel import splits_for
from folioscope.model.engine.pages import PAGE_TOKENS, PagePool, pages_for
from folioscope.model.engine.schedule import Piece
from folioscope.model.kimi_vl.attention import LatentAttention
from folioscope.model.kimi_vl.decoder import LanguageModel


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Of up to so many rows; (rows,) each, ``tables`` (rows, pages)."""

    ids: Tensor
    positions: Tensor
    slots: Tensor
    lengths: Tensor
    tables: Tensor

    @classmethod
    def zeros(cls, rows: int, pages: int, *, device: torch.device, pinned: bool = False) -> _Inputs:
        def make(dtype: torch.dtype, *shape: int) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device, pin_memory=pinned)

        long, short = torch.int64, torch.int32
        return cls(make(long, rows), make(long, rows), make(long, rows), make(short, rows), make(short, rows, pages))

    def first(self, rows: int) -> _Inputs:
        return _Inputs(*(part[:rows] for part in self.parts()))

    def parts(self) -> tuple[Tensor, ...]:
        return self.ids, self.positions, self.slots, self.lengths, self.tables


class DecodeGraphs:
    """``logits`` of steps in which each sequence writes one token. For one caller: results lie where the next go."""

    def __init__(self, language: LanguageModel, pool: PagePool, most_rows: int, most_tokens: int) -> None:
        self._language = language
        self._pool = pool
        rows, pages = triton.next_power_of_2(most_rows), pages_for(most_tokens)
        self._host = _Inputs.zeros(rows, pages, device=torch.device("cpu"), pinned=True)
        self._device = _Inputs.zeros(rows, pages, device=pool.latents.device)
        self._laid: list[NDArray[np.int32] | None] = [None] * rows  # the pages that each row of the host's tables holds
        self._memory = torch.cuda.graph_pool_handle()
        self._recorded: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def logits(self, pieces: list[Piece]) -> Tensor:
        """(pieces, vocabulary), overwritten by the next step."""
        rows, splits = triton.next_power_of_2(len(pieces)), splits_for(max(piece.end for piece in pieces))
        self._fill(pieces, rows)
        if (rows, splits) not in self._recorded:
            self._recorded[rows, splits] = self._record(rows, splits)
        graph, logits = self._recorded[rows, splits]
        graph.replay()
        return logits[: len(pieces)]

    def _fill(self, pieces: list[Piece], rows: int) -> None:
        """Lay the inputs out. The step before has ended: its tokens were waited for."""
        count, spare = len(pieces), self._pool.spare
        ids, positions, slots, lengths, tables = (part.numpy() for part in self._host.parts())
        for row, piece in enumerate(pieces):
            sequence = piece.sequence
            ids[row], positions[row] = sequence.ids[piece.start], piece.start
            if self._laid[row] is not sequence.pages:
                tables[row, : len(sequence.pages)] = sequence.pages
                self._laid[row] = sequence.pages
        lengths[:count] = positions[:count] + 1
        pages, places = np.divmod(positions[:count], PAGE_TOKENS)
        slots[:count] = tables[np.arange(count), pages].astype(np.int64) * PAGE_TOKENS + places
        ids[count:rows], positions[count:rows], lengths[count:rows] = 0, 0, 1
        slots[count:rows], tables[count:rows, 0] = spare * PAGE_TOKENS, spare
        self._laid[count:rows] = [None] * (rows - count)
        for there, here in zip(self._device.first(rows).parts(), self._host.first(rows).parts(), strict=True):
            there.copy_(here, non_blocking=True)

    def _record(self, rows: int, splits: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        inputs = self._device.first(rows)
        attend = _Attention(self._pool, inputs.slots, InPlace(inputs.tables, inputs.lengths, splits))

        def step() -> Tensor:
            embedded = self._language.model.embed_tokens(inputs.ids)
            logits: Tensor = self._language.lm_head(self._language.model(embedded, inputs.positions, attend))
            return logits

        # Once outside: kernels are compiled and libraries set up. It writes what the replay will write again.
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            step()
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process may use the device meanwhile.
        with torch.cuda.graph(graph, pool=self._memory, capture_error_mode="thread_local"):
            logits = step()
        return graph, logits


class _Attention:
    """As PagedAttention does for sequences that write, over inputs that the next replay finds changed."""

    def __init__(self, pool: PagePool, slots: Tensor, writers: InPlace) -> None:
        self._pool, self._slots, self._writers = pool, slots, writers

    def __call__(self, layer: int, attention: LatentAttention, query: Tensor, latent: Tensor) -> Tensor:
        held = self._pool.latents[layer]
        held.view(-1, held.shape[-1])[self._slots] = latent
        return self._writers.attend(attention, query, held)
