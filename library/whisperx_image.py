#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build the container images of all classes of hosts that run in one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: whisperx_image
short_description: Build container images from plans and their locks
description:
  - Runs on the machine that builds, by default the controller. For each class it makes a container from
    the base
    that the plan names, installs, checks and verifies the release in it with the code that M(whisperx_env)
    uses on
    a host, and writes its files as layers in a fixed order.
  - The same plan, lock and base give the same layers, byte for byte. An image that is there already is not
    built
    again.
  - The verification runs on the CPU, since the machine that builds may have no GPU. Every host verifies
    its GPU itself.
  - A build that fails or is killed leaves no image. What else it left is removed by the next build.
version_added: 0.1.0
options:
  plans:
    description:
      - Class name to the plan of one of its hosts, with C(runtime) V(container), see M(whisperx_plan).
      - By default, as O(roots) and O(registries), those of the hosts of the batch, filled in by an action
        plugin.
    type: dict
    default: {}
  locks:
    description:
      - Class name to its lock, as M(whisperx_lock) returns them in RV(whisperx_lock#module:locks). A class
        without one is left out.
    type: dict
    required: true
  roots:
    description:
      - Class name to the tar of the root file system of the base of its image; empty or absent where the base
        is an image.
    type: dict
    default: {}
  models:
    description:
      - Class name to the models that its image shall have, with C(manifest), as M(whisperx_models) takes it,
        and C(files), rows of C(sha256) and C(path) on the machine that builds.
      - They are a layer of their own, the last one, at C(/opt/whisperx/models). By default those of the hosts
        of the batch, filled in by the action plugin.
    type: dict
    default: {}
  directory:
    description:
      - Directory for archives and downloads.
      - By default C($XDG_CACHE_HOME/whisperx-fleet/images) or C(~/.cache/whisperx-fleet/images).
    type: path
  cache:
    description: Directory for downloads that other environments share; by default one in O(directory).
    type: path
    default: ""
  engine:
    description: Engine that builds. V(auto) takes podman where it is installed, else docker.
    type: str
    choices: [auto, podman, docker]
    default: auto
  network:
    description: Network of the build container, as the engine's option C(--network).
    type: str
    default: host
  environment:
    description: >-
      Variables for the commands of the build container, such as a proxy. They are not in the image.
    type: dict
    default: {}
  push:
    description: Whether the images of the batch's hosts go to their O(registries).
    type: bool
    default: true
  registries:
    description:
      - Pairs of a class and a registry with path, which its image is pushed to as
        C(REGISTRY/whisperx-fleet:RELEASE). Pairs with an empty registry count for nothing.
      - What the registry has already is not pushed again. The engine's own settings and logins hold.
    type: list
    elements: list
    default: []
  keep:
    description: How many archives of a class stay.
    type: int
    default: 2
  verify_level:
    description: How far the release is verified before the image is written.
    type: str
    choices: [import, kernels, pipeline]
    default: pipeline
  progress:
    description: >-
      A file, in a directory of its own, to note the progress in. The module's action plugin sets it.
    type: path
    default: ""
  timeout:
    description: Seconds the installation of the packages may take.
    type: int
    default: 3600
  verify_timeout:
    description: Seconds each level of the verification may take.
    type: int
    default: 600
  index_url:
    description: Package index. C(uv)'s default when empty.
    type: str
  extra_index_urls:
    description: Further indexes. Files are pinned by hash, so any index may have them.
    type: list
    elements: str
    default: []
  find_links:
    description: Directories on the machine that builds with further wheels.
    type: list
    elements: path
    default: []
  torch_index:
    description: Base address of a mirror of the PyTorch indexes, without the build at its end.
    type: str
  username:
    description: User name for the server of O(index_url), or without that, of the first other index.
    type: str
  password:
    description: Password that goes with O(username). It is in no argument list and in no layer.
    type: str
  offline:
    description: >-
      Use no network for packages; wheels come from O(find_links), the lock's files and the downloads.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says which images would be built.
    support: full
  diff_mode:
    description: Shows the images before and after by class.
    support: full
author:
  - The whisperx-fleet authors (@whisperx-fleet)
"""

EXAMPLES = r"""
- name: Build the images of all classes
  whisperx_image:
    plans: {container-cpu: "{{ __whisperx_plan.hosts['edge1'] }}"}
    locks: "{{ __whisperx_lock.locks }}"
    roots: {container-cpu: /srv/roots/trixie.tar}
  delegate_to: localhost
  run_once: true
  register: __whisperx_image
"""

RETURN = r"""
images:
  description: The image of each class. Each is also returned under the name of its class.
  returned: success
  type: dict
  contains:
    release:
      description: Id of the release in it.
      type: str
    image:
      description: Name and tag.
      type: str
    image_id:
      description: >-
        Digest of its configuration, by which engines know it; null in check mode where it is not built.
      type: str
    archive:
      description: The file that C(podman load) and C(docker load) take, on the machine that builds.
      type: str
    bytes:
      description: Size of the archive; null in check mode where it is not built.
      type: int
    layers:
      description: Its layers, lowest first, each with C(digest), C(bytes) and C(what).
      type: list
      elements: dict
    upgrade:
      description:
        - The smallest of RV(images.upgrades), null where there is none.
      type: dict
    upgrades:
      description:
        - Copies for hosts that have other images of this toolkit, whatever class or request these were for.
          C(archive) has no layers of C(without), which are for example in the image of the release C(from);
          engines take it as they take the whole one. C(chain) is the digest of these layers as docker knows
          them, empty for a copy that only podman takes. C(bytes) is its size.
      type: list
      elements: dict
    pushed:
      description: Name in a registry to the id of the image that was put there.
      type: dict
    lock:
      description: SHA-256 of the lock's text.
      type: str
    labels:
      description: Its labels.
      type: dict
built:
  description: Names of the images that were built, or in check mode would be.
  returned: success
  type: list
  elements: str
pushed:
  description: Names in the registry under which images were put there, or in check mode would be.
  returned: success
  type: list
  elements: str
removed:
  description: Archives of older releases that were removed.
  returned: success
  type: list
  elements: str
rule:
  description: Stable id of what is wrong.
  returned: failure
  type: str
"""

import os
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.whisperx_common import trust
from ..module_utils.whisperx_common.cache_dir import default_cache_dir
from ..module_utils.whisperx_common.index_options import index_options, index_values
from ..module_utils.whisperx_common.secrets import secrets_of
from ..module_utils.whisperx_env.model import Sources, want
from ..module_utils.whisperx_image.build import build
from ..module_utils.whisperx_image.engine import find
from ..module_utils.whisperx_image.inside import unexpected
from ..module_utils.whisperx_image.model import Job, Settings, base_of
from ..module_utils.whisperx_image.models import Models
from ..module_utils.whisperx_image.shelf import built, expected, keep, note_pushed, prune
from ..module_utils.whisperx_problem import Problem

ARGUMENTS: dict[str, Any] = {
    "plans": {"type": "dict", "default": {}},
    "locks": {"type": "dict", "required": True},
    "roots": {"type": "dict", "default": {}},
    "models": {"type": "dict", "default": {}},
    "directory": {"type": "path"},
    "cache": {"type": "path", "default": ""},
    "engine": {"choices": ["auto", "podman", "docker"], "default": "auto"},
    "network": {"default": "host"},
    "environment": {"type": "dict", "default": {}},
    "push": {"type": "bool", "default": True},
    "registries": {"type": "list", "elements": "list", "default": []},
    "keep": {"type": "int", "default": 2},
    "verify_level": {"choices": ["import", "kernels", "pipeline"], "default": "pipeline"},
    "progress": {"type": "path", "default": ""},
    "timeout": {"type": "int", "default": 3600},
    "verify_timeout": {"type": "int", "default": 600},
    **index_options(),
    "offline": {"type": "bool", "default": False},
}


def main() -> None:
    """Read the options, build what is missing, answer."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    given = module.params
    module.no_log_values.update(secrets_of(given))
    try:
        result = run(given, module.check_mode)
    except Problem as problem:
        module.fail_json(msg=problem.sentence(), **problem.record())
    except OSError as error:
        problem = unexpected(error)
        module.fail_json(msg=problem.sentence(), **problem.record())
    module.exit_json(**{**result["images"], **result})


def run(given: dict[str, Any], check: bool) -> dict[str, Any]:
    """Return the module's result for these options. Raises Problem."""
    settings = settings_of(given)
    written = {settings.directory: "whisperx_image_dir", settings.cache: "whisperx_image_cache"}
    trust.check(written, "image.untrusted-directory", trust.controller_users())
    images: dict[str, Any] = {}
    made: list[str] = []
    pushed: list[str] = []
    removed: list[str] = []
    for name in sorted(set(given["plans"]) & set(given["locks"])):
        job = job_of(given["plans"][name], given["locks"][name], given["roots"].get(name) or "", settings)
        job = replace(job, models=models_of(given["models"].get(name) or {}))
        digest = job.base.digest()
        found = built(job, digest)
        if found is None:
            made.append(job.image)
            found = expected(job, digest) if check else keep(job, build(job, digest))
            removed += [] if check else prune(job)
        images[name] = found
        for registry in sorted({to for of, to in given["registries"] if of == name and to}):
            pushed += push(found, registry, settings, check)
    return {
        "changed": bool(made or pushed),
        "images": images,
        "built": made,
        "pushed": pushed,
        "removed": removed,
        "diff": {"before": "", "after": "".join(f"{name}\n" for name in made + pushed)},
    }


def push(image: dict[str, Any], registry: str, settings: Settings, check: bool) -> list[str]:
    """Put an image into the registry unless it is there; return its name there if it was not."""
    remote = f"{registry}/{str(image['image']).rpartition('/')[2]}"
    by = find(settings.engine)
    before = (image.get("pushed") or {}).get(remote)
    if before and before == image["image_id"] and by.has_remote(remote):
        return []
    if not check:
        settings.tell(image["release"], "push")
        by.push(image["archive"], image["image"], remote)
        note_pushed(image, remote)
    return [remote]


def settings_of(given: dict[str, Any]) -> Settings:
    """Return how to build."""
    directory = given["directory"] or str(default_cache_dir() / "images")
    return Settings(
        directory=os.path.abspath(directory),
        engine=given["engine"],
        network=given["network"],
        cache=given["cache"],
        verify_level=given["verify_level"],
        timeout=given["timeout"],
        verify_timeout=given["verify_timeout"],
        keep=given["keep"],
        progress=given["progress"],
        environment={str(key): str(value) for key, value in given["environment"].items()},
        sources=Sources(
            offline=given["offline"],
            **index_values(given),
        ),
    )


def models_of(value: dict[str, Any]) -> Models:
    """Return the models of one class."""
    files = {row["sha256"]: row["path"] for row in value.get("files") or []}
    return Models(value["manifest"], files) if value.get("manifest") else Models()


def job_of(plan: dict[str, Any], lock: dict[str, Any], root: str, settings: Settings) -> Job:
    """Return the build of one class. Raises Problem."""
    uv = {"file": "uv", "sha256": lock["uv"]["sha256"], "path": lock["uv"]["path"]}
    files = [dict(item) for item in lock.get("files") or []]
    return Job(want(plan, lock["text"]), base_of(plan, root), (uv, *files), settings)


if __name__ == "__main__":
    main()
