#!/usr/bin/env bash
# Runs a command in a node and prints: seconds, CPU seconds of it and all it waited for, its own peak memory in KiB,
# exit status, and the megabytes that came over the node's network meanwhile (loopback left out). What the command prints
# goes to the file named first.
set -uo pipefail
log=$1
shift
received() { awk -F'[: ]+' '/:/ && $0 !~ /lo:/ { sub(/^ +/, ""); split($0, f, /[: ]+/); sum += f[2] } END { print sum + 0 }' /proc/net/dev; }
before=$(received)
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
awk -v started="$started" -v ended="$ended" -v peak="${peak:-0}" -v status="$status" -v bytes="$(($(received) - before))" '
    NR == 2 {
        for (i = 1; i <= 2; i++) { split($i, part, /[ms]/); cpu += part[1] * 60 + part[2] }
        printf "%.3f %.1f %d %d %.1f\n", ended - started, cpu, peak, status, bytes / 1000000
    }' "$log.times"
