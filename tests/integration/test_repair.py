"""The repair on a real wheel, of the CTranslate2 that WhisperX pinned for long; its library asks.

Downloads that wheel (about 40 MB). It runs on hosts with an older C library and with two that refuse
executable stacks, in containers, with the same interpreter; what it computes is compared to the last bit.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_abi.audit import audit
from module_utils.whisperx_abi.repair import Repaired, clear_execstack
from module_utils.whisperx_env import launch
from tests.integration.repair_lab import PYTHON, SUITES, VERSION, Hosts, download
from tests.unit.whisperx_env.env_hosts import wanted

REFUSING = [suite for suite, glibc in SUITES.items() if tuple(map(int, glibc.split("."))) >= (2, 41)]
TAKING = "bookworm"

# What a model of seeded random weights makes of seeded features, as JSON.
COMPUTE = """
import hashlib, json, os, sys, tempfile
sys.path.insert(0, sys.argv[1])
import ctranslate2, numpy as np
from module_utils.whisperx_verify.micro_model import PROMPT, make_features, make_model
with tempfile.TemporaryDirectory() as place:
    model = ctranslate2.models.Whisper(make_model(place), device="cpu", intra_threads=1)
    features = ctranslate2.StorageView.from_array(make_features())
    encoded = np.array(model.encode(features))
    found = model.generate(features, [PROMPT], beam_size=1, max_length=30, return_scores=True)[0]
    # This release hands out no logits. Their logarithmic softmax it does: of the best tokens of a step, and
    # of any text it is given.
    beam = {"beam_size": 200, "num_hypotheses": 200, "max_length": 4, "return_scores": True}
    best = model.generate(features, [PROMPT], suppress_tokens=[], **beam)[0]
    text = list(range(100, 100 + 200))
    given = model.align(features, PROMPT[:3], [text], 100)[0]
print(json.dumps({"libc": os.confstr("CS_GNU_LIBC_VERSION"), "version": ctranslate2.__version__,
                  "tokens": found.sequences_ids[0], "score": found.scores[0], "shape": encoded.shape,
                  "encoded": hashlib.sha256(encoded.tobytes()).hexdigest(),
                  "best": [(ids[-1], score) for ids, score in zip(best.sequences_ids, best.scores)],
                  "given": given.text_token_probs, "alignments": given.alignments}))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repair")


@pytest.fixture(scope="module")
def original(base: Path) -> Path:
    (base / "original").mkdir()
    return download(base / "original")


@pytest.fixture(scope="module")
def repaired(original: Path, base: Path) -> Repaired:
    return clear_execstack(str(original), str(base / "repaired"))


@pytest.fixture(scope="module")
def hosts(base: Path) -> Hosts:
    return Hosts(base)


@pytest.fixture(scope="module")
def trees(uv: str, original: Path, repaired: Repaired, base: Path) -> dict[str, Path]:
    """Packages installed from the original and from the repaired wheel, for the Python of the hosts."""
    found = {}
    for kind, wheel in (("original", str(original)), ("repaired", f"ctranslate2=={VERSION}")):
        # The repaired one as a package would require it: by the version, without the label.
        links = ["--find-links", str(Path(repaired.path).parent)] if kind == "repaired" else []
        found[kind] = base / f"tree-{kind}"
        command = [uv, "pip", "install", "-q", "--python-version", PYTHON, "--only-binary", ":all:", *links]
        # Old releases were built for numpy 1 and import setuptools' pkg_resources.
        command += ["--target", str(found[kind]), "numpy<2", "setuptools<81", wheel]
        subprocess.run(command, check=True)
    return found


def computed(hosts: Hosts, suite: str, tree: Path, **environment: str) -> dict[str, Any]:
    """What the packages in ``tree`` compute on a host."""
    root = str(Path(__file__).resolve().parents[2])
    done = hosts.run(suite, hosts.python, "-c", COMPUTE, root, PYTHONPATH=str(tree), **environment)
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout)
    assert values.pop("libc") == f"glibc {SUITES[suite]}"
    return values


