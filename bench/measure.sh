#!/usr/bin/env bash
# Runs a command in a node and prints: seconds, CPU seconds of it and all it waited for, its own peak memory in KiB,
# exit status. What the command prints goes to the file named first.
set -uo pipefail
log=$1
shift
started=$EPOCHREALTIME
"$@" >"$log" 2>&1 &
pid=$!
peak=0
(
    # The peak is the kernel's own figure; the last look before the end counts.
    while now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
        echo "$now"
        sleep 0.05
    done | tail -n 1 >"$log.peak"
) &
sampler=$!
wait "$pid"
status=$?
ended=$EPOCHREALTIME
wait "$sampler"
read -r peak <"$log.peak" || peak=0
# The second line of `times`: user and system time of all children that were waited for.
times >"$log.times"
awk -v started="$started" -v ended="$ended" -v peak="${peak:-0}" -v status="$status" '
    NR == 2 {
        for (i = 1; i <= 2; i++) { split($i, part, /[ms]/); cpu += part[1] * 60 + part[2] }
        printf "%.3f %.1f %d %d\n", ended - started, cpu, peak, status
    }' "$log.times"
