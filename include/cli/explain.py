"""`explain-row`: one prediction, as the contributions of the row's values."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from include.config import loader

if TYPE_CHECKING:
    from include.workflows.retrain.explain_row import RowExplained

#: Number of printed features without --all.
PRINTED = 20
#: Maximum printed length of a value.
LETTERS = 40


@click.command("explain-row")
@click.argument("pipeline")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="VALUE",
    help="Value of the row's key; give one for each key column.",
)
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Default: the champion.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help=f"Show every feature; default: the {PRINTED} with the largest contributions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_row(pipeline: str, keys: tuple[str, ...], version: int | None, everything: bool, as_json: bool) -> None:
    """Explain the prediction of PIPELINE's champion for one row of the newest feature table.

    Base and contributions add up to the prediction. They show what the model uses; they are not causes.
    """
    from include.workflows.retrain.explain_row import explain_row as explained

    found = explained(loader.load_pipeline(pipeline), keys, version)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False, default=str))
        return
    for line in [*_head(found), "", *_table(found, None if everything else PRINTED), "", *_sum(found)]:
        click.echo(line)


def _head(found: RowExplained) -> list[str]:
    key = ", ".join(f"{name} {value}" for name, value in found.key.items())
    several = f" (the newest of {found.rows})" if found.rows > 1 else ""
    label = "not known yet" if found.label is None else _value(found.label)
    return [
        f"{found.pipeline} version {found.version} ({found.family}), feature table version {found.table_version}",
        f"{key}, prediction time {found.prediction_time}{several}, label {label}",
    ]


def _table(found: RowExplained, most: int | None) -> list[str]:
    shown = found.features[:most]
    rows = [("feature", "raw value", f"adds ({found.unit})")]
    rows += [(each.feature, _value(each.value), f"{each.contribution:+.6f}") for each in shown]
    left = found.features[len(shown) :]
    if left:
        rows.append((f"{len(left)} more (--all)", "", f"{sum(each.contribution for each in left):+.6f}"))
    rows += [("base", "", f"{found.base:+.6f}"), ("sum", "", f"{found.total:+.6f}")]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    return [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]


def _sum(found: RowExplained) -> list[str]:
    of = f" of {found.predicted_class}" if found.predicted_class else ""
    what = {"log-odds": "a probability of ", "probability": "a probability of ", "value": ""}[found.unit]
    inner = "the model before its calibrator" if found.before_calibration else "the model"
    apart = abs(found.explained - found.prediction)
    agree = "they agree" if apart <= 1e-4 * max(1.0, abs(found.prediction)) else f"they are {apart:.3g} apart"
    lines = [f"The sum is {what}{found.explained:.6f}{of}; {inner} predicts {found.prediction:.6f}: {agree}."]
    if found.calibrated is not None:
        lines.append(f"Calibrated, that is a probability of {found.calibrated:.6f}.")
    return [*lines, f"Contributions: {found.method}."]


def _value(value: Any) -> str:
    """Return a raw value as short text."""
    if value is None:
        return "missing"
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
