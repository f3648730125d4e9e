"""DuckDB, as an embedded analyst would use it.

Two threads, insertion order given up where it costs, amounts parsed to integers once when they are kept. The
kept form has every field of the events, as a log has. The primary key is what makes "every key once" hold
for the life of the table rather than for one file; an index is the only way DuckDB has for it. Reading the file once
into a temporary table takes it less than reading it twice; types as an ENUM, no more than as text.
"""

import json
from pathlib import Path

import duckdb

FIELDS = [
    "type",
    "verb",
    "key",
    "event_time",
    "customer_id",
    "total_amount",
    "tags",
    "last_name",
    "adr_city",
    "adr_state",
    "camera_make",
    "camera_model",
]
CENTS = "CAST(replace(left(total_amount, -4), '.', '') AS BIGINT)"
# In the order of the table's columns. The customer's own event names itself by its key.
PARSED = f"""SELECT type, key, verb, event_time, coalesce(customer_id, key) AS customer, {CENTS} AS cents,
    tags, last_name, adr_city, adr_state, camera_make, camera_model FROM"""
TABLE = """CREATE TABLE events(
    type ENUM('CUSTOMER', 'SITE_VISIT', 'IMAGE', 'ORDER'), key VARCHAR, verb VARCHAR, event_time TIMESTAMP,
    customer VARCHAR, cents BIGINT, tags VARCHAR, last_name VARCHAR, adr_city VARCHAR, adr_state VARCHAR,
    camera_make VARCHAR, camera_model VARCHAR, PRIMARY KEY (type, key))"""
TOP = """SELECT customer, coalesce(sum(cents), 0)::BIGINT AS revenue, count(*) FILTER (type = 'SITE_VISIT') AS visits,
    count(*) FILTER (type = 'ORDER') AS orders, epoch_us(min(event_time)), epoch_us(max(event_time))
    FROM {source} GROUP BY customer ORDER BY revenue DESC, customer LIMIT 10"""


def connect(database=":memory:"):
    """A connection set for this machine."""
    settings = {"threads": 2, "preserve_insertion_order": False}
    return duckdb.connect(database, config=settings)


def reading(files, fields):
    """The table function that reads the files, with the types said so that nothing is guessed."""
    columns = {field: "TIMESTAMP" if field == "event_time" else "VARCHAR" for field in fields}
    return f"read_json({files}, format='newline_delimited', columns={columns})"


def top(source, database=":memory:"):
    """The ten customers of a table, a file or a subquery."""
    with connect(database) as connection:
        return {"top": connection.execute(TOP.format(source=source)).fetchall()}


def top_file(*files):
    """Top 10 straight from JSON: five fields are parsed, nothing is checked or kept."""
    fields = ["type", "key", "event_time", "customer_id", "total_amount"]
    scan = reading(list(files), fields)
    return top(f"(SELECT type, coalesce(customer_id, key) AS customer, event_time, {CENTS} AS cents FROM {scan})")


def keep(database, *files):
    """Into a table on disk: every key once, only what belongs to a known customer, synced."""
    with connect(database) as connection:
        connection.execute(TABLE)
        connection.execute(f"CREATE TEMP TABLE read AS {PARSED} {reading(list(files), FIELDS)}")
        connection.execute("INSERT OR IGNORE INTO events SELECT * FROM read WHERE type = 'CUSTOMER'")
        connection.execute(
            "INSERT OR IGNORE INTO events SELECT * FROM read WHERE type <> 'CUSTOMER'"
            " AND customer IN (SELECT key FROM events WHERE type = 'CUSTOMER')"
        )
        connection.execute("CHECKPOINT")
        (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return {"count": count}


def keep_parquet(database, parquet):
    """The kept table as one Parquet file."""
    with connect(database) as connection:
        connection.execute(f"COPY events TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)")


def top_table(database):
    """Top 10 from the table."""
    return top("events", database)


def top_parquet(parquet):
    """Top 10 from the Parquet file."""
    return top(f"read_parquet('{parquet}')")


def append_one(database, event):
    """One event into the table: the commit syncs the write-ahead log, and the table is left for later."""
    fields = {"customer_id": None, "tags": None} | json.loads(Path(event).read_text())
    values = [fields[name] for name in ("type", "key", "verb", "event_time", "customer_id")]
    with connect(database) as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        (count,) = connection.execute(
            "INSERT OR IGNORE INTO events SELECT ?, ?, ?, ?, customer, NULL, ?, NULL, NULL, NULL, NULL, NULL"
            " FROM events WHERE type = 'CUSTOMER' AND key = ?",
            [*values[:4], json.dumps(fields["tags"]), values[4]],
        ).fetchone()
    return {"count": count}
