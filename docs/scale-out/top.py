"""Top X, statistics, weekly revenue and the digest of a dataset that `ltvlog export --to` wrote, by Spark.

    spark-submit --master spark://HOST:7077 top.py DATASET [X]

Prints one line of JSON. DATASET is a directory that all workers see. Its manifests are read by Spark as well, so that with the
S3A connector it could be a URL, s3a://BUCKET/PREFIX; that was not tried. The driver holds the names of all files.
"""

import json
import sys

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

WEEK_US = 7 * 24 * 3600 * 1_000_000
SUNDAY_US = 3 * 24 * 3600 * 1_000_000  # 1970-01-04


def files_of(spark, lake):
    """The files that the manifests name: what is committed, and nothing else."""
    schema = "partition INT, first BIGINT, `end` BIGINT, files ARRAY<STRUCT<name: STRING>>"
    try:
        manifests = spark.read.schema(schema).option("multiLine", True).json(f"{lake}/manifest/*/*.json")
        rows = manifests.selectExpr("partition", "first", "`end`", "files.name AS names").collect()
    except AnalysisException as error:
        sys.exit(f"no manifest in {lake}, which `ltvlog export --to DEST --all` would make: {error}")
    ends = {}
    for row in sorted(rows, key=lambda row: (row.partition, row.first)):
        if row.first != ends.get(row.partition, 0):
            sys.exit(f"a manifest is missing in {lake}: `ltvlog export --to DEST --check` tells which")
        ends[row.partition] = row.end
    return sorted(f"{lake}/{name}" for row in rows for name in row.names)


STATISTICS = f"""
WITH bounds AS (
  SELECT max((unix_micros(event_time) - {SUNDAY_US} - pmod(unix_micros(event_time) - {SUNDAY_US}, {WEEK_US})) div {WEEK_US})
       - min((unix_micros(event_time) - {SUNDAY_US} - pmod(unix_micros(event_time) - {SUNDAY_US}, {WEEK_US})) div {WEEK_US})
       + 1 AS weeks
  FROM events
), named AS (
  SELECT customer_id, min(unix_micros(event_time)) AS first_us, max(unix_micros(event_time)) AS last_us,
         count_if(type = 'SITE_VISIT') AS visits,
         max_by(last_name, struct(event_time, sequence)) FILTER (WHERE last_name IS NOT NULL) AS last_name
  FROM events GROUP BY customer_id
), ordered AS (
  SELECT customer_id, count(*) AS orders, CAST(sum(total_amount) AS DECIMAL(38, 2)) AS revenue
  FROM current_orders GROUP BY customer_id
)
SELECT customer_id, last_name, first_us, last_us, visits, coalesce(orders, 0L) AS orders,
       CAST(coalesce(revenue, 0) AS DECIMAL(30, 2)) AS revenue, weeks
FROM named LEFT JOIN ordered USING (customer_id) CROSS JOIN bounds
"""

# An order counts once: its latest event by event_time, then by sequence. A key is its partition's own.
ORDERS = """
SELECT latest.* FROM (
  SELECT max_by(struct(customer_id, total_amount, event_time), struct(event_time, sequence)) AS latest
  FROM events WHERE type = 'ORDER' GROUP BY partition, key
)
"""

WEEKS = f"""
SELECT CAST(date_add(DATE '1970-01-04', CAST(7 * week AS INT)) AS STRING) AS week, count(*) AS orders,
       CAST(CAST(sum(total_amount) AS DECIMAL(38, 2)) AS STRING) AS revenue
FROM (
  SELECT total_amount,
         (unix_micros(event_time) - {SUNDAY_US} - pmod(unix_micros(event_time) - {SUNDAY_US}, {WEEK_US})) div {WEEK_US} AS week
  FROM current_orders
) GROUP BY week ORDER BY week
"""


def turned(hex_digits):
    """16 hex digits with their bytes in the other order."""
    return "concat(" + ", ".join(f"substr({hex_digits}, {at}, 2)" for at in range(15, 0, -2)) + ")"


def little_endian(number):
    return turned(f"lpad(hex(CAST({number} AS BIGINT)), 16, '0')")


DIGEST = f"""
SELECT sum(CAST(conv({turned('substr(hash, 1, 16)')}, 16, 10) AS DECIMAL(38, 0))) AS first,
       sum(CAST(conv({turned('substr(hash, 17, 16)')}, 16, 10) AS DECIMAL(38, 0))) AS second
FROM (
  SELECT sha2(unhex(concat(
    lpad(hex(octet_length(customer_id)), 2, '0'), hex(encode(customer_id, 'UTF-8')), {little_endian('visits')},
    {little_endian('orders')}, {little_endian('revenue * 100')}, {little_endian('first_us')}, {little_endian('last_us')}
  )), 256) AS hash
  FROM statistics
)
"""


def main(lake, x):
    spark = SparkSession.builder.appName("ltvlog top").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    events = spark.read.option("basePath", f"{lake}/events").parquet(*files_of(spark, lake))
    events.createOrReplaceTempView("events")
    spark.sql(ORDERS).createOrReplaceTempView("current_orders")
    spark.sql(STATISTICS).cache().createOrReplaceTempView("statistics")
    # All customers have the same weeks, so revenue ranks them exactly.
    top = spark.sql(
        "SELECT customer_id, last_name, CAST(revenue AS STRING) AS revenue, visits, orders, weeks FROM statistics "
        f"ORDER BY statistics.revenue DESC, encode(customer_id, 'UTF-8') LIMIT {int(x)}"
    )
    sums = spark.sql(
        "SELECT count(*) AS customers, sum(visits) AS visits, sum(orders) AS orders, CAST(sum(revenue) AS STRING) AS revenue "
        "FROM statistics"
    )
    halves = spark.sql(DIGEST).first()
    digest = b"".join((int(half or 0) % 2**64).to_bytes(8, "little") for half in halves).hex()
    answer = {
        "top": [row.asDict() for row in top.collect()],
        "statistics": sums.first().asDict(),
        "weeks": [list(row) for row in spark.sql(WEEKS).collect()],
        "digest": digest,
    }
    print(json.dumps(answer), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2] if len(sys.argv) > 2 else 10)
