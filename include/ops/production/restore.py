"""Restore: put a backup into empty places, and prove what was put there.

Everything is looked at first: the digest of every part, and that each place is empty. The parts are put in place in
the opposite order of the backup's, so that a restore that is broken off leaves nothing that names what is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import RestoreRefused
from include.ops.production.archive import clear_unpacked, digest_of, is_empty, move_in, unpack
from include.ops.production.backup import databases_of
from include.ops.production.contents import read_contents
from include.ops.production.databases import load, part_name, refuse_unless_empty
from include.ops.production.places import find_places

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.ops.production.contents import Contents
    from include.ops.production.places import Database, Places, Tree


def restore(backup: Path, tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Restore a backup into what the environment names, and return what is wrong with it afterwards, in sentences.

    Parameters
    ----------
    tell
        Called with a line about each part, and about each pipeline.

    Raises
    ------
    RestoreRefused
        If the backup is not what was written, or a place is not empty or does not fit; nothing is then restored.
    """
    contents, places = read_contents(backup), find_places()
    _refuse_changed(backup, contents)
    _refuse_misfits(contents, places)
    tell(f"{backup.name}: {len(contents.parts)} parts are as they were written at {contents.made_at}")
    try:
        _put(backup, contents, places, tell)
    except OSError as error:
        raise RestoreRefused(
            f"{error.filename or backup} could not be read or written ({error.strerror or error}); the restore is not "
            "complete: check permissions and free space, empty the places again, then run this again"
        ) from error
    for line in _notes(contents, places):
        tell(line)
    return _prove(contents, places, tell)


def _refuse_changed(backup: Path, contents: Contents) -> None:
    for part in contents.parts.values():
        path = backup / part.file
        if Path(part.file).name != part.file or not path.is_file():
            raise RestoreRefused(f"{path} is missing; take another backup; nothing was restored")
        size = path.stat().st_size
        if size != part.bytes or digest_of(path) != part.sha256:
            raise RestoreRefused(
                f"{path} is not as it was written: it has {size:,} bytes and another SHA-256 than {part.sha256[:12]}… "
                f"({part.bytes:,} bytes); take another backup; nothing was restored"
            )


def _refuse_misfits(contents: Contents, places: Places) -> None:
    """Refuse what has no place, and a place that is not empty."""
    databases = {database.name: database for database in databases_of(places)}
    trees = {"artifacts": places.artifacts, "lake-decisions": places.lake, "lake-tables": places.lake}
    settings_of = {"mlflow-logins": "MLFLOW_AUTH_CONFIG_PATH", "trials": "NIGHTSHIFT_TUNING_STORAGE"}
    for name, part in contents.parts.items():
        if name in trees:
            _folder(trees[name])
        elif name not in databases:
            raise RestoreRefused(
                f"the backup has {part.file}, and nothing says where that goes; set {settings_of.get(name, name)} as "
                "it was; nothing was restored"
            )
        elif part_name(databases[name]) != part.file:
            raise RestoreRefused(
                f"{part.file} cannot be restored into {databases[name].shown}: SQLite goes into SQLite, and PostgreSQL "
                f"into PostgreSQL; set {databases[name].setting}; nothing was restored"
            )
    for name in contents.parts:
        if name in databases:
            refuse_unless_empty(databases[name])
        elif not is_empty(_folder(trees[name])):
            raise RestoreRefused(
                f"{trees[name].folder} is not empty, and a backup is only restored into an empty place; name another "
                f"one in {trees[name].setting} or NIGHTSHIFT_HOME, or move away what is there; nothing was restored"
            )


def _put(backup: Path, contents: Contents, places: Places, tell: Callable[[str], None]) -> None:
    databases = {database.name: database for database in databases_of(places)}

    def put_tree(name: str, tree: Tree) -> None:
        if name in contents.parts:
            folder = _folder(tree)
            move_in(unpack(backup / contents.parts[name].file, folder), folder)
            tell(f"{name}: {folder}")

    def put_database(name: str) -> None:
        if name in contents.parts:
            load(databases[name], backup / contents.parts[name].file)
            tell(f"{name}: {databases[name].shown}")

    for tree in (places.lake, places.artifacts):
        if tree.name in contents.folders:
            clear_unpacked(_folder(tree))
    put_tree("lake-tables", places.lake)
    put_tree("artifacts", places.artifacts)
    put_database("mlflow")
    if "mlflow" in contents.parts:
        _readdress(databases["mlflow"], contents, places, tell)
    put_database("mlflow-logins")
    put_tree("lake-decisions", places.lake)
    _readdress_runs(contents, places)
    put_database("trials")
    put_database("airflow")


def _folder(tree: Tree) -> Path:
    if tree.folder is None:
        raise RestoreRefused(
            f"the backup has the files of {tree.name}, and {tree.setting} names {tree.uri}, an object store; name a "
            "folder, and copy it to the store afterwards; nothing was restored"
        )
    return tree.folder


def _readdress(mlflow: Database, contents: Contents, places: Places, tell: Callable[[str], None]) -> None:
    """Let MLflow's database name its files where they are now."""
    from include.registry.mlflow_storage import move_artifacts

    before = contents.folders.get("artifacts")
    if before is None or Path(before) == places.artifacts.folder:
        return
    changed = move_artifacts(mlflow.url, Path(before), _folder(places.artifacts))
    if changed:
        tell(f"mlflow: {changed} addresses of files name {places.artifacts.folder} instead of {before}")


def _readdress_runs(contents: Contents, places: Places) -> None:
    """Let the folders of runs name the feature table where it is now, for tasks that are cleared."""
    before = contents.folders.get("lake")
    if before is None or Path(before) == places.lake.folder:
        return
    for path in _folder(places.lake).glob("*/runs/*/features.json"):
        content = json.loads(path.read_bytes())
        uri = str(content.get("uri", ""))
        if uri.startswith(f"{before}/"):
            content["uri"] = settings.lake_uri() + uri.removeprefix(before)
            path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _notes(contents: Contents, places: Places) -> list[str]:
    """Return what is to be known of a restore that went well."""
    notes = [f"not in the backup: {note}" for note in contents.notes]
    if "airflow" in contents.parts and contents.fernet != places.fernet:
        notes.append(
            "Airflow's database was encrypted with another key than the one that is set here, so connections and "
            "variables that were kept in it cannot be read; put the old key back before Airflow starts "
            "(AIRFLOW__CORE__FERNET_KEY, or secrets.json of the embedded stack)"
        )
    return notes


def _prove(contents: Contents, places: Places, tell: Callable[[str], None]) -> list[str]:
    """Hold every pipeline's records and models against their digests, as `./nightshift verify` does."""
    from include.registry.mlflow_storage import stored_champions, verify_stored_models
    from include.registry.records.chain import examine

    problems = []
    found = stored_champions(places.mlflow.url) if "mlflow" in contents.parts else []
    champions = {each.name: each.number for each in found}
    for pipeline, head in contents.heads.items():
        records, wrong = examine(pipeline, head)
        if "mlflow" in contents.parts:
            wrong += verify_stored_models(pipeline, records, places.mlflow.url, places.artifacts.folder)
        problems += wrong
        champion = champions.get(pipeline)
        tell(
            f"{pipeline}: {len(records)} record{'s' * (len(records) != 1)}, the last with the digest {head}; "
            f"{f'the champion is version {champion}' if champion else 'no champion'}; "
            + ("; ".join(wrong) if wrong else "all are as they were written")
        )
    return problems
