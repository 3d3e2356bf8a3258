"""The files for Kubernetes fit together, and Airflow and Kubernetes' client know every field in them.

The chart itself is not here, so whether it knows each value is not tested.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.client import ApiClient, Configuration

from tests.services.airflow import ROOT, airflow_environment

if TYPE_CHECKING:
    from pathlib import Path

FILES = ROOT / "config" / "kubernetes"
VALUES = yaml.safe_load((FILES / "values.yaml").read_text())
SETTINGS = yaml.safe_load(VALUES["extraConfigMaps"]["nightshift-settings"]["data"])
POD = yaml.safe_load((FILES / "pod_template.yaml").read_text())

PARTS = ("apiServer", "scheduler", "dagProcessor", "triggerer")

#: What is read by others than Airflow and Nightshift: Python, the drivers of the store and of PostgreSQL, MLflow, GX.
OF_OTHERS = {
    "PYTHONPATH",
    "HOME",
    "AWS_REGION",
    "PGSSLMODE",
    "MLFLOW_DISABLE_TELEMETRY",
    "GX_ANALYTICS_ENABLED",
    "DO_NOT_TRACK",
}

AIRFLOW_KNOWS = """
import json, sys
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
options, commands = json.loads(sys.argv[1])
known = conf.configuration_description
told = [f"{section}.{option}" for section, option in options if option not in known.get(section, {}).get("options", {})]
for words in commands:
    try:
        get_parser().parse_args(words)
    except SystemExit:
        told.append(" ".join(words))
print("TOLD" + json.dumps(told))
"""


def commands_of(values: Any) -> list[list[str]]:
    """Return the arguments of each `airflow` command anywhere in the values."""
    if isinstance(values, dict):
        return [found for each in values.values() for found in commands_of(each)]
    if isinstance(values, list):
        return [found for each in values for found in commands_of(each)]
    parts = str(values).split("&&")
    return [shlex.split(found[1]) for part in parts if (found := re.search(r"\bairflow ((?:db|pools|jobs) .*)", part))]


def as_the_client_reads_it(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return an object after a round trip through Kubernetes' client, which drops unknown fields."""
    client = ApiClient(configuration=Configuration())
    return client.sanitize_for_serialization(client._ApiClient__deserialize(content, kind))


def test_airflow_knows_each_setting_and_takes_each_command(tmp_path: Path) -> None:
    """Airflow's configuration has each option, and its parser accepts the commands of the job and the probes."""
    options = [name.lower().split("__")[1:] for name in SETTINGS if name.startswith("AIRFLOW__")]
    options += [[section, option] for section, given in VALUES["config"].items() for option in given]
    commands = commands_of(VALUES)
    assert [words[:2] for words in commands].count(["jobs", "check"]) == 4
    assert len(commands) == 6

    done = subprocess.run(
        [sys.executable, "-c", AIRFLOW_KNOWS, json.dumps([options, commands])],
        env=airflow_environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.rpartition("TOLD")[2]) == []


def test_every_other_setting_is_one_of_ours() -> None:
    """The configuration page names each variable, or it belongs to a library that is named here."""
    page = (ROOT / "docs" / "how-to" / "configure.md").read_text()
    ours = {name for name in SETTINGS if not name.startswith("AIRFLOW_")} - OF_OTHERS

    assert {name for name in ours if f"`{name}`" not in page} == set()
    assert {type(value) for value in SETTINGS.values()} == {str}  # a ConfigMap takes nothing else


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("V1Pod", POD),
        ("V1PodSecurityContext", VALUES["securityContexts"]["pod"]),
        ("V1SecurityContext", VALUES["securityContexts"]["containers"]),
        ("list[V1Volume]", VALUES["volumes"]),
        ("list[V1VolumeMount]", VALUES["volumeMounts"]),
        ("list[V1EnvFromSource]", yaml.safe_load(VALUES["extraEnvFrom"])),
        *(("V1ResourceRequirements", VALUES[part]["resources"]) for part in PARTS),
    ],
)
def test_kubernetes_knows_each_field(kind: str, content: Any) -> None:
    """No field is lost, as a field with a wrong name would be."""
    assert as_the_client_reads_it(kind, content) == content


def test_a_tasks_pod_matches_the_other_parts() -> None:
    """Settings, secrets, user, rights and volumes match the values, as do the names of the chart's objects."""
    spec, container = POD["spec"], POD["spec"]["containers"][0]

    assert container["envFrom"] == yaml.safe_load(VALUES["extraEnvFrom"])
    assert spec["securityContext"] == VALUES["securityContexts"]["pod"]
    assert container["securityContext"] == VALUES["securityContexts"]["containers"]
    assert (spec["volumes"], container["volumeMounts"]) == (VALUES["volumes"], VALUES["volumeMounts"])
    assert spec["serviceAccountName"] == VALUES["workers"]["serviceAccount"]["name"]
    assert POD["metadata"]["labels"]["release"] == VALUES["fullnameOverride"]
    assert "{{" not in (FILES / "pod_template.yaml").read_text()  # the chart would take it for a template of its own


def test_a_tasks_pod_knows_none_of_airflows_own_secrets() -> None:
    """A task's environment has neither Airflow's database address nor its keys."""
    secrets = {VALUES["data"]["metadataSecretName"]} | {
        VALUES[name] for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName")
    }

    assert len(secrets) == 4
    assert [name for name in secrets if name in json.dumps(POD)] == []


def test_the_values_agree_with_the_rest_of_the_project() -> None:
    """The training pool is created, tasks find the API server, and Airflow has the locked version."""
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    [made] = [words for words in commands_of(VALUES["migrateDatabaseJob"]) if words[0] == "pools"]

    assert made[2] == SETTINGS["NIGHTSHIFT_TRAINING_POOL"]
    assert SETTINGS["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith(
        f"http://{VALUES['fullnameOverride']}-api-server:"
    )
    assert SETTINGS["AIRFLOW_HOME"] == VALUES["airflowHome"] == VALUES["volumeMounts"][1]["mountPath"]
    assert locked
    assert VALUES["airflowVersion"] == locked[1]
