"""The search index brought up outside a run, under the output's lease."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from folioscope.pipeline.block_stream import run_jobs
from folioscope.pipeline.ray_session import ResourceRequest, ray_session
from folioscope.pipeline.search.build import erase_deleted, publish_index
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, load_manifest
from folioscope.pipeline.tables.rows import new_run_id


def maintain(
    store: OutputStore,
    notify: Callable[[str], None],
    *,
    embeddings: str | None = None,
    address: str | None = None,
    erase: bool = False,
) -> Manifest:
    """Bring the index up to the tables. ``embeddings``: the model of its vectors, none for no vectors, None for those
    it has. ``erase``: an index that is there loses the words of what was deleted, too; none is made.

    Raises:
        OutputError, OutputBusyError, LeaseLostError, SearchIndexError, EmbeddingError, SessionError: with what to do.
    """
    with Lease(store, f"{new_run_id()}-index", notify) as lease:
        manifest = load_manifest(store)
        check = partial(lease.check, thoroughly=True)
        if erase:
            return erase_deleted(store, manifest, check)
        recipe = IndexRecipe(_chosen(embeddings, manifest))
        if address is None:
            return publish_index(store, manifest, recipe, check)
        with ray_session(address, ResourceRequest(replicas=1, num_cpus=1, num_gpus=0), notify):
            return publish_index(store, manifest, recipe, check, run_jobs)


def _chosen(embeddings: str | None, manifest: Manifest) -> str | None:
    if embeddings is None:
        return manifest.index.embeddings if manifest.index else None
    return None if embeddings == "none" else embeddings
