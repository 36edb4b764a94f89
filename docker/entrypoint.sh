#!/usr/bin/env bash
# The entry point of aen's images. The first argument is a role; any other argument is passed to `aen`.
#
#   head                          the head of a Ray cluster
#   worker                        a node that trains children for the cluster at RAY_ADDRESS
#   search CONFIG [key=value...]  a search whose children are trained by the cluster at RAY_ADDRESS
#   resume RUN, sweep CONFIG      the same for an interrupted run and for a sweep; without RAY_ADDRESS in this container
#   serve                         the service: searches over HTTP, with a page; as jobs of AEN_RAY_JOBS, or in this container
#   tensorboard                   TensorBoard for all runs
#   healthcheck [ROLE]            exit status 0 if ROLE, by default the role of this container, is healthy
#   aen search CONFIG ...         a search in this container only; likewise `status RUN`, `list`, `report RUN`, ...
#
# Further arguments of head and worker are passed to `ray start`, those of serve to `aen serve`, those of tensorboard to
# `tensorboard`.
#
# Environment variables (defaults in parentheses; see Ray's documentation for others):
#   RAY_ADDRESS          host:port of the head, for worker and search
#   RAY_PORT             port on which the head listens (6379)
#   RAY_AUTH_TOKEN       the cluster's token, the same on every node, or
#   RAY_AUTH_TOKEN_PATH  a file that contains it, or
#   RAY_AUTH_MODE        token, or disabled: everyone who can reach the network can run code on the cluster (token)
#   AEN_CPUS             cores that a head or worker offers to children (head: 0; worker: all)
#   AEN_GPUS             GPUs that a head or worker offers to children (all)
#   RAY_TMPDIR           folder for Ray's sockets and logs; its path has at most 40 characters (/tmp)
#   AEN_NODE_IP          address of this machine within the cluster (detected by Ray)
#   AEN_WAIT             seconds that worker and search wait for the cluster (120)
#   AEN_WORKERS          number of nodes with cores that search waits for (1)
#   RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
#                        seconds that a stopped node has to finish its children (5)
#   AEN_DASHBOARD_PORT   port of the dashboard of head, through which serve submits its searches (no dashboard)
#   AEN_RAY_JOBS         address of the dashboard, http://host:port, for serve (searches are processes of its container)
#   AEN_SERVICE_PORT     port on which serve listens (8700)
#   AEN_SERVICE_HOSTS    further names under which clients reach serve, separated by spaces
#   AEN_RUNS             folder of the runs, for serve and tensorboard (runs)
#   TENSORBOARD_PORT     port of TensorBoard (6006)
#   AEN_ROLE_FILE        file in which the role is stored for healthcheck (/tmp/aen-role)
set -euo pipefail

readonly ROLES="head, worker, search, resume, sweep, serve, tensorboard and healthcheck"
PORT=${RAY_PORT:-6379}
WAIT=${AEN_WAIT:-120}
WORKERS=${AEN_WORKERS:-1}
RUNS=${AEN_RUNS:-runs}
BOARD_PORT=${TENSORBOARD_PORT:-6006}
SERVICE_PORT=${AEN_SERVICE_PORT:-8700}
DASHBOARD_PORT=${AEN_DASHBOARD_PORT:-}
JOBS=${AEN_RAY_JOBS:-}
ROLE_FILE=${AEN_ROLE_FILE:-/tmp/aen-role}
ADDRESS=${RAY_ADDRESS:-}

say() { printf 'entrypoint: %s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 2
}

check_number() { # NAME VALUE
  [[ $2 =~ ^[0-9]{1,9}$ ]] || fail "$1 is '$2'; give a whole number, such as $3."
}

note_role() { printf '%s %s\n' "$1" "$$" >"$ROLE_FILE"; }

