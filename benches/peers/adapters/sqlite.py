"""SQLite: write-ahead log, synchronous=FULL, a primary key without row ids, a cache that holds it all.

One transaction for a whole file; one for each event where each is acknowledged. A database has one writer, so
the many writers share one connection and its prepared statement behind a lock: 64 connections would spend
their time waiting for each other's file locks.
"""

import json
import sqlite3
import threading
import time
from pathlib import Path

TABLE = """CREATE TABLE events(type TEXT, key TEXT, verb TEXT, event_time TEXT, customer TEXT, cents INTEGER,
    tags TEXT, last_name TEXT, adr_city TEXT, adr_state TEXT, camera_make TEXT, camera_model TEXT,
    PRIMARY KEY (type, key)) WITHOUT ROWID"""
INSERT = """INSERT OR IGNORE INTO events SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
    WHERE ?1 = 'CUSTOMER' OR EXISTS (SELECT 1 FROM events WHERE type = 'CUSTOMER' AND key = ?5)"""
TOP = """SELECT customer, coalesce(sum(cents), 0) AS revenue, sum(type = 'SITE_VISIT'), sum(type = 'ORDER'),
    min(event_time), max(event_time) FROM events GROUP BY customer ORDER BY revenue DESC, customer LIMIT 10"""


def connect(database):
    """A connection that syncs each commit and decides itself when one begins."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "cache_size=-2000000",
        "mmap_size=4000000000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def row(line):
    """An event's values, in the order of the columns."""
    event = json.loads(line)
    amount, tags = event.get("total_amount"), event.get("tags")
    return (
        event["type"],
        event["key"],
        event["verb"],
        event["event_time"],
        event.get("customer_id") or event["key"],
        int(amount[:-4].replace(".", "")) if amount else None,
        json.dumps(tags) if tags else None,
        event.get("last_name"),
        event.get("adr_city"),
        event.get("adr_state"),
        event.get("camera_make"),
        event.get("camera_model"),
    )


def keep(database, *files):
    """Into a table on disk: every key once, only what belongs to a known customer, synced."""
    connection = connect(database)
    connection.execute(TABLE)
    connection.execute("BEGIN")
    for name in files:
        with Path(name).open() as lines:
            connection.executemany(INSERT, map(row, lines))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    return {"count": count}


def top_table(database):
    """Top 10 from the table."""
    return {"top": connect(database).execute(TOP).fetchall()}


def append_one(database, event):
    """One event into the table, in a transaction of its own."""
    connection = connect(database)
    count = connection.execute(INSERT, row(Path(event).read_text())).rowcount
    connection.close()
    return {"count": count}


def many_writers(database, writers, seconds):
    """Events acknowledged a second by that many threads, each event in a transaction of its own."""
    connection, lock = connect(database), threading.Lock()
    connection.execute(TABLE)
    customers = (
        {"type": "CUSTOMER", "verb": "NEW", "key": str(n), "event_time": "2024-01-01"} for n in range(int(writers))
    )
    connection.executemany(INSERT, map(row, map(json.dumps, customers)))
    ends, counts = time.perf_counter() + float(seconds), []

    def write(writer):
        count = 0
        while time.perf_counter() < ends:
            values = (
                "SITE_VISIT",
                f"{writer:02x}{count:010x}",
                "NEW",
                "2024-05-06T12:45:52.041Z",
                str(writer),
                None,
                '[{"key7":"value7"}]',
                None,
                None,
                None,
                None,
                None,
            )
            with lock:
                connection.execute(INSERT, values)
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(int(writers))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = sum(counts) / (time.perf_counter() - began)
    (kept,) = connection.execute("SELECT count(*) FROM events WHERE type = 'SITE_VISIT'").fetchone()
    assert kept == sum(counts), (kept, sum(counts))
    return {"rate": rate}
