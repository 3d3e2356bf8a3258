"""What a person decides about the champion, carried out and recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.registry.records.chain import append
from include.training.model_file import trusted_of

if TYPE_CHECKING:
    from include.config.pipeline import Pipeline
    from include.core.json_value import JsonObject
    from include.registry.promotion import ChampionChange
    from include.registry.records.record import Kind


def check_promotable(pipeline: Pipeline, version: int) -> None:
    """Refuse a version that cannot become the champion; see `include.registry.promotion`."""
    from include.registry import promotion

    promotion.check_promotable(pipeline.name, version, trusted=trusted_of(pipeline.training))


def promote(pipeline: Pipeline, version: int, *, reason: str, by: str, approver: str | None = None) -> ChampionChange:
    """Make a version the champion whatever its verdict, and record it; see `include.registry.promotion`."""
    from include.registry import promotion

    change = promotion.promote(pipeline.name, version, reason=reason, by=by, trusted=trusted_of(pipeline.training))
    _record_change("promotion", change, by, reason, {"approver": approver})
    return change


def rollback(pipeline: Pipeline, to: int | None, *, reason: str, by: str) -> ChampionChange:
    """Make an earlier version the champion again, hold automatic promotion, and record it."""
    from include.registry import promotion

    change = promotion.rollback(pipeline.name, to, reason=reason, by=by, trusted=trusted_of(pipeline.training))
    _record_change("rollback", change, by, reason)
    return change


def hold(pipeline: Pipeline, *, reason: str, by: str) -> ChampionChange:
    """Hold automatic promotion until it is released, and record it."""
    from include.registry import promotion

    change = promotion.hold(pipeline.name, reason=reason, by=by)
    _record_change("hold", change, by, reason)
    return change


def release(pipeline: Pipeline, *, by: str, reason: str = "") -> tuple[ChampionChange, str]:
    """Release a hold, record it where there was one, and return the change with a sentence."""
    from include.registry import promotion

    change, was = promotion.release(pipeline.name, by=by)
    if was is None:
        return change, f"{pipeline.name}: there was no hold"
    released = f"released the hold of {was.by} since {was.at}: {was.reason}"
    _record_change("release", change, by, f"{reason}; {released}" if reason else released)
    return change, f"{pipeline.name}: released the hold of {was.by} since {was.at}"


def describe_change(change: ChampionChange) -> list[str]:
    """Return which version was the champion, which is now, and the hold in force, in sentences."""
    lines = [f"{change.pipeline}: {_champion_change(change.before, change.after)}"]
    if change.hold:
        lines.append(f"{change.pipeline}: automatic promotion is {change.hold.note(change.pipeline)}")
    return lines


def _champion_change(before: int | None, after: int | None) -> str:
    if before == after:
        return f"the champion is still version {after}" if after else "there is still no champion"
    if before is None:
        return f"version {after} is the champion; there was none before"
    return f"the champion was version {before} and is {f'version {after}' if after else 'none'}"


def _record_change(kind: Kind, change: ChampionChange, by: str, reason: str, more: JsonObject | None = None) -> None:
    """Record a person's decision about the champion, after it has taken effect.

    A decision that is repeated because the first attempt was killed has one record.
    """
    # the time of its hold identifies a roll-back; a promotion takes effect once
    moment = change.hold.at if change.hold and kind in ("hold", "rollback") else _now().isoformat()
    content = {
        "champion_before": change.before,
        "champion_after": change.after,
        "hold": change.hold.to_json() if change.hold else None,
        "reason": reason,
    }
    key = f"{kind} {change.before} {change.after} {moment}"
    append(change.pipeline, kind, key, by=by, content=content | (more or {}), now=_now())


def _now() -> datetime:
    return datetime.now(UTC)
