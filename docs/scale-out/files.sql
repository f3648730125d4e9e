-- The files that the manifests of a dataset name: what is committed, and nothing else.
-- Expects the variable `lake`, the dataset's directory:  SET VARIABLE lake = 'lake';
SET VARIABLE manifests = (
  SELECT CASE WHEN count(*) > 0 THEN list(file)
              ELSE error('no manifest yet in ' || getvariable('lake') || ': ltvlog export --to DEST --all makes one') END
  FROM glob(getvariable('lake') || '/manifest/*/*.json')
);
SET VARIABLE files = (
  SELECT CASE WHEN bool_and(first = before) THEN list(getvariable('lake') || '/' || file.name)
              ELSE error('a manifest is missing: ltvlog export --to DEST --check tells which') END
  FROM (
    SELECT first, before, unnest(files) AS file
    FROM (
      -- Each increment of a partition begins where the one before it ends.
      SELECT first, files, lag("end", 1, 0) OVER (PARTITION BY partition ORDER BY first) AS before
      FROM read_json(
        getvariable('manifests'),
        columns = {partition: 'INTEGER', first: 'UBIGINT', "end": 'UBIGINT', files: 'STRUCT(name VARCHAR)[]'}
      )
    )
  )
);
-- `bucket` is told by the last directory alone: those that the dataset lies in may have names like it.
CREATE OR REPLACE VIEW events AS
  SELECT * EXCLUDE (filename), regexp_extract(filename, 'bucket=(\d+)/[^/]*$', 1)::INTEGER AS bucket
  FROM read_parquet(getvariable('files'), hive_partitioning = false, filename = true);
