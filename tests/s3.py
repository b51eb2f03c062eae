"""An S3-compatible store: a real server of the protocol, in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
from moto.server import ThreadedMotoServer

BUCKET = "acme-backups"
KEY_ID, SECRET = "id", "secret"


@contextmanager
def store() -> Iterator[str]:
    """The address of a store that has the bucket `BUCKET`: a real server of the protocol, in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    httpx.post(f"{url}/moto-api/reset").raise_for_status()  # all stores of a process share what they hold
    client(url).create_bucket(Bucket=BUCKET)
    try:
        yield url
    finally:
        server.stop()


def client(url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET
    )
