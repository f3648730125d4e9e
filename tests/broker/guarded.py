"""A NATS server that lets in who it knows, over TLS alone; others that take a password, or store nothing; and a disk that is full while a
partition is read.

The server trusts an operator, whose account the user's credentials are signed by, as `nsc` makes them.
"""

import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import nkeys
import trustme
from cluster import free_ports


class Signer:
    """A key pair that signs what others may do."""

    def __init__(self, prefix):
        self.seed = nkeys.encode_seed(os.urandom(32), prefix)
        self.pair = nkeys.from_seed(self.seed)
        self.public = self.pair.public_key.decode()

    def token(self, subject, name, claims):
        """A JWT in NATS's form: its id is the hash of what it says."""
        body = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject, "nats": {"version": 2, **claims}}
        said = json.dumps(body, separators=(",", ":")).encode()
        body["jti"] = base64.b32encode(hashlib.sha256(said).digest()).decode().rstrip("=")
        parts = [encoded({"typ": "JWT", "alg": "ed25519-nkey"}), encoded(body)]
        parts.append(plain(self.pair.sign(".".join(parts).encode())))
        return ".".join(parts)


def account_of(**jetstream):
    """Claims of an account without bounds. The system's own may not store."""
    bounds = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    limits = {**dict.fromkeys(bounds, -1), "wildcards": True, **jetstream}
    return {"type": "account", "limits": limits, "default_permissions": {"pub": {}, "sub": {}}}


def encoded(value):
    return plain(json.dumps(value, separators=(",", ":")).encode())


def plain(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def credentials(account, name, publishes=None):
    """A file of credentials of a user of an account, who may do all, or only what it takes to publish to some subjects."""
    user = Signer(nkeys.PREFIX_BYTE_USER)
    unbound = {"subs": -1, "data": -1, "payload": -1}
    rights = {"pub": {}, "sub": {}} if publishes is None else {"pub": {"allow": publishes}, "sub": {"allow": ["_INBOX.>"]}}
    token = account.token(user.public, name, {"type": "user", **rights, **unbound})
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )


def rights_of(command):
    """The subjects that docs/brokers.md names for a command, for the streams called `shop`."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "brokers.md").read_text()
    (named,) = [line.split()[1:] for line in text.splitlines() if line.startswith(f"    {command}: ")]
    return [subject.replace("events", "shop") for subject in named]


class Guarded:
    """One server that has TLS and takes credentials, and files of those that it knows and does not know."""

    def __init__(self, server, dir):
        self.dir = f"{dir}/guarded"
        os.mkdir(self.dir)
        self.port, = free_ports(1)
        self.url = f"tls://localhost:{self.port}"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{self.dir}/ca.pem")
        trustme.CA().cert_pem.write_to_path(f"{self.dir}/other-ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(f"{self.dir}/server.pem")
        operator, account = Signer(nkeys.PREFIX_BYTE_OPERATOR), Signer(nkeys.PREFIX_BYTE_ACCOUNT)
        system = Signer(nkeys.PREFIX_BYTE_ACCOUNT)
        accounts = {
            system.public: operator.token(system.public, "system", account_of()),
            account.public: operator.token(account.public, "shop", account_of(disk_storage=-1, streams=-1, consumer=-1)),
        }
        with open(f"{self.dir}/known.creds", "w") as file:
            file.write(credentials(account, "known"))
        for command in ("publish", "ingest"):
            with open(f"{self.dir}/{command}.creds", "w") as file:
                file.write(credentials(account, command, rights_of(command)))
            for number, right in enumerate(rights_of(command)):
                with open(f"{self.dir}/{command}-{number}.creds", "w") as file:
                    rest = [other for other in rights_of(command) if other != right]
                    file.write(credentials(account, command, rest))
        with open(f"{self.dir}/unknown.creds", "w") as file:
            file.write(credentials(Signer(nkeys.PREFIX_BYTE_ACCOUNT), "unknown"))
        with open(f"{self.dir}/conf", "w") as file:
            file.write(
                f"listen: 127.0.0.1:{self.port}\n"
                f"operator: {operator.token(operator.public, 'operator', {'type': 'operator'})}\n"
                f"system_account: {system.public}\n"
                f"resolver: MEMORY\nresolver_preload: {json.dumps(accounts)}\n"
                f"tls {{ cert_file: {self.dir}/server.pem, key_file: {self.dir}/server.pem }}\n"
                f"jetstream {{ store_dir: {self.dir}/store, sync_interval: always }}\n"
            )
        log = open(f"{self.dir}/log", "w")
        self.process = subprocess.Popen([server, "-c", f"{self.dir}/conf"], stdout=log, stderr=log)

    def file(self, name):
        return f"{self.dir}/{name}"

    def end(self):
        self.process.kill()
        self.process.wait()


def only_who_is_known(product, server, lines, customer):
    """Credentials and authorities are used; what is not let in is told at once, and leaves nothing."""
    guarded = Guarded(server, product.dir)
    try:
        letting_in(product, guarded, lines, customer)
    finally:
        guarded.end()


def letting_in(product, guarded, lines, customer):
    event = lines({"type": "CUSTOMER", "verb": "NEW", "key": customer})
    at = ["--nats", guarded.url, "--stream", "shop"]
    ca, known = ["--broker-ca-file", guarded.file("ca.pem")], ["--creds", guarded.file("known.creds")]
    log = f"{product.dir}/log-shop"
    publish = ["publish", *at, "--partitions", "1"]
    ingest = ["ingest", *at, "--partition", "0/1", "--log", log, "--until-caught-up"]
    product.run(*publish, *ca, *known, "--create", "-", expect=1, input=event)
    assert "`--replicas 1` keeps it on this server alone" in product.told, product.told
    told = product.run(*publish, *ca, *known, "--create", "--replicas", "1", "-", input=event)
    assert told["published"] == 1, told
    refused = (
        (ca, [], "authorization violation"),
        (ca, ["--creds", guarded.file("unknown.creds")], "authorization violation"),
        ([], known, "UnknownIssuer"),
        (["--broker-ca-file", guarded.file("other-ca.pem")], known, "UnknownIssuer"),
        (ca, ["--creds", guarded.file("nowhere")], "cannot use the credentials in"),
        (ca, ["--creds", guarded.file("ca.pem")], "cannot use the credentials in"),
        (["--broker-ca-file", guarded.file("nowhere")], known, "No such file"),
    )
    for authorities, credentials, why in refused:
        for command in ([*publish, *authorities, *credentials, "-"], [*ingest, *authorities, *credentials]):
            product.run(*command, expect=1, input=event)
            assert why in product.told and (guarded.url in product.told or guarded.dir in product.told), product.told
            assert "trying again" not in product.told, product.told
    assert not os.path.exists(log), "a log was made for a broker that let nobody in"
    told = product.run(*ingest, *ca, *known)
    assert told["accepted"] == 1, told
    # The rights that are documented are enough, also to go on behind a mark.
    for number in range(2):
        more = lines({"type": "CUSTOMER", "verb": "NEW", "key": f"{customer}-{number}"})
        told = product.run(*publish, *ca, "--creds", guarded.file("publish.creds"), "-", input=more)
        assert told["published"] == 1, told
        told = product.run(*ingest, *ca, "--creds", guarded.file("ingest.creds"))
        assert (told["accepted"], told["duplicates"], told["lag_events"]) == (1, 0, 0), told
    # And each of them is needed: without it the command fails, and says which it was.
    event = lines({"type": "CUSTOMER", "verb": "NEW", "key": f"{customer}-last"})
    assert product.run(*publish, *ca, *known, "-", input=event)["published"] == 1
    lacking = []
    for command, args in (("publish", [*publish, "-"]), ("ingest", ingest)):
        for number, right in enumerate(rights_of(command)):
            args_now = [*args, *ca, "--creds", guarded.file(f"{command}-{number}.creds")]
            if command == "ingest":
                copy = f"{log}-{number}"
                shutil.copytree(log, copy)
                args_now[args_now.index(log)] = copy
            lacking.append((right, args_now))
    with concurrent.futures.ThreadPoolExecutor(len(lacking)) as pool:
        told = pool.map(lambda one: ends([product.binary, *one[1]], event), lacking)
        for (right, _), (code, text) in zip(lacking, told):
            assert code == 1 and "violation for " in text.lower() and plain_part(right) in text, (right, code, text)
            assert "the credentials lack this right" in text, text


def ends(command, input):
    """How a command ends, and what it says."""
    done = subprocess.run(command, input=input, capture_output=True, timeout=120)
    return done.returncode, done.stderr.decode()


def plain_part(subject):
    """A subject up to its first wildcard."""
    return subject.split("*")[0].split(">")[0]


def by_address(product, server, lines, customer):
    """What an address says of who asks is what the server is told."""
    for secrets, address, wrong in (
        (["--user", "shop", "--pass", "p@ss:/é"], "shop:p%40ss%3A%2F%C3%A9", "shop:s3cret"),
        (["--auth", "t0ken"], "t0ken", "s3cret"),
    ):
        name = secrets[0].strip("-")
        port, = free_ports(1)
        command = [server, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", f"{product.dir}/{name}", *secrets]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            event = lines({"type": "CUSTOMER", "verb": "NEW", "key": customer})
            at = lambda who: ["--nats", f"nats://{who}127.0.0.1:{port}", "--stream", "events", "--give-up", "5"]
            publish = ["--partitions", "1", "--create", "--replicas", "1", "-"]
            assert product.run("publish", *at(f"{address}@"), *publish, input=event)["published"] == 1
            log = f"{product.dir}/log-{name}"
            told = product.run("ingest", *at(f"{address}@"), "--partition", "0/1", "--log", log, "--until-caught-up")
            assert told["accepted"] == 1, told
            for who, why in ((f"{wrong}@", "the servers do not take these credentials"), ("", "USER:PASSWORD@HOST, says who asks")):
                product.run("publish", *at(who), *publish, input=event, expect=1)
                assert why in product.told and "s3cret" not in product.told, product.told
        finally:
            process.kill()
            process.wait()


def without_jetstream(product, server):
    """A server that was started without JetStream is waited for, as it may reach one that is only not up; what it lacks is said."""
    port, = free_ports(1)
    process = subprocess.Popen([server, "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        at = ["--nats", f"nats://127.0.0.1:{port}", "--stream", "events", "--give-up", "2"]
        for command in (["publish", *at, "--partitions", "1", "-"], ["ingest", *at, "--partition", "0/1", "--log", f"{product.dir}/none"]):
            product.run(*command, expect=1, input=b"")
            assert "events-00000" in product.told and "the server itself has no JetStream" in product.told, product.told
    finally:
        process.kill()
        process.wait()


def full_disk(product, events, count):
    """An ingester whose disk is full says so, and goes on where it was once there is room."""
    disk = f"{product.dir}/disk"
    os.mkdir(disk)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        return "skipped: this machine mounts no small file system"
    try:
        product.publish(events, "--create")
        ingest = ["ingest", *product.broker, "--partition", "0/1", "--log", f"{disk}/log", "--until-caught-up"]
        product.run(*ingest, expect=1)
        assert "No space left on device" in product.told and f"{disk}/log" in product.told, product.told
        kept = product.run("verify", "--log", f"{disk}/log")
        product.run(*ingest, expect=1)
        before = product.run("verify", "--log", f"{disk}/log")
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        told = product.run(*ingest)
        # Of the call that found no room some batches may be there, and the mark, which is in its last, is not.
        assert told["accepted"] == count - before["events"] and told["rejected"] == 0 and told["lag_events"] == 0, told
        whole = product.run("verify", "--log", f"{disk}/log")
        assert (whole["ok"], whole["events"]) == (True, count), whole
        assert 0 < kept["events"] < count, kept
        return f"{kept['events']} of {count} events were in the log when the disk was full"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