# The nodes of a cluster share a token. Without one, and with any other word as its mode, Ray 2.60 would accept every
# connection. The token in the home folder is that of a head which runs here: it is not sent to other addresses.
check_token() { # ROLE
  local mode=${RAY_AUTH_MODE:-token}
  [[ ${mode,,} == token || ${mode,,} == disabled ]] || fail "RAY_AUTH_MODE is '$mode'; set it to token or disabled."
  export RAY_AUTH_MODE=${mode,,}
  if [[ $RAY_AUTH_MODE == disabled ]]; then
    say "warning: RAY_AUTH_MODE is disabled: whoever reaches this network may run code on the cluster."
    return
  fi
  [[ -n ${RAY_AUTH_TOKEN:-} ]] && return
  local remedy="make one with 'openssl rand -hex 32' and hand the same to every node" kept=${HOME:-/}/.ray/auth_token
  if [[ -n ${RAY_AUTH_TOKEN_PATH:-} ]]; then
    [[ -r $RAY_AUTH_TOKEN_PATH ]] || fail "RAY_AUTH_TOKEN_PATH is '$RAY_AUTH_TOKEN_PATH', which cannot be read; $remedy."
    [[ -s $RAY_AUTH_TOKEN_PATH ]] || fail "RAY_AUTH_TOKEN_PATH is '$RAY_AUTH_TOKEN_PATH', which is empty; $remedy."
  elif [[ ! -s $kept ]]; then
    fail "the nodes of a cluster share a token, and there is none here; $remedy, in RAY_AUTH_TOKEN or in a file named" \
      "by RAY_AUTH_TOKEN_PATH, or set RAY_AUTH_MODE=disabled where nobody else reaches the network."
  elif [[ $1 != head ]]; then
    fail "the token in $kept is not sent to $ADDRESS unasked; to send it, set RAY_AUTH_TOKEN_PATH=$kept."
  fi
}

check_address() { # ROLE
  [[ -n $ADDRESS ]] || fail "$1 needs RAY_ADDRESS, the head's host:port, such as RAY_ADDRESS=head:6379." \
    "A search in this container alone is: aen search CONFIG"
  [[ $ADDRESS =~ ^([A-Za-z0-9_.-]+):([0-9]{1,5})$ ]] || fail "RAY_ADDRESS is '$ADDRESS'; give host:port, such as head:6379."
  export RAY_ADDRESS=$ADDRESS
}

listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; } # HOST PORT

answers() { timeout --kill-after=5 20 ray health-check --address "$1" 2>&1; } # HOST:PORT; says why not

# Waits for a head that does not listen yet; an error if it listens and refuses the connection.
wait_for_head() {
  local host=${ADDRESS%:*} port=${ADDRESS##*:} end=$((SECONDS + 10#$WAIT)) said=""
  until listens "$host" "$port"; do
    ((SECONDS < end)) || fail "nobody listens at RAY_ADDRESS=$ADDRESS after $WAIT s. Start the head first" \
      "(entrypoint.sh head), or wait longer with AEN_WAIT."
    sleep 1
  done
  until said=$(answers "$ADDRESS"); do
    case $said in
      *InvalidAuthToken*) fail "the head at $ADDRESS refuses this node's token; hand the same one to every node." \
        "(RAY_AUTH_MODE is $RAY_AUTH_MODE here.)" ;;
      *"ersion mismatch"*) fail "the head at $ADDRESS runs other versions than this node: ${said##*ersion mismatch: }" ;;
    esac
    ((SECONDS < end)) || fail "$ADDRESS listens, but no Ray cluster answers there after $WAIT s: ${said##*$'\n'}"
    sleep 1
  done
}

ray_start() { # arguments for `ray start`, which replaces this process
  # The time a stopped node has to finish; `docker stop` kills after ten seconds.
  export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=${RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S:-5}
  local words=(--block --disable-usage-stats)
  [[ -n ${AEN_CPUS:-} ]] && words+=(--num-cpus "$AEN_CPUS")
  [[ -n ${AEN_GPUS:-} ]] && words+=(--num-gpus "$AEN_GPUS")
  [[ -n ${RAY_TMPDIR:-} ]] && words+=(--temp-dir "$RAY_TMPDIR/ray") # Ray itself uses it only on the head
  [[ -n ${AEN_NODE_IP:-} ]] && words+=(--node-ip-address "$AEN_NODE_IP")
  exec ray start "${words[@]}" "$@"
}

