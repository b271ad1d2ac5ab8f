"""The guard against a listing that lost its files: an unmounted folder must not mark an archive as deleted.

A run stops before it writes anything where its listing would turn more than ``--max-deleted`` of the known files into
tombstones. Costs one anti-join of the known paths with the listing.
"""

from __future__ import annotations

from typing import ClassVar

from folioscope.pipeline.planning.listing import Listing, register_listing
from folioscope.pipeline.tables.attachments import mark_gone
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.schemas.errors import ExitCode, FolioscopeError

FEW_FILES = 5  # so many may always go, unless none may: a share says little of a small archive
NAMED = 5


class TooManyDeletedError(FolioscopeError, RuntimeError):
    """The listing lacks more of the known files than may go; the message says what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.TOO_MANY_DELETED


def check_deletions(ledger: Ledger, listing: Listing, max_deleted: float) -> None:
    """Register ``listing``, ``listed``, ``unlisted`` and ``gone``.

    Raises:
        TooManyDeletedError: more than ``max_deleted`` of the known files under the inputs are gone, or all of them.
    """
    register_listing(ledger, listing)
    mark_gone(ledger, listing.coverage)
    gone = ledger.query(
        """
        SELECT uri FROM published_assets SEMI JOIN gone_from_listing USING (uri) WHERE status <> 'deleted' ORDER BY uri
        """
    )["uri"]
    if not len(gone) or max_deleted >= 1:
        return
    [[there]] = ledger.db.execute(
        "SELECT count(*) FROM published_assets SEMI JOIN listed USING (uri) WHERE status <> 'deleted'"
    ).fetchall()
    known = there + len(gone)
    allowed = max(max_deleted * known, FEW_FILES if max_deleted else 0)
    if len(gone) <= allowed and listing.facts.files:
        return
    named = ", ".join(gone.slice(0, NAMED).to_pylist()) + (" …" if len(gone) > NAMED else "")
    raise TooManyDeletedError(
        f"{len(gone):,} of {known:,} known files under the inputs are no longer there ({named}). More than "
        f"--max-deleted {max_deleted:g} allows would be marked as deleted, so nothing was written. Check that the "
        "inputs are right and their folders mounted; if the files are really gone, run again with --max-deleted 1."
    )
