"""The launch scripts of a container release: ``script.SCRIPT`` with what host and release need filled in."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from ..whisperx_common import telemetry
from ..whisperx_common.models import USUAL
from ..whisperx_problem import Problem
from .script import SCRIPT

__all__ = ["Command", "render"]

_COMMAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]*\Z")
PYTHON = "python"

# The first process of the container. A program that is process 1 would not die of SIGTERM, for the kernel
# gives process 1 no default actions; and a shell's background command ignores SIGINT unless told otherwise.
# It holds no single quote, because it stands between two in the script.
_INIT = (
    "if env --default-signal=INT true 2>/dev/null; "
    'then set -- env --default-signal=INT --default-signal=QUIT "$@"; stop=INT; else stop=TERM; fi; '
    'exec 3<&0; "$@" <&3 3<&- & child=$!; exec 3<&- </dev/null; '
    'trap "kill -$stop $child 2>/dev/null" INT; '
    'for s in HUP QUIT TERM USR1 USR2; do trap "kill -$s $child 2>/dev/null" $s; done; '
    "while :; do wait $child 2>/dev/null; code=$?; kill -0 $child 2>/dev/null || exit $code; done"
)

# What a native program would read from the caller's environment. Paths among them are mounted by the script.
_PASSED = (
    "COLUMNS",
    "CT2_CUDA_ALLOCATOR",
    "CT2_FORCE_CPU_ISA",
    "CT2_USE_EXPERIMENTAL_PACKED_GEMM",
    "CT2_VERBOSE",
    "CUDA_VISIBLE_DEVICES",
    "CURL_CA_BUNDLE",
    "FORCE_COLOR",
    "HF_DATASETS_OFFLINE",
    "HF_ENDPOINT",
    "HF_HUB_CACHE",
    "HF_HUB_DISABLE_PROGRESS_BARS",
    "HF_HUB_DOWNLOAD_TIMEOUT",
    "HF_HUB_ENABLE_HF_TRANSFER",
    "HF_HUB_ETAG_TIMEOUT",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LINES",
    "MKL_NUM_THREADS",
    "MPLCONFIGDIR",
    "NO_COLOR",
    "NO_PROXY",
    "NUMBA_CACHE_DIR",
    "NVIDIA_DRIVER_CAPABILITIES",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OTEL_SDK_DISABLED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED",
    "PYTHONUNBUFFERED",
    "PYTHONWARNINGS",
    "PYTORCH_CUDA_ALLOC_CONF",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "TERM",
    "TOKENIZERS_PARALLELISM",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",
    "TRANSFORMERS_OFFLINE",
    "TRANSFORMERS_VERBOSITY",
    "TZ",
    "WHISPERX_MODELS",
    "WHISPERX_PLACED_MODELS",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)

_DRIVER = """\
older() {
    set -- "$1." "$2."
    while [ -n "$2" ]; do
        left=${1%%.*} right=${2%%.*}
        [ "${left:-0}" -lt "$right" ] && return 0
        [ "${left:-0}" -gt "$right" ] && return 1
        set -- "${1#*.}" "${2#*.}"
    done
    return 1
}
# Within WSL the driver is Windows' own and tells no version here.
if ! [ -e '@ROOT@/dev/dxg' ]; then
    driver=''
    { read -r driver <'@ROOT@/sys/module/nvidia/version'; } 2>/dev/null
    [ -n "$driver" ] || die "no NVIDIA driver is loaded; \\
wanted: @DRIVER@ or newer. Install it, or boot the kernel it was built for."
    if older "$driver" '@DRIVER@'; then
        die "the NVIDIA driver is $driver; \\
wanted: @DRIVER@ or newer, for this image. Upgrade the driver, or plan again with site.yml."
    fi
    [ -e '@ROOT@/dev/nvidiactl' ] || die "/dev/nvidiactl does not exist; \\
