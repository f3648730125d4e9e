"""Three NATS servers on this machine, and the few words of their protocol that the tests need."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request

NODES = 3


def free_ports(count):
    """Ports that nobody has now. Held open until all are known, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Cluster:
    """Servers that sync before they acknowledge, each with a directory of its own."""

    def __init__(self, server, dir):
        self.server, self.dir = server, dir
        ports = free_ports(3 * NODES)
        self.ports = ports[:NODES]
        self.monitors = [f"http://127.0.0.1:{port}" for port in ports[NODES : 2 * NODES]]
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports[2 * NODES :])
        self.nodes = [None] * NODES
        for at in range(NODES):
            with open(f"{dir}/{at}.conf", "w") as file:
                file.write(
                    f"server_name: n{at}\n"
                    f"listen: 127.0.0.1:{self.ports[at]}\n"
                    f"http: {self.monitors[at].removeprefix('http://')}\n"
                    f"max_payload: 16MB\n"
                    f"jetstream {{ store_dir: {json.dumps(f'{dir}/{at}')}, sync_interval: always }}\n"
                    f"cluster {{ name: c, listen: 127.0.0.1:{ports[2 * NODES + at]}, routes: [{routes}] }}\n"
                )
        self.url = ",".join(f"nats://127.0.0.1:{port}" for port in self.ports)

    def start(self, *which):
        for at in which or range(NODES):
            log = open(f"{self.dir}/{at}.log", "a")
            command = [self.server, "-c", f"{self.dir}/{at}.conf"]
            self.nodes[at] = subprocess.Popen(command, stdout=log, stderr=log)
        self.wait()

    def kill(self, *which):
        for at in which or range(NODES):
            if self.nodes[at] is not None:
                self.nodes[at].send_signal(signal.SIGKILL)
                self.nodes[at].wait()
                self.nodes[at] = None

    def wait(self, seconds=30):
        """Until all that run say that they are well, JetStream included."""
        until = time.monotonic() + seconds
        for at in range(NODES):
            while self.nodes[at] is not None:
                try:
                    with urllib.request.urlopen(f"{self.monitors[at]}/healthz", timeout=2) as answer:
                        if json.load(answer)["status"] == "ok":
                            break
                except OSError:
                    pass
                assert time.monotonic() < until, f"node {at} is not well"
                time.sleep(0.05)

    def request(self, subject, payload=b"", seconds=20):
        """The answer to one message, asked for until there is one."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self._request(subject, payload)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _request(self, subject, payload):
        port = next(port for node, port in zip(self.nodes, self.ports) if node is not None)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            stream = connection.makefile("rwb")
            stream.readline()
            inbox = f"_INBOX.{os.getpid()}"
            stream.write(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
            stream.write(f"SUB {inbox} 1\r\nPUB {subject} {inbox} {len(payload)}\r\n".encode())
            stream.write(payload + b"\r\n")
            stream.flush()
            while line := stream.readline():
                if line.startswith(b"MSG"):
                    return json.loads(stream.read(int(line.split()[-1])))
                if line.startswith(b"HMSG"):
                    raise OSError(f"nobody answers {subject}")
        raise OSError("the server hung up")

    def publish(self, subject, payload):
        """Puts bytes into a stream, as somebody who is not ltvlog may."""
        answer = self.request(subject, payload)
        assert "seq" in answer, answer
        return answer["seq"]
