"""The units of a service as texts: one per instance, hardened, and the target that all of them belong to.

Left out on purpose: MemoryDenyWriteExecute, for oneDNN and CUDA generate code; PrivateUsers, which fails
where user name spaces are closed, as in many containers; and with a GPU PrivateDevices, ProcSubset and a
limit of locked memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from . import contained, words
from .model import Health, Service

__all__ = [
    "DIRECTORY",
    "HEAD",
    "TARGET",
    "Place",
    "Unit",
    "instances_of",
    "is_ours",
    "target_text",
    "unit_text",
    "units_of",
]

DIRECTORY = "/etc/systemd/system"
TARGET = "whisperx.target"
# The first line of every file of ours, up to the root that it serves.
HEAD = "# Made by whisperx-fleet for "
_OF_TARGET = "# Made by whisperx-fleet for whisperx_services.\n"
_HARDENED = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
DevicePolicy=closed
UMask=0077
"""
_WITHOUT_GPU = """\
PrivateDevices=yes
ProcSubset=pid
LimitMEMLOCK=0
"""
# Device groups by their names in /proc/devices, of whatever driver; /dev/dxg is Windows' own GPU in WSL.
_WITH_GPU = """\
DeviceAllow=char-nvidia rw
DeviceAllow=char-nvidia-frontend rw
DeviceAllow=char-nvidiactl rw
DeviceAllow=char-nvidia-uvm rw
DeviceAllow=char-nvidia-caps rw
DeviceAllow=/dev/dxg rw
"""


@dataclass(frozen=True)
class Place:
    """Where things are: the root's launch scripts, and the directory of records and environment files."""

    root: str
    launch: str
    services: str

    def environment(self, name: str) -> str:
        """Return the environment file of a service."""
        return "{}/{}.env".format(self.services, name)


@dataclass(frozen=True)
class Unit:
    """One instance. ``gpu`` is the device it may see, "" for all or none; ``port`` 0 is none."""

    service: str
    name: str
    number: int
    port: int
    gpu: str = ""

    @property
    def stem(self) -> str:
        """The unit's name without its kind: also the name of its state and log directories."""
        return self.name[: -len(".service")]

    @property
    def state(self) -> str:
        """The state directory."""
        return "/var/lib/" + self.stem

    @property
    def values(self) -> Dict[str, str]:
        """What the placeholders stand for."""
        return {"instance": str(self.number), "port": str(self.port), "state": self.state}


def units_of(service: Service, gpus: Sequence[str]) -> Tuple[Unit, ...]:
    """Return the units of a service; ``gpus`` are the devices of the host, by their identifiers."""
    if not service.numbered:
        return (Unit(service.name, "whisperx-{}.service".format(service.name), 0, service.port),)
    devices = list(gpus) if service.instances == 0 else [""] * service.instances
    return tuple(
        Unit(
            service.name,
            "whisperx-{}@{}.service".format(service.name, number),
            number,
            service.port + number if service.port else 0,
            device,
        )
        for number, device in enumerate(devices)
    )


def instances_of(service: Service, names: Sequence[str]) -> Tuple[Unit, ...]:
    """Return the units of a record by their names; numbers and ports are those that they were made with."""
    found = []
    for name in names:
        number = int(name.partition("@")[2][: -len(".service")] or 0) if "@" in name else 0
        found.append(Unit(service.name, name, number, service.port + number if service.port else 0))
    return tuple(found)


def unit_text(
    service: Service, unit: Unit, place: Place, gpu: bool, runtime: str = "venv", waits: str = ""
) -> str:
    """Return the text of a unit; ``gpu``: whether it uses the GPUs of the host, ``runtime`` the release's.

    ``waits``: a unit without whose success it does not start, "" for none.
    """
    launcher, inside = "{}/{}".format(place.launch, service.command), runtime == "container"
    name = contained.name_of(unit.stem)
    more = contained.environment(service, unit.name, name) if inside else {}
    lines = [
        HEAD + place.root + "; changes are overwritten, drop-ins (systemctl edit) are kept.",
        "[Unit]",
        "Description=WhisperX service {}".format(unit.stem[len("whisperx-") :]),
        "PartOf=" + TARGET,
        "Wants=network-online.target",
        "After=network-online.target" + (" systemd-modules-load.service nvidia-persistenced.service" * gpu),
        *(["Requires=" + waits, "After=" + waits] if waits else []),
        # Stopped before its engine, if that has a daemon, and started after it.
        *(["After=docker.service"] if inside else []),
        # Before systemd 230 these two are unknown, and ignored.
        "StartLimitIntervalSec=300",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "Type=exec",
        # A launch script leads into its own release: what runs keeps its files when `current` is switched.
        "ExecStart="
        + words.command_line(launcher, [words.filled(one, unit.values) for one in service.argv[1:]]),
        "Environment=" + " ".join(_environment(unit, more)),
        "EnvironmentFile=" + words.setting(place.environment(service.name)),
        "Restart=always",
        "RestartSec=2",
        "TimeoutStopSec=30",
    ]
    if not inside:
        lines.append("User={}".format(service.user) if service.user else "DynamicUser=yes")
    lines += [key + unit.stem for key in ("StateDirectory=", "LogsDirectory=", "RuntimeDirectory=")]
    lines += _in_container(unit, launcher, name) if inside else _confined(service, gpu)
    return "\n".join(lines) + "\n\n[Install]\nWantedBy={}\n".format(TARGET)


def _confined(service: Service, gpu: bool) -> List[str]:
    """Return what confines a command of an environment."""
    lines = ["MemoryMax=" + service.memory] if service.memory else []
    lines += ["ReadWritePaths=" + words.quoted(path) for path in service.writable]
    return lines + (_HARDENED + (_WITH_GPU if gpu else _WITHOUT_GPU)).splitlines()


def _in_container(unit: Unit, launcher: str, name: str) -> List[str]:
    """Return what goes with a container; the working directory is mounted at its own path."""
    removal = contained.removal(launcher, name)
    remove = words.command_line(removal[0], removal[1:])
    return [
        "WorkingDirectory=" + words.setting(unit.state),
        "ExecStartPre=-" + remove,
        "ExecStopPost=-" + remove,
        # The engine hands the signal on, and ends with it; its helpers need none.
        "KillMode=mixed",
        "SuccessExitStatus=143",
        "UMask=0077",
    ]


def target_text() -> str:
    """Return the text of the target."""
    return (
        _OF_TARGET
        + "[Unit]\nDescription=WhisperX services, which follow the active release\n"
        + "\n[Install]\nWantedBy=multi-user.target\n"
    )


def is_ours(text: str, root: str) -> bool:
    """Return whether this toolkit made a unit for ``root``, or the target."""
    first = text.partition("\n")[0]
    return first.startswith(HEAD + root + ";") or first + "\n" == _OF_TARGET


def check_of(health: Health, unit: Unit) -> Health:
    """Return the check of one instance, its placeholders filled in."""
    return Health(
        health.kind,
        tuple(words.filled(word, unit.values) for word in health.argv),
        words.filled(health.target, unit.values),
        health.status,
        health.within,
    )


def _environment(unit: Unit, more: Mapping[str, str]) -> List[str]:
    """Return what every unit sets: a dynamic user has no home, and caches belong into the state directory."""
    values = {**more, "HOME": unit.state, "XDG_CACHE_HOME": unit.state + "/.cache"}
    if unit.gpu:
        values["CUDA_VISIBLE_DEVICES"] = unit.gpu
    return [words.assignment(name, value) for name, value in sorted(values.items())]
