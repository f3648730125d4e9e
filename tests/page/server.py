"""A server on a log of its own, for as long as a test needs it."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path


class Server:
    def __init__(self, binary, lines=(), tokens=None):
        self.binary = binary
        self.dir = Path(tempfile.mkdtemp(prefix="ltvlog-page-"))
        self.log = self.dir / "log"
        self.options = []
        self.token = None
        if tokens:
            (self.dir / "tokens").write_text(tokens)
            self.options = ["--tokens", str(self.dir / "tokens")]
            self.token = tokens.split()[1]
        self.listen = "127.0.0.1:0"
        self.start()
        if lines:
            self.post("\n".join(lines))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir)

    def start(self):
        command = [self.binary, "serve", "--log", str(self.log), "--listen", self.listen, *self.options]
        said = open(self.dir / "said", "a")
        self.process = subprocess.Popen(command, stdout=said, stderr=said)
        file = self.log / "server"
        until = time.monotonic() + 30
        while not (file.exists() and file.read_text().endswith("\n")):
            assert self.process.poll() is None, (self.dir / "said").read_text()
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)
        self.url = file.read_text().strip()
        # It comes back under the same address.
        self.listen = self.url.split("://")[1].rstrip("/")
        while True:
            try:
                return self.get("/readyz", parse=False)
            except urllib.error.HTTPError:
                assert time.monotonic() < until, "the server does not become ready"
                time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def ask(self, request):
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        return urllib.request.urlopen(request, timeout=20).read().decode()

    def get(self, path, parse=True):
        text = self.ask(urllib.request.Request(self.url + path))
        return json.loads(text) if parse else text

    def post(self, body):
        request = urllib.request.Request(self.url + "/v1/events", data=body.encode(), method="POST")
        receipt = json.loads(self.ask(request))
        assert receipt["rejected"] == 0, receipt
        return receipt


def customer(key, **fields):
    event = {"type": "CUSTOMER", "verb": "NEW", "key": key, "event_time": "2018-01-06T12:46:46Z"}
    return json.dumps(event | fields)


def order(key, customer_id, amount, verb="NEW", at="2019-03-06T12:55:55Z"):
    event = {"type": "ORDER", "verb": verb, "key": key, "event_time": at}
    return json.dumps(event | {"customer_id": customer_id, "total_amount": f"{amount} USD"})
