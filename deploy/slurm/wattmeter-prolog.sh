#!/bin/sh
# Slurm prolog: opens a run for this job on this node. It fails open: whatever happens to Wattmeter, it says nothing, takes
# at most two seconds and exits 0, because a prolog that fails drains the node.

socket=${WATTMETER_SOCKET:-/run/wattmeter/wattmeter.sock}

main() {
  [ -S "$socket" ] || return
  case ${SLURM_JOB_ID-} in '' | *[!0-9]*) return ;; esac
  # No GPU of this node: nothing to measure.
  [ -n "${SLURM_JOB_GPUS-}" ] || return

  labels=$(label slurm_job_id "$SLURM_JOB_ID")
  labels=$labels$(label slurm_user "${SLURM_JOB_USER-}" ,)
  labels=$labels$(label slurm_account "${SLURM_JOB_ACCOUNT-}" ,)
  labels=$labels$(label slurm_partition "${SLURM_JOB_PARTITION-}" ,)
  labels=$labels$(label slurm_cluster "${SLURM_CLUSTER_NAME-}" ,)
  labels=$labels$(label slurm_array_job_id "${SLURM_ARRAY_JOB_ID-}" ,)
  labels=$labels$(label slurm_array_task_id "${SLURM_ARRAY_TASK_ID-}" ,)
  gpus=$(escape "$SLURM_JOB_GPUS" | sed 's/,/","/g')
  name=$(escape "${SLURM_JOB_NAME:-slurm-$SLURM_JOB_ID}")

  printf '{"id":"slurm-%s","name":"%s","labels":{%s},"gpus":["%s"]}' \
    "$SLURM_JOB_ID" "$name" "$labels" "$gpus" |
    curl --silent --connect-timeout 1 --max-time 2 --unix-socket "$socket" \
      --header 'Content-Type: application/json' --data-binary @- http://localhost/v1/runs
}

# The inside of a JSON string: no control characters, quotes and backslashes escaped.
escape() {
  printf '%s' "$1" | tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g'
}

# A label that is known, after $3; nothing for one that is not.
label() {
  [ -z "$2" ] || printf '%s"%s":"%s"' "${3-}" "$1" "$(escape "$2")"
}

main >/dev/null 2>&1 </dev/null
exit 0
