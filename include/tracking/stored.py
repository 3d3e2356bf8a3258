"""What MLflow has stored, read from its database and folder without its server: for backups, and after a restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from include import settings
from include.errors import ModelRefused, TrackingUnavailable
from include.tracking.champion import CHAMPION, MODEL_FILE, logged_model
from include.tracking.client import mlflow_client
from include.tracking.manifest import ModelFile, read_manifest, verify_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from include.records.record import Record

#: Columns of MLflow's tables that hold the address of files, by table.
_ADDRESSES = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}


@dataclass(frozen=True)
class StoredVersion:
    """A registered version and where its files are.

    Attributes
    ----------
    manifest, sha256
        Digests of the version's manifest and of its model file; None where it names none.
    """

    name: str
    number: int
    source: str
    manifest: str | None
    sha256: str | None
    location: str

    @property
    def what(self) -> str:
        """Its name in sentences."""
        return f"version {self.number} of {self.name}"

    @property
    def model_id(self) -> str:
        """The id of its logged model."""
        return logged_model(self.source)

    def registered_files(self) -> dict[str, ModelFile] | None:
        """Return what its manifest says, or None for a version of a release that kept no manifests."""
        return read_manifest(self.name, self.model_id, self.manifest, self.what)

    def folder(self, artifacts: Path) -> Path | None:
        """Return the folder of its files, of which some are below the one that the server serves.

        None where an object store has them.
        """
        scheme = urlsplit(self.location).scheme
        if scheme == "mlflow-artifacts":
            return artifacts / unquote(urlsplit(self.location).path).lstrip("/")
        if scheme in ("", "file"):
            return Path(url2pathname(self.location.removeprefix("file://").removeprefix("file:")))
        return None


def stored_champions(database: str) -> list[StoredVersion]:
    """Return the champion of each registered model that has one.

    Nothing is written: a database in which MLflow has no tables yet gets none.

    Raises
    ------
    TrackingUnavailable
        If the database cannot be read.
    """
    found: list[StoredVersion] = []
    if "registered_model_aliases" not in _tables(database):  # MLflow would make them
        return found
    token = None
    with mlflow_client("looking for the champions", database) as client:
        while True:
            models = client.search_registered_models(page_token=token)
            for model in models:
                number = model.aliases.get(CHAMPION)
                if number is not None:
                    found.append(_stored(client, client.get_model_version(model.name, str(number))))
            token = models.token
            if not token:
                return found


def prove_stored(pipeline: str, records: list[Record], database: str, artifacts: Path | None) -> list[str]:
    """Return what `prove_models` does, of files that are looked at where they are stored.

    Parameters
    ----------
    artifacts
        The folder that MLflow's server serves; None where that is an object store, whose files are not looked at.
    """
    from mlflow.exceptions import MlflowException

    problems = []
    for record in records:
        number = record.content.get("challenger_version") if record.kind == "retrain" else None
        if number is None:
            continue
        with mlflow_client(f"looking for version {number} of {pipeline}", database) as client:
            try:
                version = _stored(client, client.get_model_version(pipeline, str(number)))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                problems.append(f"record {record.number}: version {number} of {pipeline} is not in MLflow")
                continue
        folder = version.folder(artifacts) if artifacts else None
        if folder is None:
            continue
        try:
            _prove(version, folder)
        except ModelRefused as error:
            problems.append(f"record {record.number}: {error}")
    return problems


def move_artifacts(database: str, before: Path, now: Path) -> int:
    """Let a database name files in another folder than the one that it names; return how many addresses changed.

    MLflow writes the whole address of a folder into each experiment, run and model. Addresses that are relative to
    its server (`mlflow-artifacts:`), and those of object stores, stay as they are.
    """
    import sqlalchemy as sa

    changed = 0
    engine = sa.create_engine(database)
    try:
        known = _tables(database)
        with engine.begin() as connection:
            for name, columns in _ADDRESSES.items():
                if name not in known:
                    continue
                table = sa.table(name, *(sa.column(each, sa.String) for each in columns))
                for column in table.columns:
                    for old, new in ((before.as_uri(), now.as_uri()), (str(before), str(now))):
                        below = sa.func.substr(column, 1, len(old) + 1) == f"{old}/"
                        moved = sa.literal(new, sa.String) + sa.func.substr(column, len(old) + 1)
                        update = sa.update(table).where(sa.or_(column == old, below)).values({column: moved})
                        changed += connection.execute(update).rowcount
    finally:
        engine.dispose()
    return changed


def _tables(database: str) -> set[str]:
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    engine = sa.create_engine(database)
    try:
        return set(sa.inspect(engine).get_table_names())
    except SQLAlchemyError as error:
        raise TrackingUnavailable(
            f"MLflow's database {settings.without_password(database).partition('?')[0]} cannot be read "
            f"({type(error).__name__}); check MLFLOW_BACKEND_STORE_URI and that it is up, then run this again"
        ) from None
    finally:
        engine.dispose()


def _stored(client: MlflowClient, version: ModelVersion) -> StoredVersion:
    source = version.source
    logged = source.startswith("models:/m-")
    return StoredVersion(
        version.name,
        int(version.version),
        source,
        version.tags.get("nightshift.manifest"),
        version.tags.get("nightshift.sha256"),
        client.get_logged_model(logged_model(source)).artifact_location if logged else source,
    )


def _prove(version: StoredVersion, folder: Path) -> None:
    """Refuse a version whose files are not those that were registered."""
    import hashlib

    files = version.registered_files()
    if files is not None:
        verify_folder(folder, files, version.what)
    path = folder / MODEL_FILE
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if digest != version.sha256:
        raise ModelRefused(
            f"the model file of {version.what} {f'has the SHA-256 {digest[:12]}…' if digest else 'is not there'}, and "
            f"was registered with {(version.sha256 or 'none')[:12]}…"
        )
