"""The views of ``views.sql`` for Spark SQL and Trino, over the Iceberg tables of a catalog.

python -m folioscope.schemas.engine_views spark --tables lake.folioscope > views_spark.sql

Neither engine can leave columns out of ``*``, so the statements are made from the declared schemas. They hold no
settings and no paths: the tables' names are all they need.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from folioscope.schemas.tables import TABLES

VIEWS: Final = (
    "current_assets",
    "current_content",
    "pages",
    "shots",
    "thumbnails",
    "documents",
    "videos",
    "all_answers",
    "current_answers",
    "failures",
    "cost_by_run",
)


@dataclass(frozen=True, slots=True)
class Engine:
    """What the two engines write differently; ``{}`` stands for the argument."""

    uris: str
    lists: str  # the distinct members of lists of a group
    holds: str  # list, member
    rank: str  # one value to compare by, of several
    each_answer_recipe: str
    each_question: str
    length: str
    millis: str  # later, earlier
    prefix: str  # text, beginning

    def latest(self, column: str) -> str:
        """The value in the copy of a file that a run read last."""
        order = self.rank.format("status IN ('done', 'partial'), run_id, uri")
        return f"max_by({column}, {order})"


ENGINES: Final = {
    "spark": Engine(
        uris="array_sort(collect_list({}))",
        lists="array_distinct(flatten(collect_list(coalesce({}, array()))))",
        holds="coalesce(array_contains({}, {}), false)",
        rank="struct({})",
        each_answer_recipe="LATERAL VIEW explode(answer_recipe_ids) recipes AS recipe_id",
        each_question="LATERAL VIEW explode(sequence(1, size(question_ids))) numbers AS place",
        length="size({})",
        millis="(unix_millis({}) - unix_millis({}))",
        prefix="startswith({}, {})",
    ),
    "trino": Engine(
        uris="array_agg({0} ORDER BY {0})",
        lists="array_distinct(flatten(array_agg(coalesce({}, ARRAY[]))))",
        holds="coalesce(contains({}, {}), false)",
        rank="ROW({})",
        each_answer_recipe="CROSS JOIN UNNEST(answer_recipe_ids) AS recipes (recipe_id)",
        each_question="CROSS JOIN UNNEST(sequence(1, cardinality(question_ids))) AS numbers (place)",
        length="cardinality({})",
        millis="date_diff('millisecond', {1}, {0})",
        prefix="starts_with({}, {})",
    ),
}


def engine_views(engine: str, tables: str, views: str | None = None) -> str:
    """Statements that make every view. ``tables`` and ``views`` are schemas, as the engine names them.

    Raises:
        KeyError: no such engine.
    """
    place = views or tables
    bodies = _bodies(ENGINES[engine], tables, place)
    statements = [f"CREATE OR REPLACE VIEW {place}.{_view_name(name)} AS\n{bodies[name]};" for name in VIEWS]
    return "\n\n".join([f"-- Views over the Iceberg tables in {tables}, for {engine}.", *statements]) + "\n"


def _view_name(name: str) -> str:
    """Where views share a schema with the tables, ``failures`` and ``thumbnails`` are tables' names."""
    return f"current_{name}" if name in TABLES else name


def _columns(table: str, alias: str, *left_out: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in TABLES[table].names if name not in left_out)


