"""Runs inside a host that systemd booted: the engine of releases with services, on small releases.

    python3 service_host.py '{"deed": "2.0", "services": {...}, "check": false}'

SIMULATED: uv, which makes a release whose command `tiny` is a small TCP server of its version. Versions that
end in .9 listen and say nothing. Everything else is real: units, processes, links, the journal.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_env.run import followers_of  # noqa: E402
from module_utils.whisperx_metrics.watch import Watch  # noqa: E402
from module_utils.whisperx_problem import Problem  # noqa: E402
from module_utils.whisperx_release.hooks import Hooks  # noqa: E402
from module_utils.whisperx_release.model import Layout  # noqa: E402
from module_utils.whisperx_service import baked  # noqa: E402
from module_utils.whisperx_service.model import services_of  # noqa: E402
from tests.unit.whisperx_release import release_hosts  # noqa: E402

SERVER = """\
import json, mmap, os, socket, sys
# A release is used by what is mapped from it; an interpreter maps its own libraries in a real one.
kept = open(__file__, "rb")
mapped = mmap.mmap(kept.fileno(), 0, prot=mmap.PROT_READ)
version = os.path.basename(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
open(os.path.join(os.environ["HOME"], "starts"), "a").write(version + "\\\\n")
print("arguments", json.dumps(sys.argv[1:]), flush=True)
print("secret", os.environ.get("TINY_SECRET", ""), flush=True)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    if ".9" not in version:
        client.sendall(json.dumps([version, sys.argv[1:], os.environ.get("TINY_SECRET", "")]).encode())
        client.close()
"""
UV = """#!/bin/sh
for last; do :; done
case "$1 $2" in
    "venv --quiet")
        mkdir -p "$last/bin" "$last/lib/python3.11/site-packages"
        ln -s /usr/bin/python3 "$last/bin/python" ;;
    "pip sync")
        release=${last%/*}
        while read -r line _; do
            case $line in '#'* | '') continue ;; esac
            mkdir -p "$release/lib/python3.11/site-packages/${line%%=*}-${line##*=}.dist-info"
            printf '%s' 'SERVER' >"$release/bin/serve.py"
            set -- "$release" "$release"
            printf '#!/bin/sh\\nexec "%s/bin/python" "%s/bin/serve.py" "$@"\\n' "$@" >"$release/bin/tiny"
            chmod 755 "$release/bin/tiny"
        done <"$last" ;;
esac
"""


class ServiceHost(release_hosts.VenvHost):
    """The host itself: /opt/whisperx, /usr/local/bin."""

    def __init__(self, services: Any, metrics: str | None) -> None:
        base = Path("/srv/services-lab")
        release_hosts.UV = UV.replace("SERVER", SERVER.replace("\\\\", "\\"))
        super().__init__(base)
        self.layout = Layout("/opt/whisperx", "/usr/local/bin", "/etc/ansible/facts.d")
        self.followers = followers_of(services, [Watch(metrics)])

    @property
    def hooks(self) -> Hooks:
        """Hooks with the services."""
        return Hooks(
            self.prove, self.events.append, self.now, settle=lambda paths: None, followers=self.followers
        )


def main() -> None:
    """Do one deed; print what came of it."""
    given = json.loads(sys.argv[1])
    try:
        host = ServiceHost(given.get("services"), given.get("metrics"))
        if given["deed"] == "bake":
            releases = sorted(name for name in os.listdir(host.layout.releases))
            actions = baked.install(host.layout, services_of(given["services"]), releases, False)
            print(json.dumps({"actions": actions}))
            return
        outcome = host.do(given["deed"], given.get("check", False))
        found = {"actions": outcome.actions, "notes": outcome.notes, "release": outcome.release}
    except Problem as problem:
        found = problem.record()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
