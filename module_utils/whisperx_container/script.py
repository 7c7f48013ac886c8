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
command -v @ENGINE@ >/dev/null ||
    die "found no @ENGINE@ on the PATH; wanted: the engine of this release. @INSTALL@"
@ACCESS@
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

home=${HOME:-/} where=''
case $home in /*) ;; *) home=/ ;; esac
if ours "$home" || ! [ -d "$home" ]; then home=/tmp where=/tmp; fi
empty=''
if ! inside "$home" "$here" && [ "$home" != /tmp ]; then empty=--tmpfs=$home:rw,exec,mode=1777; fi
cache=${XDG_CACHE_HOME:-$home/.cache}
hf=${HF_HOME:-@HF@} torch=${TORCH_HOME:-@TORCH@}
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
    [ -d "$path" ] || [ -n "$where" ] || mkdir -p -- "$path" 2>/dev/null || continue
    if [ -d "$path" ] && ! inside "$path" "$here" && ! ours "$path"; then
        case $seen in *":$path:"*) continue ;; esac
        bind "$path" ''; set -- "$bind" "$@"; fixed=$((fixed + 1)) seen=$seen$path:
    fi
done
# Placed models, for reading only, where the programs in the image look for them.
models=${WHISPERX_MODELS_DIR:-@MODELS@}
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
name=$(id -un 2>/dev/null) || name=$user
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
