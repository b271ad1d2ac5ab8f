#!/bin/sh
# Runs a command, and again where it broke off (exit code 1): the same command carries on from what is committed. Any
# other code is the command's last word: bad arguments, too many failures or a spent budget end in the same way again.
#   once-more.sh TRIES COMMAND...
tries=$1
shift
while :; do
    "$@"
    code=$?
    tries=$((tries - 1))
    if [ "$code" -ne 1 ] || [ "$tries" -le 0 ]; then
        exit "$code"
    fi
    echo "once-more: the run broke off; it is started again in 60 s" >&2
    sleep "${ONCE_MORE_SECONDS:-60}"
done
