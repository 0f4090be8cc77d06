#!/bin/sh
':' /*
# Read by /bin/sh first; to Node all of this is one comment. Why it is needed: agent/run/launch.ts.

# What Node resets or cannot tell apart once it runs is told to it here: the ignored signals, the soft limit of open
# files, the open file descriptors, and the environment before this shell touched it. No process is started but base64.
if [ "$1" = run ] && [ -r "/proc/$$/environ" ]; then
  wattmeter_ignored=
  wattmeter_open=
  wattmeter_environment=
  while read -r wattmeter_key wattmeter_value; do
    case $wattmeter_key in
      SigIgn:) wattmeter_ignored=$wattmeter_value && break ;;
    esac
  done <"/proc/$$/status"
  for wattmeter_path in "/proc/$$/fd"/*; do
    # The directory that was just listed is closed by now, and this script closes when Node takes over.
    if [ -e "$wattmeter_path" ] && ! [ "$wattmeter_path" -ef "$0" ]; then
      wattmeter_open="$wattmeter_open ${wattmeter_path##*[!0-9]}"
    fi
  done
  wattmeter_environment=$(base64 -w 0 "/proc/$$/environ" 2>/dev/null)
  # The kernel takes no variable longer than 128 KiB.
  [ "${#wattmeter_environment}" -lt 120000 ] || wattmeter_environment=
  WATTMETER_LAUNCH="$wattmeter_ignored;$(ulimit -S -n);$wattmeter_open;$wattmeter_environment"
  export WATTMETER_LAUNCH
fi
exec node "$0" "$@"
*/;

import '../dist/agent/main.js';
