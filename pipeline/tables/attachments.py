"""Files inside listed files, as the tables know them: asked with the listing, to which they are as further files.

A listing cannot give them; they are known once the file around them has been looked into. Costs one join of the few
that there are with the listing.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from folioscope.pipeline.storage.inputs import Coverage
from folioscope.pipeline.tables.ledger import Ledger


def register_within(ledger: Ledger, kinds: Sequence[str]) -> None:
    """Register ``within``: (uri, etag, size, modified_at, named_kind, skipped, outer_uri) of files inside ``listed``.

    As this run's look, or else the last published one, found them in the bytes that the listing tells of.
    ``outer_uri`` is the listed file around each; ``kinds`` are those that the run reads.
    """
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE within AS
        WITH known AS (
            SELECT uri, etag, size, kind FROM looked_into WHERE parent_uri IS NOT NULL
            UNION ALL
            SELECT uri, etag, size, kind FROM published_assets
            WHERE parent_uri IS NOT NULL AND status <> 'deleted'
              AND listed_uri(uri) NOT IN (SELECT uri FROM looked_into)
        )
        SELECT known.uri, known.etag, known.size, listed.modified_at, known.kind AS named_kind,
               listed.skipped OR NOT list_contains($1, coalesce(known.kind, '')) AS skipped, listed.uri AS outer_uri
        FROM known JOIN listed ON listed.uri = listed_uri(known.uri) AND listed.etag = listed_etag(known.etag)
        """,
        [list(kinds)],
    )


def mark_gone(ledger: Ledger, covered: Coverage | None) -> None:
    """Register ``gone``: published paths that are no longer there.

    Those that this run's listing would have given and did not, with what is inside them; none of those where
    ``covered`` is None: the ledger holds a part of the listing. And what is no longer inside a file of ``listed``, as
    ``within`` tells.
    """
    gone: list[str] = []
    if covered is not None:
        known = ledger.query("SELECT uri FROM published_assets ANTI JOIN listing USING (uri) WHERE parent_uri IS NULL")
        gone = [uri for uri in known["uri"].to_pylist() if covered.covers(uri)]
    ledger.db.register("gone_from_listing", pa.table({"uri": pa.array(gone, pa.string())}))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE gone AS
        SELECT uri FROM gone_from_listing
        UNION ALL
        SELECT uri FROM published_assets
        WHERE parent_uri IS NOT NULL
          AND (listed_uri(uri) IN (SELECT uri FROM gone_from_listing)
               OR (listed_uri(uri) IN (SELECT uri FROM listed) AND uri NOT IN (SELECT uri FROM within)))
        """
    )