@pytest.fixture(scope="module")
def reference(hosts: Hosts, trees: dict[str, Path]) -> dict[str, Any]:
    """What the original computes where it runs as it is."""
    return computed(hosts, TAKING, trees["original"])


def test_the_digests_are_those_of_the_files_and_the_bytes_are_stable(
    original: Path, repaired: Repaired, tmp_path: Path
) -> None:
    assert repaired.original_sha256 == hashlib.sha256(original.read_bytes()).hexdigest()
    assert repaired.sha256 == hashlib.sha256(Path(repaired.path).read_bytes()).hexdigest()
    assert clear_execstack(str(original), str(tmp_path)).sha256 == repaired.sha256
    assert Path(repaired.path).stat().st_size < original.stat().st_size * 1.02


def test_the_audit_refuses_the_original_and_takes_the_repaired(trees: dict[str, Path]) -> None:
    found = {kind: audit(str(tree), "2.41", "x86_64", False, "2.41") for kind, tree in trees.items()}
    assert [item.rule for item in found["original"].findings] == ["abi.execstack"]
    assert found["repaired"].findings == ()
    assert (trees["repaired"] / f"ctranslate2-{VERSION}+execstack0.dist-info").is_dir()


def test_both_compute_the_same_where_both_run(
    hosts: Hosts, trees: dict[str, Path], reference: dict[str, Any]
) -> None:
    """The same tokens, scores, encoder output, alignment and probabilities of 400 tokens, to the bit."""
    assert len(reference["tokens"]) > 1 and len(reference["best"]) == len(reference["given"]) == 200
    assert computed(hosts, TAKING, trees["repaired"]) == reference


@pytest.mark.parametrize("suite", REFUSING)
class TestWhereExecutableStacksAreRefused:
    def test_the_original_does_not_load(self, hosts: Hosts, trees: dict[str, Path], suite: str) -> None:
        done = hosts.run(suite, hosts.python, "-c", "import ctranslate2", PYTHONPATH=str(trees["original"]))
        assert done.returncode and "cannot enable executable stack" in done.stderr

    def test_the_repaired_computes_what_the_original_did_before(
        self, hosts: Hosts, trees: dict[str, Path], reference: dict[str, Any], suite: str
    ) -> None:
        assert computed(hosts, suite, trees["repaired"]) == reference

    def test_the_tunable_is_set_by_the_wrapper_and_nowhere_else(
        self, hosts: Hosts, trees: dict[str, Path], base: Path, suite: str
    ) -> None:
        release = base / f"release-{suite}"
        (release / "bin").mkdir(parents=True)
        python = release / "bin/python"
        python.write_text(
            f'#!/bin/sh\nPYTHONHOME=/lent/usr PYTHONPATH={trees["original"]} exec {hosts.python} "$@"\n'
        )
        python.chmod(0o755)
        tunable = {"GLIBC_TUNABLES": "glibc.rtld.execstack=2"}
        launch.write(wanted(environment=tunable, scripts=[]), str(release), str(trees["original"]))
        code = "import ctranslate2, os; print(ctranslate2.__version__, os.environ['GLIBC_TUNABLES'])"
        through = hosts.run(suite, str(release / "launch/python"), "-c", code)
        assert through.stdout.split() == [VERSION, tunable["GLIBC_TUNABLES"]], through.stderr
        beside = hosts.run(suite, str(python), "-c", "import ctranslate2")
        assert "cannot enable executable stack" in beside.stderr
        shell = f"{release}/launch/python -c 'import ctranslate2' && env && cat /etc/environment || true"
        left = hosts.run(suite, "sh", "-c", shell)
        assert "PATH=" in left.stdout and "GLIBC_TUNABLES" not in left.stdout

    def test_the_tunable_computes_the_same_too(
        self, hosts: Hosts, trees: dict[str, Path], reference: dict[str, Any], suite: str
    ) -> None:
        tunable = {"GLIBC_TUNABLES": "glibc.rtld.execstack=2"}
        assert computed(hosts, suite, trees["original"], **tunable) == reference
