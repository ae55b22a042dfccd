# shellcheck shell=bash
# Starting and stopping daemons. Each runs in a session of its own, so that its pid, kept in run/NAME.pid, is also its
# process group: only what was started here is ever signalled.

# A pid file outlives a reboot and its number may then be somebody else's: the start time says whether it is ours.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() {
  local pid began
  read -r pid began 2>/dev/null <"$E2E_DIR/run/$1.pid" || return 1
  [ -n "$began" ] && [ "$(started_at "$pid")" = "$began" ]
}

# spawn NAME COMMAND...: nothing to do when it runs already.
spawn() {
  local name=$1 pid; shift
  alive "$name" && return 0
  setsid nohup nice -n 5 "$@" >>"$E2E_DIR/log/$name.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid $(started_at $pid)" >"$E2E_DIR/run/$name.pid"
}

# stop_daemons GRACE NAME...: asks all, waits GRACE seconds for them, then leaves no choice.
stop_daemons() {
  local name pid left deadline=$((SECONDS + $1)); shift
  for name in "$@"; do alive "$name" && { read -r pid _ <"$E2E_DIR/run/$name.pid"; kill -TERM "$pid" 2>/dev/null; }; done
  while :; do
    left=0
    for name in "$@"; do if alive "$name"; then left=1; fi; done
    if [ $left = 0 ] || [ $SECONDS -ge $deadline ]; then break; fi
    sleep 0.2
  done
  # the group too: workers, dnsmasq and privsep helpers that a dead parent left behind
  for name in "$@"; do
    read -r pid _ 2>/dev/null <"$E2E_DIR/run/$name.pid" || continue
    if alive "$name" || [ ! -e "/proc/$pid" ]; then kill -KILL -- "-$pid" 2>/dev/null || true; fi
    rm -f "$E2E_DIR/run/$name.pid"
  done
}

wait_port() {
  local name=$1 address=$2 port=$3 deadline=$((SECONDS + 120))
  until (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; do
    alive "$name" || { tail -5 "$E2E_DIR/log/$name.log" >&2; fail "$name ended, see log/$name.log"; }
    [ $SECONDS -lt $deadline ] || fail "$name does not answer on $address:$port, see log/$name.log"
    sleep 0.2
  done
}
