"""Read MLflow's database and artifact folder without its server, for a backup and after a restore."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from include.core import settings
from include.core.errors import ModelRefused, TrackingUnavailable
from include.core.redaction import redacted
from include.registry.champion import CHAMPION
from include.registry.load_model import MODEL_FILE, logged_model
from include.registry.manifest import ModelFile, read_manifest, verify_folder
from include.registry.records.models import ModelIdentity
from include.registry.verification import find_problems, refuse_other_file, refuse_other_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from include.registry.records.models import RecordedModel
    from include.registry.records.record import Record

#: Columns of MLflow's tables that hold the address of files, by table.
_ADDRESSES = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}


@dataclass(frozen=True)
class StoredVersion:
    """A registered version and the address of its files.

    Attributes
    ----------
    identity
        The run and the digests in the version's tags.
    """

    name: str
    number: int
    source: str
    location: str
    identity: ModelIdentity

    @property
    def what(self) -> str:
        """Its name in sentences."""
        return f"version {self.number} of {self.name}"

    @property
    def model_id(self) -> str:
        """The id of its logged model."""
        return logged_model(self.source)

    def registered_files(self) -> dict[str, ModelFile] | None:
        """Return the files in the version's manifest, or None for a version of a release without manifests."""
        return read_manifest(self.name, self.model_id, self.identity.manifest, self.what)

    def folder(self, artifacts: Path) -> Path | None:
        """Return the folder of the version's files; None where they are in an object store.

        Parameters
        ----------
        artifacts
            The folder that MLflow's server serves.
        """
        scheme = urlsplit(self.location).scheme
        if scheme == "mlflow-artifacts":
            return artifacts / unquote(urlsplit(self.location).path).lstrip("/")
        if scheme in ("", "file"):
            return Path(url2pathname(self.location.removeprefix("file://").removeprefix("file:")))
        return None


def stored_champions(database: str) -> list[StoredVersion]:
    """Return the champion of each registered model that has one.

    This reads the database directly, because MLflow would create or migrate tables, perhaps while a server does.

    Raises
    ------
    TrackingUnavailable
        If the database cannot be read.
    """
    named = "JOIN registered_model_aliases a ON a.name = v.name AND a.version = v.version AND a.alias = :alias"
    return _versions(database, named, alias=CHAMPION)


def verify_stored_models(pipeline: str, records: list[Record], database: str, artifacts: Path | None) -> list[str]:
    """Return the faults like `verify_models`, from the files where MLflow stores them.

    Parameters
    ----------
    artifacts
        The folder that MLflow's server serves; None for an object store, whose files are not verified.
    """
    versions = {each.number: each for each in _versions(database, "", name=pipeline)}

    def verify(recorded: RecordedModel) -> None:
        version = versions.get(recorded.version)
        if version is None:
            raise ModelRefused(f"version {recorded.version} of {pipeline} is not in MLflow")
        refuse_other_model(pipeline, recorded, version.identity)
        folder = version.folder(artifacts) if artifacts else None
        if folder is None:
            return
        files = version.registered_files()
        if files is not None:
            verify_folder(folder, files, version.what)
        refuse_other_file(folder / MODEL_FILE, version.identity.sha256, version.what)

    return find_problems(records, verify)


def move_artifacts(database: str, before: Path, now: Path) -> int:
    """Change the addresses of files in a database from one folder to another; return the number of changes.

    MLflow writes the full address of a folder into each experiment, run and model. Addresses relative to its server
    (`mlflow-artifacts:`) and those of object stores stay. A table or column that is missing is left to MLflow, which
    was making its tables when the backup was made.
    """
    import sqlalchemy as sa

    changed = 0
    with _connected(database) as connection:
        known = sa.inspect(connection).get_table_names()
        for name, columns in _ADDRESSES.items():
            if name not in known:
                continue
            there = {column["name"] for column in sa.inspect(connection).get_columns(name)}
            table = sa.table(name, *(sa.column(each, sa.String) for each in columns if each in there))
            for column in table.columns:
                for old, new in ((before.as_uri(), now.as_uri()), (str(before), str(now))):
                    below = sa.func.substr(column, 1, len(old) + 1) == f"{old}/"
                    moved = sa.literal(new, sa.String) + sa.func.substr(column, len(old) + 1)
                    update = sa.update(table).where(sa.or_(column == old, below)).values({column: moved})
                    changed += connection.execute(update).rowcount
    return changed


@contextmanager
def _connected(database: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that is committed when the block ends."""
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    engine = sa.create_engine(database)
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise TrackingUnavailable(
            f"MLflow's database {settings.without_password(database).partition('?')[0]} cannot be read or written "
            f"({type(error).__name__}); check MLFLOW_BACKEND_STORE_URI, that it is up, and that no MLflow is making "
            "its tables this moment, then run this again"
        ) from redacted(error)
    finally:
        engine.dispose()


def _versions(database: str, joined: str, **parameters: str) -> list[StoredVersion]:
    """Return the versions that are not deleted, of one registered model where `name` is given."""
    import sqlalchemy as sa

    tables = {"registered_model_aliases", "model_versions", "model_version_tags", "logged_models"}
    tags = [field.name for field in fields(ModelIdentity)]  # a version has a tag nightshift.<field> for each
    tag_joins = "\n".join(
        f"LEFT JOIN model_version_tags {tag} ON {tag}.name = v.name AND {tag}.version = v.version "
        f"AND {tag}.key = 'nightshift.{tag}'"
        for tag in tags
    )
    query = f"""
        SELECT v.name, v.version, v.source, coalesce(l.artifact_location, v.source),
            {", ".join(f"{tag}.value" for tag in tags)}
        FROM model_versions v {joined}
        {tag_joins}
        LEFT JOIN logged_models l ON v.source = 'models:/' || l.model_id
        WHERE v.current_stage <> 'Deleted_Internal'{" AND v.name = :name" if "name" in parameters else ""}
        ORDER BY v.name, v.version
    """
    with _connected(database) as connection:
        if not tables <= set(sa.inspect(connection).get_table_names()):
            return []  # no model has been registered yet
        rows = connection.execute(sa.text(query), parameters).all()
    return [
        StoredVersion(name, int(number), source, location, ModelIdentity(*identity))
        for name, number, source, location, *identity in rows
    ]
