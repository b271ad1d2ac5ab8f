"""The paged latent cache: one pool of pages a layer, handed out to sequences and shared between them by count.

A page holds ``PAGE_TOKENS`` latents of every layer: 2 MB for the published model in bfloat16. A page is free when
nobody holds it. Prefixes hold pages of their own accord and give them up, least recently used first, when needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

PAGE_TOKENS = 64


def pages_for(tokens: int) -> int:
    return -(-tokens // PAGE_TOKENS)


class PagePool:
    """``latents`` is (layers, pages, tokens of a page, width); the last page, ``spare``, is never handed out."""

    def __init__(self, layers: int, pages: int, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self.latents = torch.zeros(layers, pages + 1, PAGE_TOKENS, width, dtype=dtype, device=device)
        self.spare = pages
        self._holders = np.zeros(pages, dtype=np.int64)

    @property
    def size(self) -> int:
        return len(self._holders)

    @property
    def free(self) -> int:
        return int((self._holders == 0).sum())

    def take(self, count: int) -> list[int]:
        """New pages, each held once, in a row where there is room. The caller has seen to it that there are as many."""
        free = (self._holders == 0).nonzero()[0]
        runs = (free[count - 1 :] - free[: len(free) - count + 1] == count - 1).nonzero()[0]
        start = int(runs[0]) if len(runs) else 0
        taken = free[start : start + count]
        self._holders[taken] = 1
        return [int(page) for page in taken]

    def hold(self, pages: Sequence[int]) -> None:
        self._holders[np.array(pages, dtype=np.int64)] += 1

    def release(self, pages: Sequence[int]) -> None:
        self._holders[np.array(pages, dtype=np.int64)] -= 1

    def save(self, pages: Sequence[int]) -> torch.Tensor:
        """The pages' latents in host memory: 2 MB a page for the published model in bfloat16."""
        return self.latents[:, torch.as_tensor(list(pages), device=self.latents.device)].cpu()

    def restore(self, saved: torch.Tensor, pages: Sequence[int]) -> None:
        """Lay saved latents into the first of these pages."""
        held = list(pages)[: saved.shape[1]]
        self.latents[:, torch.as_tensor(held, device=self.latents.device)] = saved.to(self.latents.device)

    def copy(self, source: int, target: int) -> None:
        self.latents[:, target] = self.latents[:, source]


@dataclass(slots=True)
class Prefix:
    """The beginning that several requests share. ``pages`` is empty until its first request has computed it."""

    identity: int
    tokens: int
    pages: tuple[int, ...] = ()
    users: int = 0
    forgotten: bool = False

    @property
    def ready(self) -> bool:
        return bool(self.pages)


class Prefixes:
    """Prefixes by their key, the most recently used last."""

    def __init__(self, pool: PagePool) -> None:
        self._pool = pool
        self._known: OrderedDict[str, Prefix] = OrderedDict()

    def get(self, key: str) -> Prefix | None:
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def begin(self, key: str, identity: int, tokens: int) -> Prefix:
        self._known[key] = prefix = Prefix(identity, tokens)
        return prefix

    def finish(self, prefix: Prefix, pages: Sequence[int]) -> None:
        """The first request has computed it: its pages outlive the request."""
        prefix.pages = tuple(pages[: pages_for(prefix.tokens)])
        self._pool.hold(prefix.pages)

    def forget(self, key: str) -> None:
        """Nobody will ask for it again: its pages are given up now, or with its last user."""
        prefix = self._known.pop(key, None)
        if prefix is not None:
            prefix.forgotten = True
            self._release_unused(prefix)

    def leave(self, prefix: Prefix) -> None:
        """One of its users is done."""
        prefix.users -= 1
        if prefix.forgotten:
            self._release_unused(prefix)

    def _release_unused(self, prefix: Prefix) -> None:
        if not prefix.users:
            self._pool.release(prefix.pages)
            prefix.pages = ()

    def forget_unready(self) -> None:
        """Drop prefixes whose first request will not come to compute them."""
        for key in [key for key, prefix in self._known.items() if not prefix.ready]:
            del self._known[key]

    def make_room(self, pages: int) -> bool:
        """Give up prefixes that nobody uses until so many pages are free; False where that is not enough."""
        for key in [key for key, prefix in self._known.items() if prefix.ready and not prefix.users]:
            if self._pool.free >= pages:
                break
            self._pool.release(self._known.pop(key).pages)
        return self._pool.free >= pages