run_head() {
  check_number RAY_PORT "$PORT" 6379
  check_token head
  # By default a head offers no cores: training there would slow down the whole cluster.
  AEN_CPUS=${AEN_CPUS:-0}
  unset RAY_ADDRESS # with it `ray start` would join a cluster
  local dashboard=(--include-dashboard=false)
  if [[ -n $DASHBOARD_PORT ]]; then
    check_number AEN_DASHBOARD_PORT "$DASHBOARD_PORT" 8265
    dashboard=(--include-dashboard=true --dashboard-host "${AEN_NODE_IP:-0.0.0.0}" --dashboard-port "$DASHBOARD_PORT")
  fi
  note_role head
  ray_start --head --port "$PORT" "${dashboard[@]}" "$@"
}

run_worker() {
  check_address worker
  check_token worker
  wait_for_head
  note_role worker
  ray_start --address "$ADDRESS" "$@"
}

# A program that uses a cluster must run on a node of it. A search therefore starts its own node, without cores.
NODE="" NODE_LOG=""
stop_node() {
  [[ -n $NODE ]] || return 0
  kill -TERM "$NODE" 2>/dev/null || true
  wait "$NODE" 2>/dev/null || true
  rm -f "$NODE_LOG"
  NODE=""
}

# Waits for a child process and forwards signals to it: without the trap bash would exit and leave it running.
await() { # PID
  local status signalled=true
  trap 'signalled=true; kill -TERM "$1" 2>/dev/null || true' TERM INT HUP
  while $signalled; do # a signal ends `wait`, not the child
    signalled=false status=0
    wait "$1" || status=$?
  done
  trap - TERM INT HUP
  return "$status"
}

# Waits until this search's own node and AEN_WORKERS nodes with cores have joined.
wait_for_workers() {
  python -P - "$ADDRESS" "$WORKERS" "$WAIT" <<'PYTHON' &
import sys
import time

import ray

address, wanted, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + seconds
try:
    ray.init(address, log_to_driver=False, logging_level="ERROR")
except Exception as error:
    sys.exit(f"entrypoint: error: {address} cannot be joined: {' '.join(str(error).split())}")
while True:
    have = sum(1 for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0)
    if have >= wanted:
        sys.exit(0)
    if time.monotonic() > end:
        sys.exit(f"entrypoint: error: {have} of AEN_WORKERS={wanted} machines with cores have joined {address} "
                 f"after {seconds:g} s. Start more workers, or ask for fewer.")
    time.sleep(0.5)
PYTHON
  await $!
}

run_on_cluster() { # arguments for aen
  check_token "$1"
  wait_for_head
  note_role "$1"

  local status=0
  NODE_LOG=$(mktemp "${TMPDIR:-/tmp}/aen-node-XXXXXX")
  trap stop_node EXIT
  # In its own session: Ctrl-C goes to the search only, which needs the node until it has ended.
  AEN_CPUS=0 AEN_GPUS=0 RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 setsid "$0" node >"$NODE_LOG" 2>&1 &
  NODE=$!
  wait_for_workers || {
    status=$?
    kill -0 "$NODE" 2>/dev/null || tail -n 5 "$NODE_LOG" >&2
    exit "$status"
  }

  aen "$@" &
  await $! || status=$?
  stop_node
  exit "$status"
}

