"""The connection to a test host: podman's own, with one `podman exec` per module instead of seven calls."""

from __future__ import annotations

import shlex

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.containers.podman.plugins.connection.podman import Connection as Podman

# Of podman itself: no such container, none that runs.
_PODMAN_FAILED = (125, 255)
# Exit status, output and errors.
_Ended = tuple[int, bytes, bytes]

DOCUMENTATION = """
name: lab
short_description: Run modules in a test container
description:
  - As C(containers.podman.podman), with pipelining, as a fleet has it by SSH.
  - It mounts nothing; files are copied by C(podman cp).
author: the authors of whisperx-fleet
extends_documentation_fragment: [connection_pipelining]
options:
  remote_addr:
    description: The name of the container.
    vars: [{name: inventory_hostname}, {name: ansible_host}]
  remote_user:
    description: The user in the container.
    vars: [{name: ansible_user}]
    ini: [{section: defaults, key: remote_user}]
    env: [{name: ANSIBLE_REMOTE_USER}]
  podman_executable:
    description: The program.
    default: podman
  podman_extra_args:
    description: Its options.
    default: ""
"""


class Connection(Podman):  # type: ignore[misc]
    """A container as a host."""

    transport = "lab"
    has_pipelining = True

    def _connect(self) -> None:
        self._connected = True

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = False) -> _Ended:
        """Run a command; a module comes through its standard input."""
        user = ["--user", self.user] if self.user else []
        ended: _Ended = self._podman(["exec", "--interactive", *user], shlex.split(cmd), in_data or b"")
        if ended[0] in _PODMAN_FAILED:
            raise AnsibleConnectionFailure(ended[2].decode(errors="replace").strip())
        return ended
