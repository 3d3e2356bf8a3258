"""The checks of a pipeline's gate, and the severity of each."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from include.core.errors import ConfigError
from include.core.import_path import import_named
from include.core.suggestions import unknown_name
from include.gate.check import Check
from include.gate.checks import CHECKS

if TYPE_CHECKING:
    from include.config.gate import Gate, Severity
    from include.config.pipeline import Pipeline

#: From the strictest to the mildest.
SEVERITIES: list[Severity] = ["keep", "inconclusive", "warn"]


def check_gate(pipeline: Pipeline) -> None:
    """Refuse a gate whose checks cannot be created.

    Raises
    ------
    ConfigError
        See `select_checks`.
    """
    try:
        select_checks(pipeline.gate)
    except ConfigError as error:
        raise ConfigError(f"{pipeline.name}: {error}") from error


def select_checks(gate: Gate) -> list[Check]:
    """Return the checks in the order of the report: Nightshift's by their codes, then the team's own.

    Raises
    ------
    ConfigError
        If gate.own_checks names something that is not a check, or gate.severities an unknown code or a severity
        below that of an essential check.
    """
    checks = [*CHECKS, *(_load_own(path) for path in gate.own_checks)]
    codes = [check.code for check in checks]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ConfigError(
            f"gate.own_checks: several checks have the code {', '.join(twice)}; a code names one check, so give yours "
            "another"
        )
    for code, severity in gate.severities.items():
        check = next((each for each in checks if each.code == code), None)
        if check is None:
            raise ConfigError(f"gate.severities: {unknown_name('check', code, codes)}")
        if check.essential and (severity == "off" or SEVERITIES.index(severity) > SEVERITIES.index(check.severity)):
            raise ConfigError(
                f"gate.severities: {code} ({check.title}) cannot be '{severity}', because the gate's promises depend "
                f"on it; leave it at '{check.severity}'"
            )
    return [check for check in checks if gate.severities.get(check.code) != "off"]


def severity_of(check: Check, gate: Gate) -> Severity:
    """Return the severity of a check in this gate."""
    chosen = gate.severities.get(check.code, check.severity)
    return check.severity if chosen == "off" else chosen


def _load_own(path: str) -> Check:
    """Return one of the team's own checks, by its import path."""
    kind = import_named("gate.own_checks", path, "the path")
    if not (inspect.isclass(kind) and issubclass(kind, Check)):
        raise ConfigError(
            f"gate.own_checks: {path} is not a check; name a class that derives from include.gate.check.Check"
        )
    lacking = [each for each in ("code", "title") if not isinstance(getattr(kind, each, None), str)]
    if lacking:
        raise ConfigError(f"gate.own_checks: {path} has no {' and no '.join(lacking)}; give the class both, as text")
    if kind.severity not in SEVERITIES:
        known = [str(each) for each in SEVERITIES]
        raise ConfigError(f"gate.own_checks: {path}: {unknown_name('severity', str(kind.severity), known)}")
    try:
        return kind()
    except Exception as error:
        raise ConfigError(
            f"gate.own_checks: {path} cannot be created without arguments ({error}); give each argument "
            "of its constructor a default"
        ) from error
