"""A video's cues as its reading takes them in: its own tracks and captions, its sidecars, and what was transcribed.

The first two lists are made before any unit is planned; a sidecar is read by whoever needs it first, and listed. Costs
a small file of the output for each list and unit; the last video's cues are kept.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Protocol

from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.planning.units import SidecarFile, UnitToRead
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.cue_lists import SIDECAR_RECIPE, has_cues, read_cues, write_cues
from folioscope.pipeline.video.cues import Cue

Cues = tuple[list[Cue], tuple[str, ...]]


class CueAccess(Protocol):
    """What it takes to find cues: part of a read job."""

    @property
    def store(self) -> OutputStore: ...
    @property
    def files(self) -> FileAccess: ...
    @property
    def shots_recipe(self) -> str | None: ...
    @property
    def speech_recipe(self) -> str | None: ...


class CueReader:
    """Serves the threads that prepare units."""

    def __init__(self, access: CueAccess, children: DecodeChildren) -> None:
        self._access = access
        self._children = children
        self._last: tuple[str, Cues] | None = None
        self._lock = threading.Lock()

    def of(self, row: UnitToRead) -> Cues:
        """(cues of all tracks, flags of the whole video) of the file of a unit.

        Raises:
            Failure: a sidecar that cannot be had.
        """
        with self._lock:
            if self._last is None or self._last[0] != row.asset_id:
                self._last = (row.asset_id, self._gathered(row))
            return self._last[1]

    def _gathered(self, row: UnitToRead) -> Cues:
        store, access = self._access.store, self._access
        cues: list[Cue] = []
        notes: tuple[str, ...] = ()
        recipes = (access.shots_recipe, access.speech_recipe if row.heard else None)
        for number, recipe in enumerate(recipe for recipe in recipes if recipe is not None):
            found, told = read_cues(store, recipe, row.asset_id)
            cues += found
            notes += told
            if number == 0:
                cues += [cue for sidecar in row.sidecars for cue in self._sidecar(sidecar)]
        return cues, notes

    def _sidecar(self, sidecar: SidecarFile) -> list[Cue]:
        """A list holds what the bytes tell, read as text of a language; the track is told by the name."""
        store = self._access.store
        recipe = f"{SIDECAR_RECIPE}-{sidecar.language or 'und'}"
        if has_cues(store, recipe, sidecar.asset_id):
            cues, _ = read_cues(store, recipe, sidecar.asset_id)
        else:
            with self._access.files.open(sidecar.source, sidecar.asset_id, self._children) as path:
                cues = self._children.subtitle_file(path, sidecar.uri, "", sidecar.language)
            write_cues(store, recipe, sidecar.asset_id, cues)
        return [replace(cue, track=sidecar.track) for cue in cues]