run_search() {
  [[ $# -gt 0 && $1 != -* ]] || fail "search needs a config first, such as: search digits seed=1"
  check_address search
  [[ -f $1 || -f configs/${1%.yaml}.yaml ]] \
    || fail "config '$1' does not exist in this container; mount the file, or name a preset (aen configs lists them)."
  # The cluster's settings come first, so that the user's arguments override them.
  run_on_cluster search "$1" evaluator.kind=ray "cluster.address=$ADDRESS" "${@:2}"
}

# The evaluator of a run or sweep is in its config; on a cluster it needs a node, like a search.
run_resume_or_sweep() { # resume|sweep, arguments
  if [[ -n $ADDRESS && " $* " != *" --help "* && " $* " != *" -h "* ]]; then
    check_address "$1"
    run_on_cluster "$@"
  fi
  note_role aen
  exec aen "$@"
}

run_serve() {
  check_number AEN_SERVICE_PORT "$SERVICE_PORT" 8700
  local words=(--host "${AEN_NODE_IP:-0.0.0.0}" --port "$SERVICE_PORT" --root "$RUNS") name
  for name in ${AEN_SERVICE_HOSTS:-}; do words+=(--allow-host "$name"); done
  if [[ -n $JOBS ]]; then
    [[ $JOBS =~ ^https?://([A-Za-z0-9_.-]+):([0-9]{1,5})$ ]] \
      || fail "AEN_RAY_JOBS is '$JOBS'; give the address of the head's dashboard, such as http://head:8265."
    local host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]} end=$((SECONDS + 10#$WAIT))
    until listens "$host" "$port"; do
      ((SECONDS < end)) || fail "nobody listens at AEN_RAY_JOBS=$JOBS after $WAIT s. Start the head first, with" \
        "AEN_DASHBOARD_PORT=$port, or wait longer with AEN_WAIT."
      sleep 1
    done
    words+=(--ray "$JOBS")
  fi
  note_role serve
  exec aen serve "${words[@]}" "$@"
}

serves() ( # HOST PORT; whether a service answers there
  exec 3<>"/dev/tcp/$1/$2" || exit 1
  printf 'GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
  IFS= read -r -t 10 line <&3 || true
  [[ $line == *" 200 "* ]]
) 2>/dev/null

raylet_of() { # PID of `ray start`, which keeps running when its raylet has ended
  local stat line
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    [[ $line =~ ^[0-9]+\ \(raylet\)\ [^ZX]\ $1\  ]] && return 0
  done
  return 1
}

run_healthcheck() {
  local role="" pid="" asked=${1:-}
  if [[ -r $ROLE_FILE ]]; then read -r role pid <"$ROLE_FILE" || true; fi
  if [[ -z $role || (-n $asked && $asked != "$role") ]]; then
    fail "${asked:-a role} was not started here${role:+, but $role}."
  fi
  kill -0 "$pid" 2>/dev/null || fail "$role has ended."
  case $role in
    head | worker)
      local address=$ADDRESS
      [[ $role == head ]] && address="${AEN_NODE_IP:-127.0.0.1}:$PORT"
      export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
      raylet_of "$pid" || fail "$role has no raylet."
      answers "$address" >/dev/null || fail "the cluster at $address does not answer."
      ;;
    serve)
      serves "${AEN_NODE_IP:-127.0.0.1}" "$SERVICE_PORT" || fail "no service answers on port $SERVICE_PORT."
      ;;
    tensorboard) listens 127.0.0.1 "$BOARD_PORT" || fail "nobody listens on port $BOARD_PORT." ;;
  esac
}

check_number AEN_WAIT "$WAIT" 120
check_number AEN_WORKERS "$WORKERS" 2
role=${1:---help}
shift || true
case $role in
  head) run_head "$@" ;;
  worker) run_worker "$@" ;;
  search) run_search "$@" ;;
  serve) run_serve "$@" ;;
  resume | sweep) run_resume_or_sweep "$role" "$@" ;;
  node) ray_start --address "$ADDRESS" ;; # the node of a search; not for users
  tensorboard)
    check_number TENSORBOARD_PORT "$BOARD_PORT" 6006
    note_role tensorboard
    exec tensorboard --logdir "$RUNS" --host 0.0.0.0 --port "$BOARD_PORT" "$@"
    ;;
  healthcheck) run_healthcheck "$@" ;;
  aen)
    note_role aen
    exec aen "$@"
    ;;
  -*)
    [[ $role == -h || $role == --help ]] && printf 'Roles of this image: %s. All else is handed to aen:\n\n' "$ROLES"
    exec aen "$role" "$@"
    ;;
  *)
    aen "$role" --help >/dev/null 2>&1 || fail "'$role' is no role and no command of aen. Roles are $ROLES;" \
      "'aen --help' shows the commands."
    note_role aen
    exec aen "$role" "$@"
    ;;
esac
