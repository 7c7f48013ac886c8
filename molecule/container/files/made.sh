#!/bin/sh
# The engine of the GPU's command: the container is made, and not started, for that takes a GPU.
for word in "$@"; do
    shift
    [ "$word" = run ] && word=create
    set -- "$@" "$word"
done
exec /usr/bin/docker "$@"
