#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: write a root as a raw disk that firmware starts."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: whisperx_bake_disk
short_description: Write a root as a raw disk that firmware starts
description:
  - Makes a file with a GPT, GRUB for BIOS and for UEFI, and one ext4 file system filled from a directory.
    Nothing is mounted and no loop device is taken.
  - The disk is written beside its name and renamed when it is whole.
options:
  path:
    description: The file to write.
    type: path
    required: true
  tree:
    description: Directory of the root, with a kernel and its initrd.
    type: path
    required: true
  machine:
    description: Machine of the root, as M(whisperx_host_facts) names it.
    type: str
    required: true
  used:
    description: Bytes that the root takes.
    type: int
    required: true
  free:
    description: MiB that the file system has free.
    type: int
    default: 1024
  words:
    description: Words for the kernel's command line.
    type: str
    default: console=tty0 console=ttyS0
  renew:
    description: Write it although it is there.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Finds out whether the disk can be written, and writes nothing.
  diff_mode:
    support: none
    description: The disk is new as a whole.
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Write the disk
  whisperx_bake_disk:
    path: /srv/images/whisperx.raw
    tree: /srv/roots/trixie
    machine: x86_64
    used: 4000000000
"""

RETURN = r"""
kernel:
  description: Paths of the kernel (C(image)) and its C(initrd) in the root, as the boot loader has them.
  returned: success
  type: dict
partitions:
  description: The partitions, each with C(number), C(name), C(kind), C(start) and C(sectors) of 512 bytes.
  returned: success
  type: list
  elements: dict
rule:
  description: Stable id of what is wrong, with C(found), C(where), C(wanted) and C(remedy).
  returned: failure
  type: str
"""

import os
from dataclasses import asdict
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_bake.disk import Disk, check, parts, write
from ..module_utils.whisperx_common.output import check_place
from ..module_utils.whisperx_problem import Problem

ARGUMENTS: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "tree": {"type": "path", "required": True},
    "machine": {"type": "str", "required": True},
    "used": {"type": "int", "required": True},
    "free": {"type": "int", "default": 1024},
    "words": {"type": "str", "default": "console=tty0 console=ttyS0"},
    "renew": {"type": "bool", "default": False},
}


def main() -> None:
    """See whether it can be written, write it, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    given = dict(module.params)
    renew = given.pop("renew")
    disk = Disk(**given)
    changed = renew or not os.path.exists(disk.path)
    try:
        check_place("whisperx_bake_disk", disk.path, file=True)
        kernel = check(disk)
        if changed and not module.check_mode:
            write(disk, kernel)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        problem = Problem(
            "bake.system",
            error.strerror or str(error),
            str(error.filename or disk.path),
            "a disk that can be written",
            "Fix that, then bake again.",
        )
        module.fail_json(msg=problem.sentence(), **problem.record())
    partitions = [asdict(part) for part in parts(disk.used, disk.free)]
    module.exit_json(changed=changed, kernel=asdict(kernel), partitions=partitions)


if __name__ == "__main__":
    main()
