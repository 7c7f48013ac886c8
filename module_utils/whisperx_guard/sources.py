"""The files that make the guard work on a host without Ansible: the program, its entry, the hooks."""

from __future__ import annotations

from typing import Dict

from ..whisperx_common.program import sources
from . import main

__all__ = ["APT_CONF", "DNF_PLUGIN", "ENTRY", "HOOK", "program"]

# The first Python that starts, by path: what is first on the caller's PATH may be another one. Where none
# does, because it is what an earlier run broke, the package run goes on.
HOOK = """\
#!/bin/sh
# Part of whisperx-fleet: checks whether the managed WhisperX environments still work after this package run.
# Exit status {stop} stops the run; it continues after every other one.
for python in /usr/bin/python3 /usr/bin/python3.[0-9]* /usr/libexec/platform-python; do
    if [ -x "$python" ] && "$python" -I -S -c '' 2>/dev/null; then
        exec "$python" -I -S -B {directory}/guard.py "$@"
    fi
done
cat >/dev/null
echo 'whisperx-guard: no Python starts, so this run was not checked.' >&2
exit 0
"""

ENTRY = '''\
"""Part of whisperx-fleet, see docs/guard.md there. Called by the hook beside this file: guard.py apt|dnf."""

import os
import sys

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, DIRECTORY)

from code_of_fleet.whisperx_guard.main import main  # noqa: E402

if __name__ == "__main__":
    TEXT = sys.stdin.buffer.read().decode("utf-8", "replace")
    sys.exit(main(sys.argv[1], DIRECTORY, TEXT, os.environ))
'''

# apt looks its options up by the first word of the command, so that word has to be the program itself.
APT_CONF = """\
// Part of whisperx-fleet: calls {directory}/hook before packages are unpacked. It stops the run only if
// a managed WhisperX environment would stop working; a hook that is missing or fails stops nothing.
DPkg::Tools::Options::{directory}/hook::Version "3";
DPkg::Pre-Install-Pkgs {{ "{directory}/hook apt || test $? -ne {stop}"; }};
"""

DNF_PLUGIN = '''\
"""Part of whisperx-fleet: checks whether the managed environments still work after the transaction.

dnf itself reports every other error of a plugin and continues.
"""

import json
import subprocess

import dnf
import dnf.exceptions

HOOK = "{directory}/hook"
STOP = {stop}


class WhisperXGuard(dnf.Plugin):
    name = "whisperx_guard"

    def pre_transaction(self):
        transaction = self.base.transaction
        coming = {{(package.name, package.arch): package.evr for package in transaction.install_set}}
        going = {{(package.name, package.arch): package.evr for package in transaction.remove_set}}
        changes = [
            {{"package": key[0], "arch": key[1], "before": going.get(key, ""), "after": coming.get(key, "")}}
            for key in sorted(set(coming) | set(going))
        ]
        done = subprocess.run([HOOK, "dnf"], input=json.dumps(changes).encode())
        if done.returncode == STOP:
            raise dnf.exceptions.Error("stopped by whisperx-guard, see above")
'''

_PACKAGE = "code_of_fleet"


def program() -> Dict[str, str]:
    """Return path below the guard's directory -> text, for all modules that the program needs.

    Raises OSError when a source is not there.
    """
    return sources(main.__name__, _PACKAGE)
