"""Attention of one engine step over the paged cache: new latents go to their pages, each piece sees its own sequence.

Prompts take their pages together and attend as one sequence does. Sequences that write one token each are attended
together: on CUDA by a kernel that reads the pages in place, on the CPU as many as its cache holds.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from folioscope.model.engine.pages import PAGE_TOKENS, PagePool, pages_for
from folioscope.model.engine.schedule import Piece
from folioscope.model.kimi_vl.attention import LatentAttention

_MOST_RAGGED = 2  # times the shortest context, beyond which a longer one is not attended in the same call
_MOST_BYTES = 512 << 10  # of contexts that are copied side by side: a longer one is attended by itself, where it lies


class Writers(Protocol):
    """Sequences that write one token each."""

    def attend(self, attention: LatentAttention, query: Tensor, held: Tensor) -> Tensor:
        """``query`` (sequences, heads, 192) over a layer's pages to (sequences, heads, 128)."""
        ...


class PagedAttention:
    """Made once a step, called in each layer; see :class:`folioscope.model.kimi_vl.attention.Attend`."""

    def __init__(self, pool: PagePool, pieces: list[Piece]) -> None:
        self._pool = pool
        device = pool.latents.device
        slots: list[NDArray[np.int64]] = []
        writers: list[tuple[int, Piece]] = []
        self._beginning: list[tuple[slice, int]] = []
        self._readers: list[tuple[slice, _Context]] = []
        row = 0
        for piece in pieces:
            slots.append(slot_mapping(piece))
            if len(slots[-1]) == 1:
                writers.append((row, piece))
            elif piece.start == 0:
                self._begin(slice(row, row + piece.end))
            else:
                self._readers.append((slice(row, row + len(slots[-1])), _Context(piece, device)))
            row += len(slots[-1])
        self._slots = torch.from_numpy(np.concatenate(slots)).to(device)
        writers.sort(key=lambda writer: writer[1].end)
        self._writing = torch.tensor([row for row, _ in writers], device=device)
        self._writers = _writers([piece for _, piece in writers], pool.latents) if writers else None

    def _begin(self, rows: slice) -> None:
        """Beginnings of one length that lie side by side, as pages of one size do, are attended together."""
        before, count = self._beginning[-1] if self._beginning else (slice(0, 0), 0)
        if count and before.stop == rows.start and before.stop - before.start == count * (rows.stop - rows.start):
            self._beginning[-1] = slice(before.start, rows.stop), count + 1
        else:
            self._beginning.append((rows, 1))

    def __call__(self, layer: int, attention: LatentAttention, query: Tensor, latent: Tensor) -> Tensor:
        held = self._pool.latents[layer]
        held.view(-1, held.shape[-1])[self._slots] = latent
        out = query.new_empty(len(query), attention.heads, attention.value)
        if self._writers is not None:
            out[self._writing] = self._writers.attend(attention, query[self._writing], held)
        for rows, count in self._beginning:
            asked, seen = (part[rows].unflatten(0, (count, -1)) for part in (query, latent))
            out[rows] = attention.attend(asked, seen).flatten(0, 1)
        for rows, context in self._readers:
            out[rows] = attention.attend(query[rows][None], context.of(held))[0]
        return out


def slot_mapping(piece: Piece) -> NDArray[np.int64]:
    """Places in a layer's pages, taken as one list, of the tokens of a piece."""
    places = np.arange(piece.start, piece.end)
    return piece.sequence.pages[places // PAGE_TOKENS].astype(np.int64) * PAGE_TOKENS + places % PAGE_TOKENS


def _writers(pieces: list[Piece], latents: Tensor) -> Writers:
    """``pieces`` from the shortest to the longest."""
    device = latents.device
    if device.type != "cuda":
        return _Grouped(pieces, device, latents.shape[-1] * latents.element_size())
    from folioscope.model.engine.paged_kernel import splits_for

    tables, lengths = _tables(pieces)
    return InPlace(tables.to(device), lengths.to(device), splits_for(pieces[-1].end))


class InPlace:
    """On CUDA: pages are read where they lie. ``tables`` and ``lengths`` as :func:`attend_pages` wants them."""

    def __init__(self, tables: Tensor, lengths: Tensor, splits: int) -> None:
        self._tables, self._lengths, self._splits = tables, lengths, splits

    def attend(self, attention: LatentAttention, query: Tensor, held: Tensor) -> Tensor:
        from folioscope.model.engine.paged_kernel import attend_pages  # with it comes Triton, which CPUs do without

        carried = attention.absorb(query)
        seen = attend_pages(carried, held, self._tables, self._lengths, self._splits, attention.rank, attention.scale)
        return attention.release(seen)


class _Context:
    """What one piece may see: a view of a layer's pages where they follow each other, a copy where they do not."""

    visible = None  # all of it

    def __init__(self, piece: Piece, device: torch.device) -> None:
        pages = piece.sequence.pages[: pages_for(piece.end)]
        self._length = piece.end
        self._first = int(pages[0]) if (np.diff(pages) == 1).all() else None
        self._table = torch.from_numpy(pages).to(device)

    def of(self, held: Tensor) -> Tensor:
        """(1, tokens, width)"""
        if self._first is not None:
            start = self._first * PAGE_TOKENS
            return held.view(1, -1, held.shape[-1])[:, start : start + self._length]
        return held[self._table].flatten(0, 1)[None, : self._length]


class _Rectangle:
    """Short contexts of about one length, copied side by side; the pages that fill it up are masked."""

    def __init__(self, pieces: list[Piece], device: torch.device) -> None:
        tables, lengths = _tables(pieces)
        self.visible = (torch.arange(tables.shape[1] * PAGE_TOKENS) < lengths[:, None])[:, None].to(device)
        self._tables = tables.to(device)

    def of(self, held: Tensor) -> Tensor:
        """(sequences, tokens, width)"""
        return held[self._tables].flatten(1, 2)


class _Grouped:
    """On the CPU: what is attended in one call stays in the cache of one core while it is looked at twice."""

    def __init__(self, pieces: list[Piece], device: torch.device, token_bytes: int) -> None:
        """``pieces`` from the shortest to the longest."""
        groups: list[list[Piece]] = []
        for piece in pieces:
            size = pages_for(piece.end) * PAGE_TOKENS * token_bytes
            even = groups and piece.end <= _MOST_RAGGED * max(groups[-1][0].end, PAGE_TOKENS)
            if even and (len(groups[-1]) + 1) * size <= _MOST_BYTES:
                groups[-1].append(piece)
            else:
                groups.append([piece])
        ends = [0, *accumulate(len(group) for group in groups)]
        self._groups = [
            (slice(start, end), _Context(group[0], device) if len(group) == 1 else _Rectangle(group, device))
            for (start, end), group in zip(pairwise(ends), groups, strict=True)
        ]

    def attend(self, attention: LatentAttention, query: Tensor, held: Tensor) -> Tensor:
        carried = attention.absorb(query)
        seen = [attention.mix(carried[rows, None], group.of(held), group.visible) for rows, group in self._groups]
        return attention.release(torch.cat(seen)[:, 0])


def _tables(pieces: list[Piece]) -> tuple[Tensor, Tensor]:
    """(sequences, pages) and (sequences,), int32: pages of each, filled up with its own, and tokens that it sees."""
    most = max(pages_for(piece.end) for piece in pieces)
    tables = [np.resize(piece.sequence.pages[:most], most) for piece in pieces]
    return torch.from_numpy(np.stack(tables)), torch.tensor([piece.end for piece in pieces], dtype=torch.int32)
