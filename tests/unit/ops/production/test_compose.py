"""docker-compose.yaml keeps what docs/explanation/security.md promises of every service."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from include.core import settings
from include.ops.production.secrets import SECRETS

TEXT = (settings.root() / "docker-compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
TASKS = ("worker-1", "worker-2")
#: They end with what they have to do.
ONCE = ("own-postgres", "own-redis", "migrate-airflow", "migrate-mlflow", "backup")
#: Their images are run by a user who is not root, as the Dockerfile says for ours.
NOBODY = ("statsd", "prometheus", "grafana")
#: They write large files: the database, models, rows that do not fit into memory.
WRITING = ("postgres", "mlflow", *TASKS, "backup", *NOBODY)


def environment(service: str) -> str:
    """Return the settings of a service as text."""
    return str(SERVICES[service].get("environment", {})) + str(SERVICES[service].get("command", ""))


def secrets_of(service: str) -> set[str]:
    """Return the secrets of a service."""
    return set(re.findall(r"\$\{(NIGHTSHIFT_\w+)", environment(service))) & SECRETS.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_bounds(service: str) -> None:
    """Each restarts, writes bounded logs, has bounded memory, no capability, and gains no privilege."""
    found = SERVICES[service]

    assert found["restart"] == ("no" if service in ONCE else "unless-stopped")
    assert found["logging"]["options"]["max-size"]
    assert found["mem_limit"]
    assert "no-new-privileges:true" in found["security_opt"]
    assert found["cap_drop"] == ["ALL"]
    assert found.get("read_only", False) == (service not in WRITING)


@pytest.mark.parametrize("service", SERVICES)
def test_root_only_changes_the_owner_of_a_volume(service: str) -> None:
    """Redis ran as root with the engine's usual capabilities. Who is root reaches no network and ends at once."""
    found = SERVICES[service]
    if service.startswith("own-"):
        assert (found["user"], found["network_mode"], found["cap_add"]) == (
            "root",
            "none",
            ["CHOWN", "DAC_READ_SEARCH"],
        )
        return
    assert "cap_add" not in found
    if found["image"].startswith("${NIGHTSHIFT_IMAGE:-"):
        assert "user" not in found  # the image's
        assert re.search(r"^USER nightshift$", (settings.root() / "Dockerfile").read_text(), re.MULTILINE)
    elif service not in NOBODY:
        assert found["user"] == service
        assert found["depends_on"][f"own-{service}"]["condition"] == "service_completed_successfully"


def test_the_group_of_the_requesting_user_can_read_backups() -> None:
    """The image's user is a member of it, and `make backup` shares the folder with it."""
    assert SERVICES["backup"]["group_add"] == ["${NIGHTSHIFT_BACKUP_GROUP:-50000}"]
    makefile = (settings.root() / "Makefile").read_text()
    assert "install -d -m 2770 backups" in makefile
    assert makefile.count("$(BACKUP) run --rm backup") == 2


def test_only_the_pages_are_published_and_on_this_machine() -> None:
    """The databases, the queue and the parts without a page have no port outside."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published.keys() == {"api-server", "mlflow", "grafana"}
    assert all(port.startswith("${NIGHTSHIFT_PUBLISH_ADDRESS:-127.0.0.1}:") for (port,) in published.values())


def test_every_secret_is_generated_and_none_is_in_the_repository() -> None:
    """Compose takes each secret from .env and names only secrets that `make stack` generates."""
    used = {name for service in SERVICES for name in secrets_of(service)}
    named = set(re.findall(r"\$\{(NIGHTSHIFT_\w*(?:PASSWORD|SECRET|KEY)\w*)", TEXT))

    assert named == used == SECRETS.keys()


def test_a_missing_secret_stops_compose() -> None:
    """Compose itself refuses an empty secret of a service."""
    for name in SECRETS:
        assert f"${{{name}:?run make stack}}" in TEXT


@pytest.mark.parametrize("service", TASKS)
def test_tasks_get_only_the_secrets_that_they_need(service: str) -> None:
    """A task's code can read its environment: Airflow's database, its keys and its users are not there."""
    assert secrets_of(service) == {
        "NIGHTSHIFT_CELERY_DB_PASSWORD",
        "NIGHTSHIFT_MLFLOW_PASSWORD",
        "NIGHTSHIFT_OPTUNA_DB_PASSWORD",
        "NIGHTSHIFT_REDIS_PASSWORD",
    }


def test_the_page_of_all_models_reaches_mlflow() -> None:
    """The API server asks MLflow for champions and holds by the tasks' login, and for nothing else of theirs."""
    address = SERVICES["api-server"]["environment"]["MLFLOW_TRACKING_URI"]
    assert address == SERVICES["worker-1"]["environment"]["MLFLOW_TRACKING_URI"]
    assert "NIGHTSHIFT_MLFLOW_PASSWORD" in secrets_of("api-server")
    assert "NIGHTSHIFT_OPTUNA_DB_PASSWORD" not in secrets_of("api-server")


def test_parts_start_when_the_parts_that_they_need_are_healthy() -> None:
    """Nothing of Airflow starts before the migration has ended, and no worker before the API and MLflow answer."""
    for name in ("api-server", "scheduler", "dag-processor", "triggerer", *TASKS):
        assert SERVICES[name]["depends_on"]["migrate-airflow"]["condition"] == "service_completed_successfully"
    for name in TASKS:
        assert SERVICES[name]["depends_on"]["mlflow"]["condition"] == "service_healthy"
        assert SERVICES[name]["depends_on"]["api-server"]["condition"] == "service_healthy"


@pytest.mark.parametrize(
    ("server", "variable"), [("api-server", "AIRFLOW__API__BASE_URL"), ("worker-1", "NIGHTSHIFT_MLFLOW_URL")]
)
def test_links_lead_to_the_published_port(server: str, variable: str) -> None:
    """With another port than 8080 the login page led to 8080, where nothing answered."""
    port = re.search(r"\$\{NIGHTSHIFT_\w+_PORT:-\d+\}", SERVICES[server]["environment"][variable])
    published = str([each.get("ports") for each in SERVICES.values()])

    assert port
    assert port[0] in published
