"""Retries: patient while a service is unavailable, and few if waiting cannot help."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowException

from plugins.retries import TRAINING_WAITS, WAITS, ServiceAway, WaitForService
from tests.dags.test_notifications import dags

if TYPE_CHECKING:
    from pathlib import Path

AWAY = ServiceAway("TrackingUnavailable: MLflow does not answer")


@pytest.mark.parametrize("waits", [WAITS, TRAINING_WAITS])
@pytest.mark.parametrize("earlier_tries", [0, 4])
def test_a_service_is_waited_for_at_least_half_an_hour(waits: tuple[timedelta, ...], earlier_tries: int) -> None:
    """MLflow was unavailable for three minutes and a person had to clear the task; a cleared task is patient again."""
    policy, retries = WaitForService(waits, others=1), len(waits)

    decisions = [policy.evaluate(AWAY, earlier_tries + each, earlier_tries + retries) for each in range(1, retries + 1)]

    assert {each.action for each in decisions} == {RetryAction.RETRY}
    delays = [each.retry_delay for each in decisions]
    assert delays == sorted(delays)
    assert sum(delays, timedelta()) >= timedelta(minutes=30)


@pytest.mark.parametrize("error", [KeyError("a bug"), AirflowException("SourceEmpty: no rows yet")])
def test_other_errors_are_retried_only_briefly(error: Exception) -> None:
    """Only unavailable services are retried for half an hour."""
    policy = WaitForService(WAITS, others=1)

    assert policy.evaluate(error, 1, len(WAITS)).action == RetryAction.DEFAULT
    assert policy.evaluate(error, 2, len(WAITS)).action == RetryAction.FAIL


def test_every_task_waits_for_services(shop: Path) -> None:
    """Every kind of DAG; ingestion also waits for late deliveries, with longer retries."""
    for kind, dag in dags(shop, "").items():
        for task in dag.tasks:
            arguments = task.partial_kwargs if task.is_mapped else vars(task)
            policy = arguments["retry_policy"]
            if kind == "ingest":
                assert policy is None
                assert arguments["retries"] == 4
                assert arguments["retry_exponential_backoff"]
            else:
                assert isinstance(policy, WaitForService), task.task_id
                assert arguments["retries"] == len(policy.waits)
