"""Read the importance of the features to the champion, as its run recorded it."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.evaluation.importance import ChampionImportance
from include.registry.champion import CHAMPION, aliases
from include.registry.client import mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


def champion_importance(name: str) -> ChampionImportance | None:
    """Return the importance of the features to a pipeline's champion, or None where there is no champion.

    A run of an older Nightshift may have recorded less; this is no error.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """
    with mlflow_client(f"reading the importance of the features of {name}") as client:
        number = aliases(client, name).get(CHAMPION)
        if number is None:
            return None
        run_id = client.get_model_version(name, number).run_id
        present = {each.path for each in client.list_artifacts(run_id)} if run_id else set()
        documents = {
            path: _document(client, run_id, f"{path}.json")
            for path in ("importance", "challenger", "evidence")
            if f"{path}.json" in present
        }
    try:
        measured = {each["feature"]: (float(each["mean"]), float(each["std"])) for each in documents["importance"]}
        measured = {name: each for name, each in measured.items() if all(map(math.isfinite, each))}
        learned_from = [str(each) for each in documents.get("challenger", {}).get("features") or []]
        metric = str(documents.get("evidence", {}).get("metric", ""))
    except (KeyError, TypeError, ValueError, AttributeError):
        log.info("%s: the run of the champion, version %s, recorded no importance of features", name, number)
        return ChampionImportance(int(number))
    return ChampionImportance(int(number), metric, learned_from or None, measured or None)


def _document(client: MlflowClient, run_id: str, path: str) -> Any:
    """Return a JSON document of a run, or None where it is not valid JSON."""
    with TemporaryDirectory(prefix="importance-") as folder:
        try:
            return json.loads(Path(client.download_artifacts(run_id, path, folder)).read_text(encoding="utf-8"))
        except ValueError:
            return None
