"""An S3 of the tests' own: a moto server on 127.0.0.1, in a process that ends with them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.services.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, REGION = "127.0.0.1", "eu-central-1"

#: Ends when its standard input does, so that it never outlives the tests.
SERVER = """\
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
ThreadedMotoServer(sys.argv[1], int(sys.argv[2]), verbose=False).start()
sys.stdin.read()
"""


@dataclass(frozen=True)
class S3:
    """A running server, and the login that its tests use."""

    url: str
    key: str = "reader-of-the-shop"
    secret: str = "hunter2-of-the-store"

    def client(self) -> Any:
        """Return boto3's client of it."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def write(self, bucket: str, objects: dict[str, bytes]) -> None:
        """Make a bucket with objects, by their key."""
        client = self.client()
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, body in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=body)

    def connection(self, path: str, **fields: Any) -> str:
        """Return the value of an AIRFLOW_CONN_ variable that leads to a folder here, with some fields changed."""
        extra = {"path": path, "endpoint_url": self.url, "region_name": REGION}
        return json.dumps({"conn_type": "aws", "login": self.key, "password": self.secret, "extra": extra} | fields)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse for a while every login, since the server knows none."""
        self._allow("0")
        try:
            yield
        finally:
            self._allow("inf")

    def _allow(self, requests_without_login: str) -> None:
        import requests

        requests.post(f"{self.url}/moto-api/reset-auth", data=requests_without_login, timeout=60).raise_for_status()


@contextmanager
def running_s3() -> Iterator[S3]:
    """Run a server for a while."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, HOST, str(port)], stdin=subprocess.PIPE)
    try:
        _wait_for(port, process)
        yield S3(f"http://{HOST}:{port}")
    finally:
        process.communicate(timeout=180)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("moto's server did not start") from error
            time.sleep(0.05)
        else:
            return
