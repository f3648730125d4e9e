"""How soon another process sees an event, counted from its acknowledgement.

One loop listens to both processes, the one that writes and the one that follows, and takes the time when the
kernel says that either has told something; what is seen before it is acknowledged counts as no wait.
"""

import os
import re
import selectors
import subprocess
import time

GIVE_UP_SECONDS = 30


def event(n):
    """The nth event as a line: a customer, then the customer's visits."""
    kind = (
        '"CUSTOMER", "verb": "NEW", "key": "c"'
        if n == 0
        else f'"SITE_VISIT", "verb": "NEW", "key": "v{n}", "customer_id": "c"'
    )
    return f'{{"type": {kind}, "event_time": "2024-05-06T12:45:52.041Z"}}\n'.encode()


class Race:
    """A writer that prints {"synced_end": N} for each event it has taken, and a follower that prints each as a line."""

    def __init__(self, writer, follower):
        """Starts both; the writer makes what the follower reads."""
        self.acknowledged_at, self.seen_at, self.unread = [], [], b""
        self.listen = selectors.DefaultSelector()
        self.writer = subprocess.Popen(writer, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.listen.register(self.writer.stdout, selectors.EVENT_READ, self.acknowledge)
        self.sent = 0
        # A writer that groups what comes acknowledges an event when the next is there, its first perhaps later.
        while not self.acknowledged_at:
            self.send()
            self.listen_for(0.2)
        self.follower = subprocess.Popen(follower, stdout=subprocess.PIPE)
        self.listen.register(self.follower.stdout, selectors.EVENT_READ, self.see)
        self.wait(lambda: len(self.seen_at) >= len(self.acknowledged_at))

    def send(self):
        """Gives the writer one more event."""
        self.writer.stdin.write(event(self.sent))
        self.writer.stdin.flush()
        self.sent += 1

    def acknowledge(self, told, at):
        """Notes when the writer had synced how many."""
        *lines, self.unread = (self.unread + told).split(b"\n")
        for line in lines:
            if found := re.fullmatch(rb'\{"synced_end": (\d+)\}', line):
                self.acknowledged_at += [at] * (int(found[1]) - len(self.acknowledged_at))

    def see(self, told, at):
        """Notes when the follower had printed how many."""
        self.seen_at += [at] * told.count(b"\n")

    def listen_for(self, seconds):
        """Takes what either process has told, once one has, or nothing after so many seconds."""
        for key, _ in self.listen.select(timeout=seconds):
            told, at = os.read(key.fd, 1 << 16), time.perf_counter()
            if not told:
                raise EOFError("a process ended before it was told to")
            key.data(told, at)

    def wait(self, is_done):
        """Listens until something holds."""
        began = time.perf_counter()
        while not is_done():
            self.listen_for(1)
            if time.perf_counter() - began > GIVE_UP_SECONDS:
                raise TimeoutError(f"{len(self.acknowledged_at)} acknowledged, {len(self.seen_at)} seen")

    def run(self, count):
        """Sends so many, one after another, each once the last is seen; the waits in seconds, sorted."""
        first = len(self.acknowledged_at)
        for _ in range(count):
            before = len(self.acknowledged_at)
            self.send()
            self.wait(lambda before=before: len(self.seen_at) >= len(self.acknowledged_at) > before)
        pairs = zip(self.acknowledged_at[first:], self.seen_at[first:], strict=False)
        return sorted(max(0, seen - acknowledged) for acknowledged, seen in pairs)

    def end(self):
        """Ends both."""
        self.listen.close()
        self.writer.stdin.close()
        self.writer.stdout.read()
        self.writer.wait()
        self.follower.kill()
        self.follower.wait()


def waits(writer, follower, count):
    """The waits of a writer and a follower, in seconds, sorted."""
    race = Race(writer, follower)
    try:
        return race.run(count)
    finally:
        race.end()
