#!/bin/sh
# Slurm epilog: closes the job's run on this node, which writes its bill. It fails open like the prolog; a run that is left
# open is closed by `wattmeter recover`.

socket=${WATTMETER_SOCKET:-/run/wattmeter/wattmeter.sock}

main() {
  [ -S "$socket" ] || return
  case ${SLURM_JOB_ID-} in '' | *[!0-9]*) return ;; esac
  curl --silent --connect-timeout 1 --max-time 2 --unix-socket "$socket" \
    --request DELETE "http://localhost/v1/runs/slurm-$SLURM_JOB_ID"
}

main >/dev/null 2>&1 </dev/null
exit 0
