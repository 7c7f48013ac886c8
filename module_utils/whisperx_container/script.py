"""The command users call, as a POSIX shell script: it runs the release's image as if the program were native.

A shell costs a millisecond where an interpreter would cost a tenth of the engine's own start. The text has
@NAMES@ for what differs from host to host; ``wrapper`` fills them in.
"""

from __future__ import annotations

__all__ = ["SCRIPT"]

# What every argument list begins with: the image, the first process and the launch script. They are no
# arguments of the user's, so the search for paths begins behind them.
SCRIPT = r"""#!/bin/sh
# @COMMAND@ of the whisperx-fleet release @RELEASE@, run by @ENGINE@.
# As the caller, without privileges, on a read-only root; sees the working directory, the model cache and what
# the arguments name. WHISPERX_CONTAINER_OPTIONS adds options for the engine.
die() { printf '%s: %s\n' '@COMMAND@' "$*" >&2; exit 125; }
say() { printf '%s: %s\n' '@COMMAND@' "$*" >&2; }

# Directories that the image has of its own: the host's must not cover them.
ours() {
    case $1 in
        / | /bin | /bin/* | /sbin | /sbin/* | /lib | /lib/* | /lib64 | /lib64/*) ;;
        /usr | /usr/* | /etc | /etc/*) ;;
        /dev | /dev/* | /proc | /proc/* | /sys | /sys/* | /opt | /opt/whisperx | /opt/whisperx/*) ;;
        /run | /var | /tmp) ;;
        *) return 1 ;;
    esac
}
usable() {
    [ -d "$1" ] || mkdir -p -- "$1" 2>/dev/null
    [ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ]
}
inside() { case $1/ in "$2"/*) return 0 ;; *) return 1 ;; esac; }
# Sets $bind to the option that mounts $1 at its own path; $2 is "" or ",readonly".
bind() {
    case $1 in
        *,*:* | *:*,*) die "'$1' has a colon and a comma; wanted: at most one of them. Rename it." ;;
        *,*) bind=--volume=$1:$1${2:+:ro} ;;
        *) bind=--mount=type=bind,source=$1,target=$1$2 ;;
    esac
}
@CHECKS@
user=$(id -u)
name=$(id -un 2>/dev/null) || name=uid$user
command -v @ENGINE@ >/dev/null ||
    die "found no @ENGINE@ on the PATH; wanted: the engine of this release. @INSTALL@"
@ACCESS@
# A service's container outlives an engine that was killed (whisperx_service/contained.py).
if [ -n "${WHISPERX_CONTAINER_REMOVE:-}" ]; then
    # Docker complains of one that is not there, at each start, and succeeds.
    # shellcheck disable=SC2086
    told=$(@ENGINE@ $store rm --force "$WHISPERX_CONTAINER_REMOVE" 2>&1) || die "$told"
    exit 0
fi
# What the packages would report to their makers, unless the caller set it.
@TELEMETRY@
here=$(pwd)
# The caller's arguments stand behind these.
set -- '@IMAGE@' /bin/sh -c "umask $(umask); "'@INIT@' \
    '@COMMAND@' '/opt/whisperx/current/launch/@COMMAND@' "$@"
fixed=6 seen=:

if [ "$here" = /tmp ]; then
    scratch=--mount=type=bind,source=/tmp,target=/tmp seen=:/tmp:
else
    scratch=--tmpfs=/tmp:rw,exec,mode=1777
    if ! ours "$here"; then
        bind "$here" ''; set -- "$bind" "$@"; fixed=$((fixed + 1)) seen=:$here:
    fi
fi

[ -n "${HOME:-}" ] || HOME=$(getent passwd "$user" 2>/dev/null | cut -d: -f6)
home=${HOME:-/} where=''
case $home in /*) ;; *) home=/ ;; esac
if ours "$home" || ! [ -d "$home" ]; then home=/tmp where=/tmp; fi
empty=''
if ! inside "$home" "$here" && [ "$home" != /tmp ]; then empty=--tmpfs=$home:rw,exec,mode=1777; fi
cache=${XDG_CACHE_HOME:-}
[ -n "$cache" ] || [ -n "$where" ] || cache=$home/.cache
wanted='HOME, or HF_HOME and TORCH_HOME, to directories that this user can write'
there_hf='' there_torch=''
# Where nothing can be kept, models are in a directory of the user's own, as those of a native command.
if [ -n '@SHARED@' ] || { [ -n "${HF_HOME:-}" ] && [ -n "${TORCH_HOME:-}" ]; } ||
    { [ -n "$cache" ] && usable "$cache"; }; then
    cache=${cache:-/tmp/.cache}
else
    for place in /var/tmp "${TMPDIR:-/tmp}" /tmp; do
        where=$place/whisperx-$user
        mkdir -m 700 "$where" 2>/dev/null
        [ -d "$where" ] && [ ! -L "$where" ] && [ -O "$where" ] && [ -w "$where" ] && break
        where=''
    done
    lost=${cache:-${HOME:-the home directory}}
    if [ -n "$where" ]; then
        say "caches are in $where, because $lost cannot be written; set $wanted."
    else
        say "neither $lost nor /var/tmp or /tmp can be written, so models are not kept; set $wanted."
    fi
    # Models that are there already are used on.
    if [ -n "$cache" ]; then
        [ ! -d "$cache/huggingface" ] || there_hf=$cache/huggingface
        [ ! -d "$cache/torch" ] || there_torch=$cache/torch
    fi
    cache=${where:-/tmp/.cache}
fi
hf=${HF_HOME:-${there_hf:-@HF@}} torch=${TORCH_HOME:-${there_torch:-@TORCH@}}
# What places the words needs data of NLTK: from where the caller has it, else kept beside the models.
nltk=${NLTK_DATA%%:*}
if [ -z "$nltk" ]; then
    nltk=$home/nltk_data
    [ -d "$nltk" ] || nltk="@NLTK@"
fi
# What the caller did not set is no choice of a cache: placed models come before it.
own_hf=$hf own_torch=$torch own_nltk=$nltk
[ -z "${HF_HOME:-}" ] || own_hf=''
[ -z "${TORCH_HOME:-}" ] || own_torch=''
[ -z "${NLTK_DATA:-}" ] || own_nltk=''
for path in "$hf" "$torch" "$nltk" "${HF_HUB_CACHE:-}" "${WHISPERX_MODELS:-}"; do
    case $path in /*) ;; *) continue ;; esac
    # Of the container's own, which ends with it.
    case $path in /tmp/.cache/*) [ "$cache" != /tmp/.cache ] || continue ;; esac
    if ! [ -d "$path" ] && ! mkdir -p -- "$path" 2>/dev/null; then
        [ "$path" = "$nltk" ] ||
            say "$path cannot be made by this user; set HF_HOME and TORCH_HOME to directories it can write."
        continue
    fi
    case $path in "$cache"/*)
        [ -n '@SHARED@' ] || [ -w "$path" ] ||
            say "$path cannot be written by this user, so new models cannot be kept there; \
run chown -R $user on it as root (a run with sudo may have made it), or set HF_HOME and TORCH_HOME." ;;
    esac
    if [ -d "$path" ] && ! inside "$path" "$here" && ! ours "$path"; then
        case $seen in *":$path:"*) continue ;; esac
        bind "$path" ''; set -- "$bind" "$@"; fixed=$((fixed + 1)) seen=$seen$path:
    fi
done
# Placed models, for reading only, where the programs in the image look for them.
models=${WHISPERX_MODELS_DIR:-@PLACED@}
if [ -d "$models/sets" ] && ! [ "$models" = "${models#/}" ]; then
    set -- "--mount=type=bind,source=$models,target=@MODELS@,readonly" "$@"; fixed=$((fixed + 1))
fi
for path in "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" "${CURL_CA_BUNDLE:-}"; do
    case $path in /*) ;; *) continue ;; esac
    case $seen in *":$path:"*) continue ;; esac
    if [ -f "$path" ] && ! inside "$path" "$here"; then
        bind "$path" ,readonly; set -- "$bind" "$@"; fixed=$((fixed + 1)) seen=$seen$path:
    fi
done

# Directories first, because they are written to; then those of files; and what a link leads to.
for kind in directory file; do
    skip=$fixed
    for argument in "$@"; do
        if [ "$skip" -gt 0 ]; then skip=$((skip - 1)); continue; fi
        case $argument in -*=*) argument=${argument#*=} ;; '' | -*) continue ;; esac
        case $argument in /*) path=$argument ;; *) path=$here/$argument ;; esac
        mode=''
        if [ -d "$path" ]; then
            [ $kind = directory ] || continue
        elif [ -e "$path" ]; then
            [ $kind = file ] || continue
            mode=,readonly
        else
            # A directory that the program shall make: the one above it has to be there.
            case $argument in /* | ../* | */../*) ;; *) continue ;; esac
            path=${path%/*}
            if [ $kind = file ] || ! [ -d "${path:-/}" ] || ! [ -w "${path:-/}" ]; then continue; fi
        fi
        case $path in
            */./* | */../* | */. | */..) path=$(readlink -f -- "$path") || continue ;;
        esac
        real=$(readlink -f -- "$path") || continue
        for path in "$path" "$real"; do
            if inside "$path" "$here"; then continue; fi
            if [ -n "$mode" ] && ! ours "${path%/*}" && [ -n "${path%/*}" ] &&
                ! { [ -n "$empty" ] && [ "${path%/*}" = "$home" ]; }; then path=${path%/*}; fi
            if [ -z "$mode" ] && { ours "$path" && [ "$path" != /tmp ]; }; then continue; fi
            case $seen in *":$path:"*) continue ;; esac
            seen=$seen$path:
            [ "$path" = "$here" ] && continue
            [ "$path" = /tmp ] && { scratch=--mount=type=bind,source=/tmp,target=/tmp; continue; }
            [ "$path" = "$home" ] && empty=''
            bind "$path" "$mode"; set -- "$bind" "$@"; fixed=$((fixed + 1))
        done
    done
done
@TERMINAL@
# Where SELinux enforces, the container has no label: relabelling would change the user's own files for good.
label='' enforcing=0
{ read -r enforcing <'@ROOT@/sys/fs/selinux/enforce'; } 2>/dev/null
[ "$enforcing" = 1 ] && label=--security-opt=label=disable
case $here in / | /tmp | /usr | /etc | /var | /run) ;; *) ours "$here" && here=/ ;; esac
set -- ${empty:+"$empty"} "$scratch" "--workdir=$here" \
    "--env=HOME=$home" "--env=USER=$name" "--env=LOGNAME=$name" \
    "--env=HF_HOME=$hf" "--env=TORCH_HOME=$torch" "--env=NLTK_DATA=$nltk" \
    "--env=WHISPERX_IMPLIED_HF_HOME=$own_hf" "--env=WHISPERX_IMPLIED_TORCH_HOME=$own_torch" \
    "--env=WHISPERX_IMPLIED_NLTK_DATA=$own_nltk" \
    "--env=LC_ALL=${LC_ALL:-C.UTF-8}" "$@"
@IDENTITY@
# shellcheck disable=SC2086
exec @RUN@ ${WHISPERX_CONTAINER_OPTIONS:-} "$@"
"""
