-- The digest of all statistics, as `ltvlog replay` prints it. DuckDB; needs `statistics`.
-- For each customer SHA-256 of the id's length (u8), the id, then visits, orders, revenue in cents,
-- first and last event in us, each i64 little-endian; its first 16 bytes as two little-endian u64,
-- each summed over the customers modulo 2^64.
CREATE OR REPLACE MACRO hex_of(number) AS
  -- 16 digits, two's complement.
  printf('%016x', CAST((number::HUGEINT + 18446744073709551616) % 18446744073709551616 AS UBIGINT));
CREATE OR REPLACE MACRO turned(hex) AS
  substr(hex, 15, 2) || substr(hex, 13, 2) || substr(hex, 11, 2) || substr(hex, 9, 2) ||
  substr(hex, 7, 2) || substr(hex, 5, 2) || substr(hex, 3, 2) || substr(hex, 1, 2);
CREATE OR REPLACE MACRO number_of(hex) AS ('0x' || turned(hex))::UBIGINT::HUGEINT;

WITH hashed AS (
  SELECT sha256(unhex(
    printf('%02x', octet_length(encode(customer_id))) || hex(encode(customer_id)) ||
    turned(hex_of(visits)) || turned(hex_of(orders)) ||
    turned(hex_of(CAST(revenue * 100 AS HUGEINT))) ||
    turned(hex_of(epoch_us(first_event))) || turned(hex_of(epoch_us(last_event)))
  )) AS hash
  FROM statistics
)
SELECT turned(hex_of(sum(number_of(substr(hash, 1, 16))) % 18446744073709551616)) ||
       turned(hex_of(sum(number_of(substr(hash, 17, 16))) % 18446744073709551616)) AS digest
FROM hashed;
