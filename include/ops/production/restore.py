"""Restore: put a backup into empty databases and folders, and verify the result.

A restore first checks the digest of every part, and that every target is empty. It restores the parts in the opposite
order of the backup, so that an interrupted restore leaves no reference to a missing object.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import RestoreRefused
from include.ops.production.archive import clear_unpacked, digest_of, is_empty, move_in, unpack
from include.ops.production.backup import databases_of
from include.ops.production.backup_manifest import read_manifest
from include.ops.production.backup_targets import find_targets
from include.ops.production.databases import load, part_name, refuse_unless_empty

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.ops.production.backup_manifest import BackupManifest
    from include.ops.production.backup_targets import BackupTargets, Database, Tree


def restore(backup: Path, tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Restore a backup into the targets that the environment names, and return the problems found afterwards.

    Parameters
    ----------
    tell
        Called with a line about each part and each pipeline.

    Raises
    ------
    RestoreRefused
        If the backup was changed, or a target is not empty or does not fit; nothing is restored.
    """
    manifest, targets = read_manifest(backup), find_targets()
    _refuse_changed(backup, manifest)
    _refuse_misfits(manifest, targets)
    tell(f"{backup.name}: {len(manifest.parts)} parts are unchanged since {manifest.made_at}")
    try:
        _restore_parts(backup, manifest, targets, tell)
    except OSError as error:
        raise RestoreRefused(
            f"{error.filename or backup} could not be read or written ({error.strerror or error}); the restore is "
            "incomplete; check permissions and free space, empty the databases and folders, then run this again"
        ) from error
    for line in _notes(manifest, targets):
        tell(line)
    return _verify(manifest, targets, tell)


def _refuse_changed(backup: Path, manifest: BackupManifest) -> None:
    for part in manifest.parts.values():
        path = backup / part.file
        if Path(part.file).name != part.file or not path.is_file():
            raise RestoreRefused(f"{path} is missing; use another backup; nothing was restored")
        size = path.stat().st_size
        if size != part.bytes or digest_of(path) != part.sha256:
            raise RestoreRefused(
                f"{path} was changed after the backup: it has {size:,} bytes, and expected were {part.bytes:,} bytes "
                f"with the SHA-256 {part.sha256[:12]}…; use another backup; nothing was restored"
            )


def _refuse_misfits(manifest: BackupManifest, targets: BackupTargets) -> None:
    """Refuse a part without a fitting target, and a target that is not empty."""
    databases = {database.name: database for database in databases_of(targets)}
    trees = {"artifacts": targets.artifacts, "lake-decisions": targets.lake, "lake-tables": targets.lake}
    settings_of = {"mlflow-logins": "MLFLOW_AUTH_CONFIG_PATH", "trials": "NIGHTSHIFT_TUNING_STORAGE"}
    for name, part in manifest.parts.items():
        if name in trees:
            _folder(trees[name])
        elif name not in databases:
            raise RestoreRefused(
                f"the backup has {part.file}, and no setting names its target; set {settings_of.get(name, name)} as it "
                "was when the backup was made; nothing was restored"
            )
        elif part_name(databases[name]) != part.file:
            raise RestoreRefused(
                f"{part.file} cannot be restored into {databases[name].shown}: a backup of SQLite needs SQLite, and "
                f"one of PostgreSQL needs PostgreSQL; change {databases[name].setting}; nothing was restored"
            )
    for name in manifest.parts:
        if name in databases:
            refuse_unless_empty(databases[name])
        elif not is_empty(_folder(trees[name])):
            raise RestoreRefused(
                f"{trees[name].folder} is not empty, and a backup is only restored into an empty folder; name another "
                f"folder in {trees[name].setting} or NIGHTSHIFT_HOME, or move its files away; nothing was restored"
            )


