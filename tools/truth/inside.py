"""Runs in a container: probes each installed set with an interpreter that is there. Standard library only.

    python3 inside.py JOBS.json

JOBS.json: {"interpreters": DIR or "", "timeout": seconds, "jobs": [{"key", "python", "tree", "probe"}, ...]}.
Prints a line of JSON with the C library, then one per job: {"key", "report" (the probe's) or null, "said"}.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from typing import Any, Dict, List, Optional

__all__ = ["find_interpreter", "main", "probe"]

_START = "import ctypes, ssl, zlib; print('%d.%d' % __import__('sys').version_info[:2])"
_GRACE = 30.0  # seconds beyond the probe's own limits


def find_interpreter(version: str, store: str) -> Optional[str]:
    """Return an interpreter of exactly this minor version that starts here, None when there is none."""
    name = "python" + version
    places = [os.path.join(place, name) for place in ("/usr/bin", "/usr/local/bin")]
    places += sorted(glob.glob(os.path.join(store, "*", "bin", name))) if store else []
    for path in places:
        try:
            done = subprocess.run(
                [path, "-c", _START], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.decode().strip() == version:
            return path
    return None


def probe(python: str, job: Dict[str, Any], timeout: float) -> Dict[str, Any]:
    """Run the probe of one job; return its report, and what it said when there is none."""
    environment = dict(os.environ, PYTHONPATH=job["tree"], PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
    command = [python, os.path.join(job["probe"], "probe.py"), "--json", "--timeout", str(timeout)]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=8 * timeout + _GRACE,
        )
        said = done.stdout.decode("utf-8", "replace")
        return {"report": json.loads(said), "said": ""}
    except ValueError:
        return {"report": None, "said": said[-2000:]}
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"report": None, "said": str(error)}


def main(arguments: List[str]) -> int:
    """Do all jobs, one after another."""
    with open(arguments[0], encoding="utf-8") as stream:
        order = json.load(stream)
    print(json.dumps({"libc": os.confstr("CS_GNU_LIBC_VERSION")}), flush=True)
    known: Dict[str, Optional[str]] = {}
    for job in order["jobs"]:
        version = job["python"]
        if version not in known:
            known[version] = find_interpreter(version, order["interpreters"])
        python = known[version]
        if python is None:
            answer = {"report": None, "said": "no Python {} here".format(version), "absent": True}
        else:
            answer = probe(python, job, order["timeout"])
        print(json.dumps(dict(answer, key=job["key"])), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