wanted: the driver's device nodes. Run nvidia-smi once as root."
fi"""

_CDI = """
specs=''
for spec in '@ROOT@'/etc/cdi/* '@ROOT@'/var/run/cdi/*; do
    [ -e "$spec" ] && grep -q 'nvidia.com/gpu' "$spec" && specs="$specs $spec"
done
[ -n "$specs" ] || die "no CDI specification of the GPUs; \\
wanted: one in /etc/cdi. Run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml."
# shellcheck disable=SC2086
if [ -n "${driver:-}" ] && grep -q 'libcuda\\.so\\.[0-9]' $specs &&
    ! grep -qF "libcuda.so.$driver" $specs; then
    die "the CDI specification is older than the driver $driver; \\
wanted: one of this driver. Run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml."
fi"""

_DOCKER_ACCESS = """\
if [ -z "${DOCKER_HOST:-}" ]; then
    [ -S /var/run/docker.sock ] || die "docker's daemon does not run; \\
wanted: its socket /var/run/docker.sock. Run systemctl start docker."
    [ -w /var/run/docker.sock ] || die "user $name may not use docker; \\
wanted: membership in the group docker. Run usermod --append --groups docker USER."
fi
store=''"""

_PODMAN_ACCESS = """\
if [ "$user" = 0 ]; then
    @ROOTS_STORE@
    store=''
else
    store='@USERS_STORE@'
    [ -n "$store" ] || die "the image is in root's storage; \\
wanted: a store for all users. Run it as root, or set whisperx_container_store."
    command -v newuidmap >/dev/null || die "found no newuidmap; \\
wanted: what podman needs without root. Install the package uidmap (shadow-utils)."
    grep -q "^\\($name\\|$user\\):" /etc/subuid 2>/dev/null ||
        grep -q '^subid:' /etc/nsswitch.conf 2>/dev/null ||
        die "user $name has no range in /etc/subuid; \\
wanted: one. Run usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER."
fi"""

_USER = """\
set -- "--user=$user:$(id -g)" "$@"
for group in $(id -G); do set -- "--group-add=$group" "$@"; done"""

_PODMAN_USER = """\
if [ "$user" = 0 ]; then
    set -- --user=0:0 "$@"
else
    set -- --userns=keep-id "$@"
fi"""

# With the driver `passthrough` the program has the caller's own standard streams: nothing reads ahead of it.
# It is refused on a terminal.
_PASSTHROUGH = """\
if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then set -- --interactive --tty --log-driver=none "$@"
elif [ -t 0 ]; then set -- --log-driver=none "$@"
elif [ -t 1 ] || [ -t 2 ]; then set -- --interactive --log-driver=none "$@"
else set -- --log-driver=passthrough "$@"; fi"""

_ATTACHED = """\
if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then set -- --interactive --tty "$@"
elif ! [ -t 0 ]; then set -- --interactive "$@"; fi
set -- --log-driver=none "$@\""""

# The first version of podman that hands its own streams on.
_PASSES_THROUGH = (4,)
# The first version that stacks file systems without root by itself, where the kernel lets it.
_STACKS_ALONE = (4,)


@dataclass(frozen=True)
class Command:
    """What the scripts of one release say.

    ``version`` of the engine as numbers. ``store`` and ``run_conf`` are the directory of images for all
    users and the file with which root runs them, "" for root's own storage; ``fuse`` the path of
    fuse-overlayfs, "" if there is none. ``cache`` is a directory of models for all users, "" for each
    user's own; ``models`` the store of placed models on the host; ``gpu`` "cdi", "device_request" or "";
    ``driver`` the oldest driver the image takes; ``host_root`` where driver, devices and SELinux are looked
    for.
    """

    release: str
    engine: str
    version: Tuple[int, ...]
    image: str
    scripts: Tuple[str, ...]
    store: str = ""
    run_conf: str = ""
    storage_driver: str = "overlay"
    fuse: str = ""
    network: str = ""
    cache: str = ""
    models: str = USUAL
    shm: str = "1g"
    gpu: str = ""
    driver: str = ""
    host_root: str = ""
    options: Tuple[str, ...] = ()


def render(command: Command) -> Dict[str, str]:
    """Return file name -> text of every script.

    Raises Problem "container.unfit-word" for a value that could not stand in a script.
    """
    names = [PYTHON] + [name for name in command.scripts if name != PYTHON]
    return {name: _script(command, name) for name in names}


def _script(command: Command, name: str) -> str:
    if not _COMMAND.match(name):
        raise _unfit(name, "a command's name")
    podman = command.engine == "podman"
    checks = _checks(command)
    terminal = _PASSTHROUGH if podman and command.version >= _PASSES_THROUGH else _ATTACHED
    caches = _fit(command.cache.rstrip("/"), "the directory of models") or "$cache"
    values = {
        "CHECKS": checks,
        "ACCESS": _PODMAN_ACCESS if podman else _DOCKER_ACCESS,
        "IDENTITY": _PODMAN_USER if podman else _USER,
        "TERMINAL": terminal,
        "RUN": " ".join([command.engine, "$store", "run", "$label", *_options(command)]),
        "INSTALL": "Install it, or run site.yml.",
        "INIT": _INIT,
        "SHARED": "yes" if command.cache else "",
        "HF": caches + "/huggingface",
        "TORCH": caches + "/torch",
        "NLTK": caches + "/nltk_data",
        "PLACED": _fit(command.models.rstrip("/"), "the directory of placed models"),
        # In an image they lie beside its releases.
        "MODELS": USUAL,
        "ROOTS_STORE": "export CONTAINERS_STORAGE_CONF='{}'".format(command.run_conf)
        if command.store
        else ":",
        "USERS_STORE": " ".join(_users_store(command)),
        "TELEMETRY": telemetry.shell().rstrip("\n"),
        "DRIVER": command.driver,
        "ROOT": command.host_root.rstrip("/"),
        "ENGINE": command.engine,
        "IMAGE": command.image,
        "RELEASE": command.release,
        "COMMAND": name,
    }
    text = SCRIPT
    for key, value in values.items():
        text = text.replace("@{}@".format(key), value)
    return text


def _checks(command: Command) -> str:
    """Return the look at driver, devices and specification that goes before a run on a GPU."""
    if not command.gpu:
        return ""
    return (_DRIVER if command.driver else "") + (_CDI if command.gpu == "cdi" else "")


def _options(command: Command) -> List[str]:
    """Return what is the same in every run of this release."""
    options = ["--rm", "--pull=never", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
    options.append("--shm-size={}".format(command.shm))
    if command.engine == "docker":
        options.append("--tmpfs=/var/tmp:rw,exec,mode=1777")
    if command.network:
        options.append("--network={}".format(command.network))
    if command.gpu == "cdi":
        options.append("--device=nvidia.com/gpu=all")
    elif command.gpu:
        options.append("--gpus=all")
    options += list(command.options)
    options = [_fit(word, "an option for the engine") for word in options]
    if not any(word.startswith(("--network", "--net")) for word in options):
        options.append('${WHISPERX_CONTAINER_NETWORK:+"--network=$WHISPERX_CONTAINER_NETWORK"}')
    return options + ["--env={}".format(name) for name in (*_PASSED, *sorted(telemetry.OPT_OUTS))]


def _users_store(command: Command) -> Sequence[str]:
    """Return podman's options with which a user without privileges sees the images of the store."""
    if not command.store:
        return ()
    words = [
        "--storage-driver={}".format(command.storage_driver),
        "--storage-opt=additionalimagestore={}".format(command.store),
    ]
    if command.fuse and command.storage_driver == "overlay" and command.version < _STACKS_ALONE:
        words.append("--storage-opt=mount_program={}".format(command.fuse))
    return [_fit(word, "a path for the engine") for word in words]


def _fit(word: str, what: str) -> str:
    """Return a word that may stand in a script as it is."""
    if not _WORD.match(word):
        raise _unfit(word, what)
    return word


def _unfit(word: str, what: str) -> Problem:
    return Problem(
        "container.unfit-word",
        "'{}' as {}".format(word, what),
        os.path.basename(word) or "the role's variables",
        "letters, digits and the signs _@%+=:,./-",
        "Change the variable it comes from.",
    )
