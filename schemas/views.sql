-- The published tables as views, for DuckDB:
--
--     cd OUTPUT && duckdb -init views.sql
--     duckdb -cmd "SET VARIABLE output = 's3://bucket/tables'" -cmd ".read views.sql"     from anywhere else
--
-- The manifest says which files count; folders are never globbed, since a run that broke off may have left files.
-- Run this file again to see a newer run.

SET VARIABLE output = coalesce(getvariable('output'), '.');

CREATE OR REPLACE TEMP TABLE manifest AS
    SELECT * FROM read_json(getvariable('output') || '/manifest.json', columns = {
        run_id: 'VARCHAR',
        schema_version: 'INTEGER',
        tables: 'MAP(VARCHAR, STRUCT(path VARCHAR, "rows" BIGINT)[])'
    });

SELECT 'Folioscope run ' || run_id AS "published by",
       CASE WHEN schema_version = 3 THEN 3
            ELSE error('These tables have schema version ' || schema_version || ', this views.sql knows version 3: '
                       || 'take the views.sql that lies beside them.') END AS "schema version"
FROM manifest;

SET VARIABLE assets_files = (
    SELECT list_transform(tables['assets'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE segments_files = (
    SELECT list_transform(tables['segments'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE thumbnails_files = (
    SELECT list_transform(tables['thumbnails'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE summaries_files = (
    SELECT list_transform(tables['summaries'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE answers_files = (
    SELECT list_transform(tables['answers'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE coverage_files = (
    SELECT list_transform(tables['coverage'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE failures_files = (
    SELECT list_transform(tables['failures'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);
SET VARIABLE runs_files = (
    SELECT list_transform(tables['runs'], lambda f: getvariable('output') || '/' || f.path) FROM manifest);

-- Every row ever published, of all recipes and of files since deleted.
CREATE OR REPLACE TEMP VIEW assets AS
    SELECT * FROM read_parquet(getvariable('assets_files'), union_by_name = true);
CREATE OR REPLACE TEMP VIEW all_segments AS
    SELECT * FROM read_parquet(getvariable('segments_files'), union_by_name = true);
CREATE OR REPLACE TEMP VIEW all_thumbnails AS
    SELECT * FROM read_parquet(getvariable('thumbnails_files'), union_by_name = true);
CREATE OR REPLACE TEMP VIEW all_summaries AS
    SELECT * FROM read_parquet(getvariable('summaries_files'), union_by_name = true);
CREATE OR REPLACE TEMP VIEW all_coverage AS
    SELECT * FROM read_parquet(getvariable('coverage_files'), union_by_name = true);
-- One row for each question asked of a file. Those that found nothing are kept in coverage, one row a file.
CREATE OR REPLACE TEMP VIEW all_answers AS
    SELECT * FROM read_parquet(getvariable('answers_files'), union_by_name = true)
    UNION ALL BY NAME
    SELECT asset_id, uri, unnest(question_ids) AS question_id, unnest(questions) AS question, false AS answerable,
           unnest(recipe_ids) AS recipe_id, run_id, model, input_tokens // len(question_ids) AS input_tokens,
           output_tokens // len(question_ids) AS output_tokens, seconds / len(question_ids) AS seconds, created_at
    FROM all_coverage;
CREATE OR REPLACE TEMP VIEW all_failures AS
    SELECT * FROM read_parquet(getvariable('failures_files'), union_by_name = true);
CREATE OR REPLACE TEMP VIEW runs AS
    SELECT * FROM read_parquet(getvariable('runs_files'), union_by_name = true);

CREATE OR REPLACE TEMP VIEW current_assets AS
    SELECT * FROM assets WHERE status <> 'deleted';

-- The same bytes under several paths are one document: its pages appear once, with all its paths. Where copies were
-- last read by different recipes, those of the copy that a run changed last count.
CREATE OR REPLACE TEMP VIEW current_content AS
    SELECT asset_id, min(uri) AS uri, list(uri ORDER BY uri) AS uris, arg_min(title, uri) AS title,
           arg_min(kind, uri) AS asset_kind,
           arg_max(read_recipe_id, (status IN ('done', 'partial'), run_id, uri)) AS read_recipe_id,
           arg_max(summary_recipe_id, (status IN ('done', 'partial'), run_id, uri)) AS summary_recipe_id,
           list_distinct(flatten(list(coalesce(answer_recipe_ids, [])))) AS answer_recipe_ids
    FROM current_assets WHERE asset_id IS NOT NULL GROUP BY asset_id;

CREATE OR REPLACE TEMP VIEW pages AS
    SELECT content.uri, content.uris, content.title, segments.* EXCLUDE (uri, kind, start_s, end_s, frame_times)
    FROM all_segments AS segments
    JOIN current_content AS content
      ON content.asset_id = segments.asset_id AND content.read_recipe_id = segments.recipe_id
    WHERE segments.kind = 'page';

CREATE OR REPLACE TEMP VIEW shots AS
    SELECT content.uri, content.uris, content.title, segments.* EXCLUDE (uri, kind, page_number)
    FROM all_segments AS segments
    JOIN current_content AS content
      ON content.asset_id = segments.asset_id AND content.read_recipe_id = segments.recipe_id
    WHERE segments.kind = 'shot';

-- Small pictures of those pages and shots, in a table of their own: no query of text reads them.
CREATE OR REPLACE TEMP VIEW thumbnails AS
    SELECT content.uri, content.uris, content.title, thumbnails.* EXCLUDE (uri)
    FROM all_thumbnails AS thumbnails
    JOIN current_content AS content
      ON content.asset_id = thumbnails.asset_id AND content.read_recipe_id = thumbnails.recipe_id;

-- One row a file, its summary beside it, and how many of its pages were read or given up.
CREATE OR REPLACE TEMP VIEW documents AS
    WITH read AS (
        SELECT asset_id, recipe_id, count(*) AS pages FROM all_segments WHERE kind = 'page' GROUP BY ALL
    ), given_up AS (
        SELECT asset_id, recipe_id, count(DISTINCT segment) AS pages FROM all_failures
        WHERE segment IS NOT NULL GROUP BY ALL
    )
    SELECT assets.uri, assets.asset_id, assets.kind, assets.title, assets.page_count,
           coalesce(read.pages, 0) AS pages_read, coalesce(given_up.pages, 0) AS pages_failed, assets.size,
           assets.modified_at, assets.status, assets.reason, summaries.summary, summaries.method, summaries.key_points,
           summaries.model
    FROM current_assets AS assets
    LEFT JOIN read ON read.asset_id = assets.asset_id AND read.recipe_id = assets.read_recipe_id
    LEFT JOIN given_up ON given_up.asset_id = assets.asset_id AND given_up.recipe_id = assets.read_recipe_id
    LEFT JOIN all_summaries AS summaries
      ON summaries.asset_id = assets.asset_id AND summaries.recipe_id = assets.summary_recipe_id
    WHERE assets.kind IN ('pdf', 'image');

CREATE OR REPLACE TEMP VIEW videos AS
    SELECT assets.uri, assets.asset_id, assets.title, assets.duration_s, assets.shot_count, assets.width_px,
           assets.height_px, assets.fps, assets.variable_fps, assets.rotation, assets.container, assets.codec,
           assets.has_audio, assets.size, assets.modified_at, assets.status, assets.reason, summaries.summary,
           summaries.method, summaries.key_points, summaries.chapters, summaries.model
    FROM current_assets AS assets
    LEFT JOIN all_summaries AS summaries
      ON summaries.asset_id = assets.asset_id AND summaries.recipe_id = assets.summary_recipe_id
    WHERE assets.kind IN ('video', 'audio');

-- One row for each question and document. Copies of a document may have been asked the same question by different
-- recipes; the answer of the copy that a run changed last counts.
CREATE OR REPLACE TEMP VIEW current_answers AS
    WITH asked AS (
        SELECT asset_id, recipe_id, max(run_id) AS asked_in
        FROM (SELECT asset_id, unnest(answer_recipe_ids) AS recipe_id, run_id FROM current_assets
              UNION ALL  -- kept by folioscope ask --keep
              SELECT asset_id, recipe_id, run_id FROM all_answers WHERE starts_with(recipe_id, 'ask-'))
        GROUP BY asset_id, recipe_id
    )
    SELECT content.uri, content.uris, content.title, answers.* EXCLUDE (uri)
    FROM all_answers AS answers
    JOIN asked ON asked.asset_id = answers.asset_id AND asked.recipe_id = answers.recipe_id
    JOIN current_content AS content ON content.asset_id = answers.asset_id
    QUALIFY row_number() OVER (
        PARTITION BY answers.asset_id, answers.question_id
        ORDER BY asked.asked_in DESC, answers.created_at DESC, answers.recipe_id) = 1;

-- What stands between the archive and completeness today: failures of present files under present recipes. uri is a
-- path that the file still has.
CREATE OR REPLACE TEMP VIEW failures AS
    SELECT failed.* REPLACE (
        CASE WHEN content.uri IS NULL OR list_contains(content.uris, failed.uri) THEN failed.uri
             ELSE content.uri END AS uri)
    FROM all_failures AS failed LEFT JOIN current_content AS content ON content.asset_id = failed.asset_id
    WHERE (failed.asset_id IS NULL AND NOT EXISTS (
               SELECT 1 FROM assets WHERE assets.uri = failed.uri AND assets.status IN ('deleted', 'done', 'partial')))
       OR (content.asset_id IS NOT NULL
           AND (failed.recipe_id IS NULL
                OR failed.recipe_id IN (content.read_recipe_id, content.summary_recipe_id)
                OR list_contains(content.answer_recipe_ids, failed.recipe_id)));

CREATE OR REPLACE TEMP VIEW cost_by_run AS
    SELECT run_id, started_at, finished_at, segments.done AS pages, segments.failed AS pages_failed,
           date_diff('millisecond', started_at, finished_at) / 1000.0 AS wall_seconds,
           input_tokens, output_tokens, busy_seconds, idle_seconds,
           busy_seconds / nullif(busy_seconds + idle_seconds, 0) AS busy_share,
           segments.done / nullif(wall_seconds, 0) AS pages_per_second,
           cost, 1000 * cost / nullif(segments.done, 0) AS cost_per_1000_pages
    FROM runs ORDER BY run_id;
