-- The files that the manifests of a dataset name: what is committed, and nothing else.
-- Expects the variable `lake`, the dataset's directory:  SET VARIABLE lake = 'lake';
SET VARIABLE files = (
  SELECT list(getvariable('lake') || '/' || file.name)
  FROM (
    SELECT unnest(files) AS file
    FROM read_json(
      getvariable('lake') || '/manifest/*/*.json',
      columns = {files: 'STRUCT(name VARCHAR)[]'}
    )
  )
);
CREATE OR REPLACE VIEW events AS
  SELECT * FROM read_parquet(getvariable('files'), hive_partitioning = true, hive_types = {'bucket': INTEGER});
