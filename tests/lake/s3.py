"""A dataset in an object store: SeaweedFS (PyPI), asked over S3; read back by pyarrow into DuckDB."""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import duckdb
import pyarrow.fs
import pyarrow.parquet

from common import BINARY, SQL, answer, asked, ltvlog, odd_events

SCRATCH = pathlib.Path(sys.argv[2])
EVENTS = 60_000
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def weed():
    """Starts a store; gives its process and its address."""
    (SCRATCH / "weed").mkdir()
    config = {"identities": [{"name": "one", "credentials": [{"accessKey": "key", "secretKey": "secret"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
    (SCRATCH / "s3.json").write_text(json.dumps(config))
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    grpc = {f"{name}.grpc": free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    command = [shutil.which("weed", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"), "server", "-dir", SCRATCH / "weed",
               "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-s3", "-s3.config", SCRATCH / "s3.json",
               *(f"-{name}={port}" for name, port in (ports | grpc).items())]
    said = open(SCRATCH / "weed.log", "w")
    process = subprocess.Popen(command, stdout=said, stderr=said)
    return process, f"127.0.0.1:{ports['s3.port']}"


def main():
    process, address = weed()
    try:
        os.environ.update(ACCESS | {"AWS_ENDPOINT": f"http://{address}"})
        store = pyarrow.fs.S3FileSystem(access_key="key", secret_key="secret", endpoint_override=address, scheme="http",
                                        region="us-east-1", allow_bucket_creation=True)
        for _ in range(60):
            try:
                # Once it takes an object, it takes others too.
                store.create_dir("lakes")
                with store.open_output_stream("lakes/ready") as stream:
                    stream.write(b"ready")
                break
            except OSError:
                time.sleep(0.5)
        check(store)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def names(store):
    found = store.get_file_info(pyarrow.fs.FileSelector("lakes/one", recursive=True, allow_not_found=True))
    return sorted(one.path for one in found if one.type == pyarrow.fs.FileType.File)


def read_back(store):
    """The rows of the files that the manifests name, in DuckDB."""
    manifests = [json.loads(store.open_input_stream(name).read()) for name in names(store) if "/manifest/" in name]
    files = ["lakes/one/" + file["name"] for manifest in manifests for file in manifest["files"]]
    tables = [pyarrow.parquet.read_table(file, filesystem=store, partitioning=None) for file in files]
    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'")
    duck.register("events", pyarrow.concat_tables(tables))
    duck.execute((SQL / "statistics.sql").read_text())
    return duck


def check(store):
    log, lake = SCRATCH / "log", "s3://lakes/one"
    made = ltvlog("generate", "--events", EVENTS, "--customers", EVENTS // 10, "--seed", 3, "--updates", 20).splitlines(keepends=True)
    ltvlog("append", "--log", log, stdin="\n".join(odd_events()) + "\n" + "".join(made[: EVENTS // 2]))
    export = ["export", "--log", log, "--to", lake, "--all", "--increment-events", 10000]
    print("first ", json.dumps(answer(*export)), flush=True)
    ltvlog("append", "--log", log, stdin="".join(made[EVENTS // 2 :]))
    print("second", json.dumps(answer(*export)), flush=True)
    assert answer(*export)["rows"] == 0
    digest = answer("replay", "--log", log)["digest"]
    assert asked(read_back(store), "digest") == [(digest,)]
    print("check ", json.dumps(answer("export", "--to", lake, "--check")), flush=True)
    print("the digest of what pyarrow read back is that of the log:", digest, flush=True)
    # Conditional puts: of two exports at once none makes half a dataset.
    lost = 0
    for _ in range(4):
        store.delete_dir("lakes/one")
        both = [subprocess.Popen([BINARY, *map(str, export)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for one in both:
            said = one.communicate()[1]
            assert one.returncode == 0 or "was quicker" in said, said
            lost += one.returncode != 0
        answer(*export)
        found = answer("export", "--to", lake, "--check")
        assert found["ok"] and found["unnamed_files"] == 0, found
        assert asked(read_back(store), "digest") == [(digest,)]
    assert lost > 0
    print(f"{lost} of 8 exports at the same time were overtaken, and said so", flush=True)
    killed = 0
    for _ in range(8):
        store.delete_dir("lakes/one")
        one = subprocess.Popen([BINARY, *map(str, export)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 0.6))
        one.send_signal(signal.SIGKILL)
        killed += one.wait() != 0
        if any("/manifest/" in name for name in names(store)):
            found = answer("export", "--to", lake, "--check")
            count = read_back(store).execute("SELECT count(*), max(sequence) + 1 FROM events").fetchone()
            assert found["ok"] and count == (found["rows"],) * 2, (found, count)
        answer(*export)
        found = answer("export", "--to", lake, "--check")
        assert found["ok"] and found["unnamed_files"] == 0, found
        assert asked(read_back(store), "digest") == [(digest,)]
    print(f"killed {killed} of 8 exports; each was completed by the next", flush=True)
    # A file that is longer than a part, which is 16 MiB.
    long, many = SCRATCH / "long", "s3://lakes/long"
    ltvlog("append", "--log", long, stdin=ltvlog("generate", "--events", 900_000, "--customers", 90_000, "--seed", 4))
    done = answer("export", "--log", long, "--to", many, "--all", "--buckets", 1)
    assert done["files"] == 1 and done["bytes"] > 17 << 20, done
    found = answer("export", "--to", many, "--check")
    assert found["ok"] and found["rows"] == done["rows"] == 900_000, found
    print(f"a file of {done['bytes']} bytes was sent in parts, and read back as it was", flush=True)
    os.environ["AWS_SECRET_ACCESS_KEY"] = "another"
    said = ltvlog("export", "--log", log, "--to", lake, code=1)
    assert "s3://lakes/one" in said and "403" in said, said
    print("with another secret:", said.strip().splitlines()[0][:200], flush=True)


main()
