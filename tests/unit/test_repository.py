"""What the repository promises of itself."""

from __future__ import annotations

import re
import subprocess

from include import settings

ROOT = settings.root()
OWN_PLACES = ("include/pipelines/flight_delays/", "include/demo/")


def tracked(*patterns: str) -> list[str]:
    """Return the files that git knows, or would with `git add`, by their paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def test_only_its_folder_and_the_demo_know_of_flights() -> None:
    """All that is particular to a model is in its folder: the code that runs it names none."""
    code = [path for path in tracked("dags", "plugins", "include", "config") if not path.startswith(OWN_PLACES)]
    naming = [path for path in code if re.search(r"flight|airline|airport", (ROOT / path).read_text(), re.IGNORECASE)]

    assert len(code) > 50
    assert naming == []


def test_the_lock_names_no_package_index() -> None:
    """A lock that names an address would install from there and nowhere else."""
    for lock in ("requirements.txt", "requirements-extras.txt", "requirements-dev.txt", "requirements-bench.txt"):
        text = (ROOT / lock).read_text()
        assert "==" in text
        assert not re.search(r"https?://|--index|--extra-index|--find-links", text)


def test_every_direct_requirement_is_locked() -> None:
    """What requirements.in asks for is in the lock at one version."""
    names = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    locked = (ROOT / "requirements.txt").read_text()

    assert names
    assert [name for name in names if not re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE)] == []


def test_every_link_between_the_documents_leads_somewhere() -> None:
    """A relative link or picture in a document names a file that is there."""
    broken = []
    for document in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", (ROOT / document).read_text()):
            if "://" not in target and not ((ROOT / document).parent / target).exists():
                broken.append(f"{document}: {target}")

    assert broken == []


def test_make_lists_its_commands() -> None:
    """A bare `make` names every command that the README speaks of."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    spoken_of = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text()))

    assert {"demo", "test", "up", "lock", "clean"} <= spoken_of
    assert [command for command in sorted(spoken_of) if f"make {command}" not in listed] == []
