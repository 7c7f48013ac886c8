"""The pages of the collection, as antsibull-docs builds them for Ansible's own site: without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.collection import ROOT
from tools.galaxy.stage import stage

BIN = Path(sys.executable).parent
# What the generated pages lead to on Ansible's own site, which is not asked here.
ELSEWHERE = (
    r"(?:action|callback|lookup|strategy)_plugins|ansible_configuration_settings|common_return_values"
    r"|ansible_collections\.ansible\.builtin\..*"
)
SETTINGS = f"""
intersphinx_mapping = {{}}
nitpick_ignore_regex = [("std:ref", r"{ELSEWHERE}")]
"""


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Ansible looks for collections, and finds this one."""
    folder = tmp_path_factory.mktemp("collections")
    stage(ROOT, folder / "ansible_collections/whisperx/fleet")
    return folder


def run(collections: Path, program: str, *words: str | Path) -> None:
    """Run a program of the environment, which has to succeed without a warning."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env |= {"PATH": f"{BIN}:{env['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(collections)}
    done = subprocess.run([BIN / program, *words], env=env, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0 and "WARNING" not in told, told


def test_what_modules_and_roles_document_is_well_formed(collections: Path) -> None:
    options = ("--plugin-docs", "--validate-collection-refs=dependent", "--disallow-unknown-collection-refs")
    folder = collections / "ansible_collections/whisperx/fleet"
    run(collections, "antsibull-docs", "lint-collection-docs", *options, folder)


def test_the_pages_are_built_without_a_warning(collections: Path, tmp_path: Path) -> None:
    site, rst, built = (tmp_path / name for name in ("site", "site/rst", "built"))
    site.mkdir(mode=0o700)  # antsibull-docs writes only where nobody else can
    options = ("--use-current", "--squash-hierarchy", "--fail-on-error", "whisperx.fleet", "--dest-dir")
    run(collections, "antsibull-docs", "sphinx-init", "--sphinx-theme=alabaster", *options, site)
    with (site / "conf.py").open("a") as settings:
        settings.write(SETTINGS)
    rst.chmod(0o700)
    run(collections, "antsibull-docs", "collection", *options, rst)
    run(collections, "sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "-c", site, rst, built)
    modules = {f"{path.stem}_module" for path in (ROOT / "library").glob("*.py")}
    roles = {f"{path.name}_role" for path in (ROOT / "roles").iterdir()}
    assert modules | roles <= {path.stem for path in built.glob("*.html")}
