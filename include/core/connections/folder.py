"""Folders of connections: on this machine, or in an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.core.connections.container import in_this_container, or_mount_it
from include.core.errors import ConnectionMissing
from include.core.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from upath import UPath

    from include.core.connections.fields import ConnectionFields

#: What reads an object store: a package, and the Airflow provider that knows the store's connections.
STORE_DRIVERS = {
    **dict.fromkeys(("s3", "s3a"), "s3fs (with Airflow: apache-airflow-providers-amazon[s3fs])"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs (with Airflow: apache-airflow-providers-google)"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs (with Airflow: apache-airflow-providers-microsoft-azure)"),
}


def s3_options(fields: ConnectionFields) -> dict[str, Any]:
    """Return the s3fs options of an `aws` connection; without a login, s3fs looks where all AWS clients look."""
    extra = fields.extra
    options = {
        "key": fields.login,
        "secret": fields.password,
        "token": extra.get("aws_session_token"),
        "endpoint_url": extra.get("endpoint_url"),
        "client_kwargs": {"region_name": extra["region_name"]} if extra.get("region_name") else None,
    }
    return {name: value for name, value in options.items() if value}


def folder_of(connection_id: str, path: str | None, in_store: Callable[[str], UPath]) -> UPath:
    """Return a connection's folder, which must exist; `in_store` opens a URI such as s3://bucket/landing."""
    from upath import UPath

    if not path:
        raise ConnectionMissing(
            f"connection '{connection_id}' has no `path` in its extra field; a source of kind `files` needs "
            'a connection such as {"conn_type": "fs", "extra": {"path": "/data/landing"}}'
        )
    if "://" in path and not path.startswith("file://"):
        return _store_folder(connection_id, path, in_store)
    folder = UPath(path)
    if not folder.is_dir():
        raise ConnectionMissing(
            f"connection '{connection_id}' names the folder '{path}', which does not exist or cannot be "
            f"read{in_this_container()}; correct `path` in its extra field{or_mount_it()}"
        )
    return folder


def _store_folder(connection_id: str, uri: str, in_store: Callable[[str], UPath]) -> UPath:
    """Return a folder of an object store, which need not hold objects yet; on S3, check that the bucket exists."""
    scheme, _, rest = uri.partition("://")
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise ConnectionMissing(
            f"connection '{connection_id}' has a login in its `path`, where logs would show it; move it to the "
            "connection's fields login and password"
        )
    names = f"connection '{connection_id}' names the folder '{uri}'"
    bucket = rest.partition("/")[0]
    try:
        folder = in_store(uri)
        folder.fs.invalidate_cache()
        if scheme in ("s3", "s3a"):
            folder.fs.info(bucket)
    except (ImportError, ValueError) as error:
        driver = STORE_DRIVERS.get(scheme, "its fsspec driver, or correct the path")
        raise ConnectionMissing(f"{names}, and no driver for {scheme}:// is installed; install {driver}") from error
    except FileNotFoundError as error:
        raise ConnectionMissing(
            f"{names}, and there is no bucket '{bucket}'; correct `path` in its extra field"
        ) from error
    except Exception as error:
        refused = isinstance(error, PermissionError)
        reason = without_password(str(error) or type(error).__name__).splitlines()[0]
        remedy = "correct its login and password, or what they may read" if refused else "check its endpoint_url"
        unreachable = ConnectionMissing(
            f"{names}, and the store {'refuses it' if refused else 'does not answer'} ({reason}); {remedy}"
        )
        unreachable.retryable = not refused
        raise unreachable from error
    return folder
