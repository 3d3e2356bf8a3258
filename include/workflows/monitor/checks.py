"""The checks of the monitor, in the order in which the table has them.

A new check is a `MonitoringCheck` in `CHECKS` of drift_checks.py or quality_checks.py; nothing here changes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.workflows.monitor import drift_checks, quality_checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.workflows.monitor.check import MonitoredDays, MonitoringResult

CHECKS = (*quality_checks.CHECKS, *drift_checks.CHECKS)


def judge_days(days: MonitoredDays) -> list[MonitoringResult]:
    """Return the results of all checks."""
    return [result for check in CHECKS for result in check.judge(days)]


def reasons_to_retrain(alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return kind and name of the alerts that a newer model may end.

    Parameters
    ----------
    alerts
        As `MonitoringResult.to_json` returns them.
    """
    helps = {check.kind for check in CHECKS if check.retraining_helps}
    return [f"{each['kind']} {each['name']}" for each in alerts if each["kind"] in helps]