def _bodies(engine: Engine, tables: str, views: str) -> dict[str, str]:
    return {
        "current_assets": f"SELECT * FROM {tables}.assets WHERE status <> 'deleted'",
        "current_content": f"""
SELECT asset_id, min(uri) AS uri, {engine.uris.format("uri")} AS uris, min_by(title, uri) AS title,
       min_by(kind, uri) AS asset_kind, {engine.latest("read_recipe_id")} AS read_recipe_id,
       {engine.latest("summary_recipe_id")} AS summary_recipe_id,
       {engine.lists.format("answer_recipe_ids")} AS answer_recipe_ids
FROM {views}.current_assets WHERE asset_id IS NOT NULL GROUP BY asset_id""".strip(),
        "pages": _segments(tables, views, "page", ("start_s", "end_s", "frame_times")),
        "shots": _segments(tables, views, "shot", ("page_number",)),
        "thumbnails": f"""
SELECT c.uri, c.uris, c.title, {_columns("thumbnails", "t", "uri")}
FROM {tables}.thumbnails t
JOIN {views}.current_content c ON c.asset_id = t.asset_id AND c.read_recipe_id = t.recipe_id""".strip(),
        "documents": f"""
WITH pages_read AS (
    SELECT asset_id, recipe_id, count(*) AS pages FROM {tables}.segments WHERE kind = 'page'
    GROUP BY asset_id, recipe_id
), given_up AS (
    SELECT asset_id, recipe_id, count(DISTINCT segment) AS pages FROM {tables}.failures
    WHERE segment IS NOT NULL GROUP BY asset_id, recipe_id
)
SELECT a.uri, a.asset_id, a.kind, a.title, a.page_count, coalesce(r.pages, 0) AS pages_read,
       coalesce(g.pages, 0) AS pages_failed, a.size, a.modified_at, a.status, a.reason, s.summary, s.method,
       s.key_points, s.model
FROM {views}.current_assets a
LEFT JOIN pages_read r ON r.asset_id = a.asset_id AND r.recipe_id = a.read_recipe_id
LEFT JOIN given_up g ON g.asset_id = a.asset_id AND g.recipe_id = a.read_recipe_id
LEFT JOIN {tables}.summaries s ON s.asset_id = a.asset_id AND s.recipe_id = a.summary_recipe_id
WHERE a.kind IN ('pdf', 'image')""".strip(),
        "videos": f"""
SELECT a.uri, a.asset_id, a.title, a.duration_s, a.shot_count, a.width_px, a.height_px, a.fps, a.variable_fps,
       a.rotation, a.container, a.codec, a.has_audio, a.size, a.modified_at, a.status, a.reason, s.summary, s.method,
       s.key_points, s.chapters, s.model
FROM {views}.current_assets a
LEFT JOIN {tables}.summaries s ON s.asset_id = a.asset_id AND s.recipe_id = a.summary_recipe_id
WHERE a.kind IN ('video', 'audio')""".strip(),
        "all_answers": _all_answers(engine, tables),
        "current_answers": _answers(engine, tables, views),
        "failures": f"""
SELECT CASE WHEN c.uri IS NULL OR {engine.holds.format("c.uris", "f.uri")} THEN f.uri ELSE c.uri END AS uri,
       {_columns("failures", "f", "uri")}
FROM {tables}.failures f LEFT JOIN {views}.current_content c ON c.asset_id = f.asset_id
WHERE (f.asset_id IS NULL AND NOT EXISTS (
           SELECT 1 FROM {tables}.assets a WHERE a.uri = f.uri AND a.status IN ('deleted', 'done', 'partial')))
   OR (c.asset_id IS NOT NULL
       AND (f.recipe_id IS NULL OR f.recipe_id = c.read_recipe_id OR f.recipe_id = c.summary_recipe_id
            OR {engine.holds.format("c.answer_recipe_ids", "f.recipe_id")}))""".strip(),
        "cost_by_run": f"""
SELECT run_id, started_at, finished_at, pages, pages_failed, wall_seconds, input_tokens, output_tokens, busy_seconds,
       idle_seconds, busy_seconds / nullif(busy_seconds + idle_seconds, 0) AS busy_share,
       pages / nullif(wall_seconds, 0) AS pages_per_second, cost, 1000 * cost / nullif(pages, 0) AS cost_per_1000_pages
FROM (SELECT run_id, started_at, finished_at, segments.done AS pages, segments.failed AS pages_failed,
             {engine.millis.format("finished_at", "started_at")} / 1000e0 AS wall_seconds,
             input_tokens, output_tokens, busy_seconds, idle_seconds, cost
      FROM {tables}.runs) AS timed""".strip(),
    }


def _segments(tables: str, views: str, kind: str, left_out: Iterable[str]) -> str:
    return f"""
SELECT c.uri, c.uris, c.title, {_columns("segments", "s", "uri", "kind", *left_out)}
FROM {tables}.segments s
JOIN {views}.current_content c ON c.asset_id = s.asset_id AND c.read_recipe_id = s.recipe_id
WHERE s.kind = '{kind}'""".strip()


def _all_answers(engine: Engine, tables: str) -> str:
    count = engine.length.format("question_ids")
    of_each = {name: f"element_at({name}s, place)" for name in ("question_id", "question", "recipe_id")} | {
        "answerable": "false",
        "seconds": f"seconds / {count}",
        **{name: f"CAST(floor({name} * 1e0 / {count}) AS BIGINT)" for name in ("input_tokens", "output_tokens")},
        **dict.fromkeys(("answer", "score", "evidence", "reasoning"), "NULL"),
    }
    columns = ", ".join(f"{of_each.get(name, name)} AS {name}" for name in TABLES["answers"].names)
    return f"""
SELECT {_columns("answers", "a")} FROM {tables}.answers a
UNION ALL
SELECT {columns}
FROM {tables}.coverage {engine.each_question}""".strip()


def _answers(engine: Engine, tables: str, views: str) -> str:
    kept = engine.prefix.format("recipe_id", "'ask-'")
    return f"""
WITH asked AS (
    SELECT asset_id, recipe_id, max(run_id) AS asked_in FROM (
        SELECT asset_id, recipes.recipe_id AS recipe_id, run_id FROM {views}.current_assets {engine.each_answer_recipe}
        UNION ALL
        SELECT asset_id, recipe_id, run_id FROM {views}.all_answers WHERE {kept}) AS every
    GROUP BY asset_id, recipe_id
), ranked AS (
    SELECT c.uri AS lies_at, c.uris AS uris, c.title AS title, {_columns("answers", "a", "uri")}, row_number() OVER (
               PARTITION BY a.asset_id, a.question_id
               ORDER BY q.asked_in DESC, a.created_at DESC, a.recipe_id) AS place
    FROM {views}.all_answers a
    JOIN asked q ON q.asset_id = a.asset_id AND q.recipe_id = a.recipe_id
    JOIN {views}.current_content c ON c.asset_id = a.asset_id
)
SELECT r.lies_at AS uri, r.uris, r.title, {_columns("answers", "r", "uri")} FROM ranked r WHERE r.place = 1""".strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=sorted(ENGINES))
    parser.add_argument("--tables", default="folioscope", help="the schema of the Iceberg tables, e.g. lake.folioscope")
    parser.add_argument("--views", help="the schema that gets the views; the tables' own by default")
    given = parser.parse_args()
    sys.stdout.write(engine_views(given.engine, given.tables, given.views))
