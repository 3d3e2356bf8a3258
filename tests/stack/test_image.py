"""The image alone, without the stack: what is not in it, and who it is."""

from __future__ import annotations

import os

from tests.stack.stack import docker

#: With another one, whether these tests can fail is tried: NIGHTSHIFT_IMAGE=python:3.11-slim-bookworm.
IMAGE = os.environ.get("NIGHTSHIFT_IMAGE") or "nightshift:latest"

#: What installs or compiles software, fetches it, or becomes another user.
TOOLS = (
    *("pip", "pip3", "easy_install", "uv", "conda", "apt", "apt-get", "dpkg", "apk", "gcc", "cc", "g++", "make"),
    *("git", "curl", "wget", "sudo"),
)
#: What is in it: a probe that finds nothing at all would be no proof of the rest.
PRESENT = ("sh", "python", "airflow", "mlflow", "pg_dump")


def run(script: str, *arguments: str) -> list[str]:
    """Run a shell script in the image, to its end, and return the words that it printed."""
    started = ("run", "--rm", "--network", "none", "--entrypoint", "sh", IMAGE)
    return docker(*started, "-euc", f"{script}\necho ended", "sh", *arguments).split()


def test_no_tool_is_on_the_path() -> None:
    """Each is asked for by itself: `command -v` of several looks at the first alone, and pip was there."""
    found = run('for tool; do if command -v "$tool" >/dev/null; then echo "$tool"; fi; done', *TOOLS, *PRESENT)

    assert found == [*PRESENT, "ended"]


def test_no_python_has_an_installer() -> None:
    """Neither the project's Python nor the one below it has pip, or can make it from the wheels that Python brings."""
    script = (
        "import importlib.util, sys; "
        "print(*(name for name in ('pip', 'ensurepip', 'setuptools', 'json') if importlib.util.find_spec(name)))"
    )
    below = '"$(python -c "import sys; print(sys._base_executable)")"'

    assert run(f'python -c "$1"; {below} -I -c "$1"', script) == ["json", "json", "ended"]
    assert run("find / -xdev -name '*.whl' 2>/dev/null || true") == ["ended"]
    assert "/opt/nightshift/requirements.txt" in run("find / -xdev -name 'requirements.txt' 2>/dev/null || true")


def test_it_is_nobody_and_becomes_nobody_else() -> None:
    """No file gives its user's rights away, and neither the code nor the libraries can be written."""
    places = (
        "/opt/nightshift",
        "/opt/nightshift/include",
        "/opt/nightshift/.venv/bin",
        "/usr/bin",
        "/etc",
        "/var/lib/nightshift/home",
    )
    writable = run('for place; do if [ -w "$place" ]; then echo "$place"; fi; done', *places)

    assert run("id -u; id -G") == ["50000", "50000", "ended"]
    assert writable == ["/var/lib/nightshift/home", "ended"]
    assert run("find / -xdev -type f -perm /6000 2>/dev/null || true") == ["ended"]
    assert "/usr/bin/env" in run("find / -xdev -type f -perm /0111 -name env 2>/dev/null || true")


def test_it_says_where_it_runs_and_keeps_no_settings_of_its_build() -> None:
    """A missing folder's sentence speaks of mounts; the build's own index and caches are not in the image."""
    assert run('echo "$container"') == ["oci", "ended"]
    assert run('for file; do if [ -e "$file" ]; then echo "$file"; fi; done', "/etc/pip.conf", "/etc/passwd") == [
        "/etc/passwd",
        "ended",
    ]
