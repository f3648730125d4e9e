-- The bucket of a customer, and the partition of a log that has the customer: the first 4 bytes of
-- SHA-256 of the id, big-endian, modulo their number. DuckDB; docs/lake.md has it for Spark and Python.
CREATE OR REPLACE MACRO partition_of(id, of) AS
  CAST(('0x' || substr(sha256(id), 1, 8))::UBIGINT % of AS INTEGER);
