"""The images that the hosts of a batch need, by class."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .variables import Fleet, at

__all__ = ["image_models", "image_options", "in_containers"]


def in_containers(plans: Mapping[str, Mapping[str, Any]], hosts: Collection[str]) -> dict[str, str]:
    """Return host to class of the ``hosts`` whose plan is a container, in the order of the plans."""
    return {
        host: str(plan["class"])
        for host, plan in plans.items()
        if host in hosts and plan.get("verdict") == "plan" and plan.get("runtime") == "container"
    }


def image_options(plans: Mapping[str, Mapping[str, Any]], fleet: Fleet) -> dict[str, Any]:
    """Return plans, roots and registries, options of whisperx_image; a class has those of its first host."""
    classes = in_containers(plans, set(fleet.batch))
    first: dict[str, str] = {}
    for host, name in classes.items():
        first.setdefault(name, host)
    roots = fleet.setting("whisperx_plan_container_root", "", first.values())
    registries = fleet.setting("whisperx_container_registry", "", classes)
    pairs = ((name, registries[host]) for host, name in classes.items())
    return {
        "plans": {name: plans[host] for name, host in sorted(first.items())},
        "roots": {name: roots[host] for name, host in sorted(first.items())},
        "registries": [list(pair) for pair in dict.fromkeys(pairs)],
    }


def image_models(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return class to the models of its image, by what role whisperx_models locked and downloaded."""
    sets = at(variables, ("__whisperx_models", "sets")) or {}
    images = at(variables, ("__whisperx_models", "images")) or {}
    files = at(variables, ("__whisperx_models_store", "files")) or []
    return {name: {"manifest": sets[identity], "files": files} for name, identity in sorted(images.items())}
