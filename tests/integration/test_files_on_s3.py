"""Files in an object store are read with Airflow's connections and without Airflow, and mean the same."""

from __future__ import annotations

import gzip
import io
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.config.sources.files_source import FilesSource
from include.core.connections import Connections, EnvironmentConnections
from include.core.errors import ConnectionMissing, SourceUnreadable
from include.ingestion.files import read_files
from plugins.hooks.airflow_connections import AirflowConnections
from tests.services.s3 import S3, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = pytest.mark.parametrize("connections", [EnvironmentConnections(), AirflowConnections()], ids=["env", "airflow"])
DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]


def parquet(station: str, day: int) -> bytes:
    """Return a Parquet file of one row."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"station": [station], "at": [datetime(2024, 1, day)]}), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Run an S3 with a bucket of CSV and Parquet files."""
    objects = {
        "in/csv/2024-01-01/a.csv": b"station,at\nJFK,2024-01-01\n",
        "in/csv/2024-01-01/b.csv.gz": gzip.compress(b"station,at\nLGA,2024-01-01\n"),
        "in/csv/2024-01-02/deeper/c.csv": b"station,at\nEWR,2024-01-02\n",
        "in/parquet/2024/01/01.parquet": parquet("JFK", 1),
        "in/parquet/2024/01/02.parquet": parquet("LGA", 2),
        "in/broken/2024-01-01.parquet": parquet("JFK", 1)[:-20],
    }
    with running_s3() as server:
        server.write("landing", objects)
        yield server


@pytest.fixture(autouse=True)
def store(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect the store, and hide whatever AWS login the machine has."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_STORE", s3.connection("s3://landing/in"))


def source(path: str) -> FilesSource:
    """Return a daily source of files at a path."""
    return FilesSource.model_validate(
        {
            "kind": "files",
            "connection": "store",
            "path": path,
            "key": ["station"],
            "available_at": "at",
            "columns": {"station": "string", "at": "timestamp"},
        }
    )


@BOTH
@pytest.mark.parametrize(
    ("path", "stations", "missing"),
    [
        ("csv/{ds}/**", ["JFK", "LGA", "EWR"], ["csv/2024-01-03/**"]),
        ("csv/{ds}/*.csv", ["JFK"], ["csv/2024-01-02/*.csv", "csv/2024-01-03/*.csv"]),
        ("parquet/{year}/{month}/{day}.parquet", ["JFK", "LGA"], ["parquet/2024/01/03.parquet"]),
    ],
)
def test_objects_are_read_as_files_are(
    connections: Connections, path: str, stations: list[str], missing: list[str]
) -> None:
    """Wildcards, packed files, Parquet and missing days need no folder of one's own machine."""
    delivery = read_files(source(path), DAYS, connections.folder("store"), "shop")

    rows = [station for chunk in delivery.chunks for station in chunk.rows["station"].to_pylist()]

    assert rows == stations
    assert delivery.read_from.missing == missing
    assert sum(file.rows for file in delivery.read_from.files) == len(stations)


@BOTH
def test_a_broken_object_is_told_with_its_address(connections: Connections) -> None:
    """A Parquet file without its end names itself."""
    delivery = read_files(source("broken/{ds}.parquet"), DAYS, connections.folder("store"), "shop")

    with pytest.raises(SourceUnreadable, match=r"landing/in/broken/2024-01-01\.parquet: the file is truncated"):
        list(delivery.chunks)


@BOTH
def test_an_object_that_is_replaced_while_it_is_read_is_told(connections: Connections, s3: S3) -> None:
    """Half of the old content and half of the new would be neither delivery."""
    key = "in/changing/2024-01-01.csv"
    s3.client().put_object(Bucket="landing", Key=key, Body=b"station,at\nJFK,2024-01-01\n")
    chunks = read_files(source("changing/{ds}.csv"), DAYS[:1], connections.folder("store"), "shop").chunks
    next(chunks)
    s3.client().put_object(Bucket="landing", Key=key, Body=b"station,at\nJFK,2024-01-01\nLGA,2024-01-01\n")

    with pytest.raises(SourceUnreadable, match="it changed while it was being read"):
        next(chunks)


@BOTH
def test_an_object_that_is_deleted_while_it_is_read_is_told(connections: Connections, s3: S3) -> None:
    """What was read of it may not be all of it."""
    key = "in/vanishing/2024-01-01.csv"
    s3.client().put_object(Bucket="landing", Key=key, Body=b"station,at\nJFK,2024-01-01\n")
    chunks = read_files(source("vanishing/{ds}.csv"), DAYS[:1], connections.folder("store"), "shop").chunks
    next(chunks)
    s3.client().delete_object(Bucket="landing", Key=key)

    with pytest.raises(SourceUnreadable, match="it vanished while it was being read"):
        next(chunks)


@BOTH
def test_a_prefix_without_objects_is_a_folder_without_files(
    connections: Connections, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store has no folders, so before the first delivery there is nothing to find."""
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", s3.connection("s3://landing/nothing/yet"))

    delivery = read_files(source("{ds}/*.csv"), DAYS[:1], connections.folder("empty"), "shop")

    assert list(delivery.chunks) == []
    assert (delivery.read_from.files, delivery.read_from.missing) == ([], ["2024-01-01/*.csv"])


@BOTH
def test_a_bucket_that_is_not_there_is_told(connections: Connections, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt bucket is a mistake of the connection, and no day without a delivery."""
    monkeypatch.setenv("AIRFLOW_CONN_TYPO", s3.connection("s3://lnading/in"))

    with pytest.raises(ConnectionMissing, match="'typo' names the folder 's3://lnading/in', and there is no bucket"):
        connections.folder("typo")


@BOTH
def test_a_login_that_the_store_refuses_is_told_without_its_secret(connections: Connections, s3: S3) -> None:
    """The sentence says that it is the login, and shows nothing of it."""
    with s3.locked(), pytest.raises(ConnectionMissing, match=r"and the store refuses it .*correct its login") as told:
        connections.folder("store")
    assert s3.secret not in str(told.value)
    assert s3.key not in str(told.value)


@BOTH
def test_a_login_that_is_refused_while_files_are_looked_for_is_told(connections: Connections, s3: S3) -> None:
    """A refusal is no missing file."""
    folder = connections.folder("store")
    with s3.locked(), pytest.raises(SourceUnreadable, match=r"landing/in/csv/2024-01-01/\* cannot be read .*nothing"):
        list(read_files(source("csv/{ds}/*"), DAYS, folder, "shop").chunks)
