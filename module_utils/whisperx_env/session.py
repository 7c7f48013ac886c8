"""What a command looks at in its caller's session before it becomes the program: POSIX shell, as text.

A command works with any home, or says in one sentence what is wrong. Where no directory for caches can be
written (HOME=/, none, a read-only root), caches are in a directory of the user's own below /var/tmp or /tmp.
A user without a name gets one for the session. Of the caller's LD_LIBRARY_PATH the directories are left out
that would replace libraries of the release or of the system by others, because the release was verified with
these.
"""

from __future__ import annotations

import shlex

__all__ = ["KEEP", "shell"]

# Set by a caller who wants all of LD_LIBRARY_PATH.
KEEP = "WHISPERX_KEEP_LD_LIBRARY_PATH"
# Beginnings of the names of libraries that are in a release, or part of its interpreter.
_OF_RELEASE = (
    "libctranslate2",
    "libcublas",
    "libcudnn",
    "libcudart",
    "libtorch",
    "libc10",
    "libonnxruntime",
    "libpython3",
)
# Those of the system, which only replace something where the system has them.
_OF_SYSTEM = ("libstdc++.so", "libgcc_s.so", "libgomp.so", "libc.so", "libssl.so", "libcrypto.so")

_TEXT = """\
say() { printf 'whisperx: %s\\n' "$1" >&2; }
there() { while [ $# -gt 0 ]; do [ -e "$1" ] && return 0; shift; done; return 1; }
usable() {
    [ -d "$1" ] || mkdir -p "$1" 2>/dev/null
    [ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ]
}
# What is set here and not by the caller is no choice of a cache: placed models come before it.
imply() { export "$1=$2" "WHISPERX_IMPLIED_$1=$2"; }
if [ -z "${HOME:-}" ]; then
    HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6)
    [ -z "$HOME" ] || export HOME
fi
if [ -z "${USER:-}${LOGNAME:-}" ] && ! id -un >/dev/null 2>&1; then
    USER=uid$(id -u)
    LOGNAME=$USER
    export USER LOGNAME
fi
wf_cache=${XDG_CACHE_HOME:-}
if [ -z "$wf_cache" ] && [ -n "${HOME:-}" ] && [ -d "$HOME" ]; then wf_cache=${HOME%/}/.cache; fi
if [ -z "$wf_cache" ] || ! usable "$wf_cache"; then
    wf_base=${wf_cache:-${HOME:-the home directory}}
    wf_wanted="HOME, or HF_HOME and TORCH_HOME, to directories that this user can write"
    wf_own=''
    for wf_place in /var/tmp "${TMPDIR:-/tmp}" /tmp; do
        wf_own=$wf_place/whisperx-$(id -u)
        mkdir -m 700 "$wf_own" 2>/dev/null
        [ -d "$wf_own" ] && [ ! -L "$wf_own" ] && [ -O "$wf_own" ] && [ -w "$wf_own" ] && break
        wf_own=''
    done
    if [ -n "${HF_HOME:-}" ] && [ -n "${TORCH_HOME:-}" ]; then :
    elif [ -n "$wf_own" ]; then
        say "caches are in $wf_own, because $wf_base cannot be written; set $wf_wanted."
    else
        say "neither $wf_base nor /var/tmp or /tmp can be written; set $wf_wanted."
        @STOP@
    fi
    # Models that are there already are used on.
    if [ -n "$wf_cache" ]; then
        [ -n "${HF_HOME:-}" ] || [ ! -d "$wf_cache/huggingface" ] || imply HF_HOME "$wf_cache/huggingface"
        [ -n "${TORCH_HOME:-}" ] || [ ! -d "$wf_cache/torch/hub" ] || imply TORCH_HOME "$wf_cache/torch"
    fi
    if [ -n "$wf_own" ]; then
        export XDG_CACHE_HOME="$wf_own"
        [ -n "${PYANNOTE_CACHE:-}" ] || imply PYANNOTE_CACHE "${TORCH_HOME:-$wf_own/torch}/pyannote"
        export MPLCONFIGDIR="${MPLCONFIGDIR:-$wf_own/matplotlib}"
        export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-$wf_own/numba}"
        export TRITON_CACHE_DIR="${TRITON_CACHE_DIR:-$wf_own/triton}"
        [ -n "${NLTK_DATA:-}" ] || ! usable "$wf_own/nltk_data" || imply NLTK_DATA "$wf_own/nltk_data"
        [ -n "${HOME:-}" ] && [ -d "$HOME" ] || export HOME="$wf_own"
    fi
    wf_cache=$wf_own
fi
for wf_place in "${HF_HOME:-}" "${TORCH_HOME:-}"; do
    [ -z "$wf_place" ] || [ -d "$wf_place" ] || usable "$wf_place" ||
        say "$wf_place cannot be made by this user; set HF_HOME and TORCH_HOME to directories it can write."
done
for wf_name in huggingface huggingface/hub huggingface/hub/.locks torch torch/hub; do
    wf_place=$wf_cache/$wf_name
    case $wf_name in
    torch*) [ -z "${TORCH_HOME:-}" ] || continue ;;
    *) [ -z "${HF_HOME:-}" ] || continue ;;
    esac
    if [ -n "$wf_cache" ] && [ -e "$wf_place" ] && { [ ! -w "$wf_place" ] || [ ! -x "$wf_place" ]; }; then
        say "$wf_place cannot be written by this user, so new models cannot be kept there; \\
run chown -R $(id -u) on it as root (a run with sudo may have made it), or set HF_HOME and TORCH_HOME."
        break
    fi
done
if [ -n "${LD_LIBRARY_PATH:-}" ] && [ -z "${@KEEP@:-}" ]; then
    wf_rest=$LD_LIBRARY_PATH: wf_kept='' wf_left=''
    while [ -n "$wf_rest" ]; do
        wf_place=${wf_rest%%:*} wf_rest=${wf_rest#*:} wf_other=''
        case $wf_place in '' | @RELEASE@/*) continue ;; esac
        for wf_name in @OF_RELEASE@; do
            there "$wf_place/$wf_name"* && wf_other=$wf_name
        done
        for wf_name in @OF_SYSTEM@; do
            there "$wf_place/$wf_name"* || continue
            there /usr/lib/*/"$wf_name"* /usr/lib64/"$wf_name"* /usr/lib/"$wf_name"* && wf_other=$wf_name
        done
        if [ -z "$wf_other" ]; then wf_kept=$wf_kept${wf_kept:+:}$wf_place
        else wf_left=$wf_left${wf_left:+, }$wf_place; fi
    done
    [ -z "$wf_left" ] ||
        say "left out $wf_left of LD_LIBRARY_PATH, whose libraries would replace those of this release; \\
set @KEEP@=1 to keep all of it."
    if [ -n "$wf_kept" ]; then export LD_LIBRARY_PATH="$wf_kept"; else unset LD_LIBRARY_PATH; fi
fi
"""


def shell(release: str, stops: bool) -> str:
    """Return the lines of a command of ``release`` (its directory). ``stops``: whether the command ends where
    no cache can be written at all; else it says so and goes on."""
    values = {
        "RELEASE": shlex.quote(release),
        "STOP": "exit 1" if stops else ":",
        "KEEP": KEEP,
        "OF_RELEASE": " ".join(_OF_RELEASE),
        "OF_SYSTEM": " ".join(_OF_SYSTEM),
    }
    text = _TEXT
    for name, value in values.items():
        text = text.replace("@{}@".format(name), value)
    return text
