"""What is settled of each document: how many rows it has, and which of its pages are read or given up.

Counts come from the state and from what recorded failures and commits hold; only for documents that are settled in
part are published pages read, and of those the row groups alone that may hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.part_files import keys_between, read_groups, row_group_ranges
from folioscope.pipeline.tables.recipes import ByKind


def count_rows(ledger: Ledger) -> None:
    """Register ``have``: (asset_id, recipe_id, question_id, rows), what is published of ``documents``.

    Under the tasks of ``tasks_now`` (bases, question_id), each document under its own recipes (``recipe_of``).
    """
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE have AS
        WITH due AS (
            SELECT kind, cue_key, recipe_of(bases, kind, cue_key) AS recipe_id, question_id,
                   task_key(recipe_of(bases, kind, cue_key), question_id) AS task
            FROM (SELECT DISTINCT kind, cue_key FROM documents) CROSS JOIN tasks_now
        )
        SELECT documents.asset_id, due.recipe_id, due.question_id, sum(state.rows)::BIGINT AS rows
        FROM state JOIN documents ON key64(documents.asset_id) = state.asset
        JOIN due ON due.task = state.task AND due.cue_key IS NOT DISTINCT FROM documents.cue_key
                AND due.kind = documents.kind
        GROUP BY ALL HAVING sum(state.rows) > 0
        """
    )
    _find_contradictions(ledger)


def _find_contradictions(ledger: Ledger) -> None:
    """Register ``pages_read``: pages of assets that have more rows and failures than pages."""
    suspects = ledger.query(
        """
        SELECT have.asset_id, have.recipe_id FROM have JOIN documents USING (asset_id)
        JOIN (SELECT asset_id, recipe_id, count(DISTINCT segment) AS failed FROM recorded_failures
              WHERE stage IN ('decode', 'read') GROUP BY ALL) AS f USING (asset_id, recipe_id)
        WHERE have.question_id IS NULL AND have.rows + f.failed > documents.segment_count
        """
    )
    ledger.db.execute("CREATE OR REPLACE TABLE pages_read (asset_id VARCHAR, recipe_id VARCHAR, segment INTEGER)")
    if suspects.num_rows:
        for _ in _published_pages(ledger, suspects):
            ledger.db.execute("INSERT INTO pages_read SELECT asset_id, recipe_id, segment FROM pages_found")


def count_settled(ledger: Ledger, recipes: ByKind) -> None:
    """Register ``settled``: (asset_id, pages), how many of each asset's pages are read or given up.

    Of the assets in ``documents``, each under its own recipe (see ``recipe_of``).
    """
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE settled AS
        WITH due AS (SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents)
        SELECT asset_id, sum(pages)::BIGINT AS pages FROM (
            SELECT asset_id, rows AS pages FROM have SEMI JOIN due USING (asset_id, recipe_id)
            WHERE question_id IS NULL
            UNION ALL
            SELECT asset_id, count(*) FROM published_failures SEMI JOIN due USING (asset_id, recipe_id)
            WHERE stage IN ('decode', 'read') GROUP BY asset_id
            UNION ALL
            SELECT asset_id, sum("last" - "first" + 1) FROM work_units SEMI JOIN due USING (asset_id, recipe_id)
            WHERE stage = 'read' GROUP BY asset_id
        ) GROUP BY asset_id
        """,
        [recipes.ids],
    )


def settled_pages(ledger: Ledger, recipes: ByKind, asset_ids: Sequence[str]) -> dict[str, set[int]]:
    """The pages of these assets that are read or given up under these recipes."""
    ledger.db.register("wanted", pa.table({"asset_id": pa.array(asset_ids, pa.string())}))
    due = """
        SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents SEMI JOIN wanted USING (asset_id)
    """
    rows = ledger.query(
        f"""
        WITH due AS ({due})
        SELECT asset_id, segment FROM published_failures SEMI JOIN due USING (asset_id, recipe_id)
        WHERE stage IN ('decode', 'read')
        UNION ALL
        SELECT asset_id, unnest(range("first", "last" + 1)) FROM work_units
        SEMI JOIN due USING (asset_id, recipe_id) WHERE stage = 'read'
        """,
        [recipes.ids],
    )
    read_by = ledger.query(due, [recipes.ids])
    settled: dict[str, set[int]] = {}
    for table in (rows, *_published_pages(ledger, read_by)):
        for asset_id, page in zip(table["asset_id"].to_pylist(), table["segment"].to_pylist(), strict=True):
            settled.setdefault(asset_id, set()).add(page)
    return settled


def _published_pages(ledger: Ledger, read_by: pa.Table) -> Iterator[pa.Table]:
    """(asset_id, segment) of published pages, from the row groups alone that may hold them.

    ``read_by``: (asset_id, recipe_id).
    """
    asset_ids = sorted(read_by["asset_id"].to_pylist())
    ledger.db.register("read_by", read_by)
    for file in ledger.manifest.tables["segments"]:
        if not keys_between(asset_ids, file.first, file.last):
            continue
        ranges = row_group_ranges(ledger.work.store, "segments", file)
        groups = [number for number, *ends in ranges if keys_between(asset_ids, *ends)]
        found = read_groups(ledger.work.store, file.path, groups, ["asset_id", "segment", "recipe_id"])
        ledger.db.register("pages_found", found)
        yield ledger.query("SELECT asset_id, segment FROM pages_found SEMI JOIN read_by USING (asset_id, recipe_id)")
