"""Pin what a retraining run reads, which champion it compares to, and how long it may search."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from include.core import settings
from include.core.errors import ConfigError
from include.features.snapshot import check_published, pin_day
from include.gate.selection import check_gate
from include.ingestion.published_days import missing_range
from include.registry.verification import find_recorded_champion
from include.workflows.pinned_plan import PinnedPlan

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunPlan(PinnedPlan):
    """Everything that determines a retraining run; a repeated run has the same plan.

    Attributes
    ----------
    champion
        The version that the challenger must beat, or None where there is no champion yet.
    """

    tuning_seconds: int
    dry_run: bool
    seed: int
    code_version: str
    lock: str
    created_at: datetime


def plan_run(
    pipeline: Pipeline,
    run_key: str,
    as_of: date | None = None,
    tuning_seconds: int | None = None,
    *,
    dry_run: bool = False,
) -> RunPlan:
    """Pin the inputs of a run, or return the plan that this run made earlier.

    Parameters
    ----------
    as_of
        None means the last day that every daily source has.

    Raises
    ------
    ConfigError
        If a check of the gate cannot be loaded, or `tuning_seconds` is less than 1.
    NotIngested
        If the lake does not hold every source up to `as_of`.
    TrackingUnavailable
        If MLflow does not answer which version is the champion.
    """
    existing = RunPlan.load_existing(pipeline.name, run_key)
    if existing:
        return existing
    seconds = pipeline.training.tuning.seconds if tuning_seconds is None else tuning_seconds
    if seconds < 1:
        raise ConfigError(
            f"{pipeline.name}: this run has {seconds} tuning_seconds, and a search needs at least 1; start another run "
            f"with more, or without tuning_seconds for the {pipeline.training.tuning.seconds} of pipeline.yaml"
        )
    check_gate(pipeline)  # a mistake in the gate should stop the run now, not after hours of training
    as_of, snapshot = pin_day(pipeline, as_of, needed_by="this run", instead="start a run")
    check_published(pipeline, as_of)
    holes = missing_range(pipeline, as_of)
    if holes:
        log.warning(
            "%s: the lake lacks days from %s to %s, so the model does not learn from them and trailing features cover "
            "fewer days; run the DAG %s.ingest for these days",
            pipeline.name,
            *holes,
            pipeline.name,
        )
    plan = RunPlan(
        pipeline=pipeline.name,
        run_key=run_key,
        as_of=as_of,
        snapshot=snapshot,
        champion=find_recorded_champion(pipeline.name),
        tuning_seconds=seconds,
        dry_run=dry_run,
        seed=pipeline.training.seed,
        code_version=code_version(),
        lock=lock_digest(),
        created_at=datetime.now(UTC).replace(microsecond=0),
    )
    plan.save()
    champion = f"version {plan.champion.version}" if plan.champion else "none yet"
    log.info("%s: planned as of %s, champion %s, table versions %s", pipeline.name, as_of, champion, snapshot)
    return plan


def code_version() -> str:
    """Return the commit of the running code, with `-dirty` where files differ from the commit.

    In an image without git, NIGHTSHIFT_CODE_VERSION names the commit.
    """
    named = os.environ.get("NIGHTSHIFT_CODE_VERSION")
    if named:
        return named
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=settings.root(),
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()


def lock_digest() -> str:
    """Return a digest of the locked requirements."""
    try:
        return hashlib.sha256((settings.root() / "requirements.txt").read_bytes()).hexdigest()[:16]
    except OSError:
        return "unknown"
