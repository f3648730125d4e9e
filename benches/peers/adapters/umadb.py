"""UmaDB: its own server, as it starts by default, and its own client, a connection for each writer.

It acknowledges an event after a sync that covers it. The events are appended without a condition, so it need
not look for keys that it has. The clients are spread over processes, so that they do not wait for one Python.
"""

import contextlib
import multiprocessing
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from umadb import Client, Event

PROCESSES = 4


@contextlib.contextmanager
def server(directory):
    """The address of a server over that directory, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = Path(sys.executable).with_name("umadb")
    command = [program, "--listen", address, "--db-path", directory]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{address}"
        finally:
            process.kill()


def connect(url):
    """A client, as soon as the server answers."""
    for _ in range(100):
        with contextlib.suppress(Exception):
            client = Client(url)
            client.head()
            return client
        time.sleep(0.1)
    raise TimeoutError(url)


def write(url, writers, seconds, ready, counts):
    """The writers of one process, each waiting for its event's acknowledgement before the next."""
    clients, acknowledged = [connect(url) for _ in range(writers)], []
    ready.wait()
    ends = time.perf_counter() + seconds

    def one(client, writer):
        count = 0
        while time.perf_counter() < ends:
            client.append(
                [
                    Event(
                        event_type="SITE_VISIT",
                        data=b'[{"key7":"value7"}]',
                        tags=[f"customer:{writer}", f"key:{writer:02x}{count:010x}"],
                    )
                ]
            )
            count += 1
        acknowledged.append(count)

    threads = [threading.Thread(target=one, args=(client, n)) for n, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.put(sum(acknowledged))


def many_writers(directory, writers, seconds):
    """Events acknowledged a second to that many writers."""
    each, seconds = int(writers) // PROCESSES, float(seconds)
    context = multiprocessing.get_context("spawn")
    with server(directory) as url:
        ready, counts = context.Barrier(PROCESSES + 1), context.Queue()
        crowd = [context.Process(target=write, args=(url, each, seconds, ready, counts)) for _ in range(PROCESSES)]
        for process in crowd:
            process.start()
        ready.wait()
        began = time.perf_counter()
        count = sum(counts.get() for _ in crowd)
        rate = count / (time.perf_counter() - began)
        kept = connect(url).head()
    assert kept == count, (kept, count)
    return {"rate": rate}