def _restore_parts(backup: Path, manifest: BackupManifest, targets: BackupTargets, tell: Callable[[str], None]) -> None:
    databases = {database.name: database for database in databases_of(targets)}

    def put_tree(name: str, tree: Tree) -> None:
        if name in manifest.parts:
            folder = _folder(tree)
            move_in(unpack(backup / manifest.parts[name].file, folder), folder)
            tell(f"{name}: {folder}")

    def put_database(name: str) -> None:
        if name in manifest.parts:
            load(databases[name], backup / manifest.parts[name].file)
            tell(f"{name}: {databases[name].shown}")

    for tree in (targets.lake, targets.artifacts):
        if tree.name in manifest.folders:
            clear_unpacked(_folder(tree))
    put_tree("lake-tables", targets.lake)
    put_tree("artifacts", targets.artifacts)
    put_database("mlflow")
    if "mlflow" in manifest.parts:
        _readdress(databases["mlflow"], manifest, targets, tell)
    put_database("mlflow-logins")
    put_tree("lake-decisions", targets.lake)
    _readdress_runs(manifest, targets)
    put_database("trials")
    put_database("airflow")


def _folder(tree: Tree) -> Path:
    if tree.folder is None:
        raise RestoreRefused(
            f"the backup has the files of {tree.name}, and {tree.setting} names the object store {tree.uri}; name a "
            "folder, and copy it to the store afterwards; nothing was restored"
        )
    return tree.folder


def _readdress(mlflow: Database, manifest: BackupManifest, targets: BackupTargets, tell: Callable[[str], None]) -> None:
    """Change the addresses of files in MLflow's database to the new folder."""
    from include.registry.mlflow_storage import move_artifacts

    before = manifest.folders.get("artifacts")
    if before is None or Path(before) == targets.artifacts.folder:
        return
    changed = move_artifacts(mlflow.url, Path(before), _folder(targets.artifacts))
    if changed:
        tell(f"mlflow: {changed} addresses of files were changed from {before} to {targets.artifacts.folder}")


def _readdress_runs(manifest: BackupManifest, targets: BackupTargets) -> None:
    """Change the address of the feature table in the folders of runs, so that cleared tasks find it."""
    before = manifest.folders.get("lake")
    if before is None or Path(before) == targets.lake.folder:
        return
    for path in _folder(targets.lake).glob("*/runs/*/features.json"):
        content = json.loads(path.read_bytes())
        uri = str(content.get("uri", ""))
        if uri.startswith(f"{before}/"):
            content["uri"] = settings.lake_uri() + uri.removeprefix(before)
            path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _notes(manifest: BackupManifest, targets: BackupTargets) -> list[str]:
    """Return the notes for the user of a successful restore."""
    notes = [f"not in the backup: {note}" for note in manifest.notes]
    if "airflow" in manifest.parts and manifest.fernet != targets.fernet:
        notes.append(
            "Airflow cannot read the connections and variables in its database, because they were encrypted with "
            "another key than the present one; set the old key before Airflow starts "
            "(AIRFLOW__CORE__FERNET_KEY, or secrets.json of the embedded stack)"
        )
    return notes


def _verify(manifest: BackupManifest, targets: BackupTargets, tell: Callable[[str], None]) -> list[str]:
    """Compare every pipeline's records and models with their digests, as `./nightshift verify` does."""
    from include.registry.mlflow_storage import stored_champions, verify_stored_models
    from include.registry.records.chain import examine

    problems = []
    found = stored_champions(targets.mlflow.url) if "mlflow" in manifest.parts else []
    champions = {each.name: each.number for each in found}
    for pipeline, head in manifest.heads.items():
        records, wrong = examine(pipeline, head)
        if "mlflow" in manifest.parts:
            wrong += verify_stored_models(pipeline, records, targets.mlflow.url, targets.artifacts.folder)
        problems += wrong
        champion = champions.get(pipeline)
        tell(
            f"{pipeline}: {len(records)} record{'s' * (len(records) != 1)}, the last with the digest {head}; "
            f"{f'the champion is version {champion}' if champion else 'no champion'}; "
            + ("; ".join(wrong) if wrong else "all are unchanged")
        )
    return problems
