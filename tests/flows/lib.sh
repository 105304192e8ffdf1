# What the flow scripts share; sourced, not run. Needs KOBUK, the binary.
set -euo pipefail
: "${KOBUK:?the kobuk binary}"
work=$(mktemp -d)

skip() { echo "$*"; exit 77; }
need_root() { [ "$(id -u)" = 0 ] || skip "needs root: makes containers, bridges and cgroups"; }
need() { command -v "$1" >/dev/null || skip "needs $1, which is not installed"; }

fail() {
  echo "FAILED: $*"
  for log in "${root:-/nonexistent}"/logs/*.log; do [ -f "$log" ] && { echo "--- $log"; tail -40 "$log"; }; done
  exit 1
}

expect() { # expect CODE TEXT COMMAND...
  local code=0 out
  out=$("${@:3}" 2>&1) || code=$?
  [ "$code" = "$1" ] || fail "exit code $code, not $1: ${*:3}: $out"
  case "$out" in *"$2"*) ;; *) fail "no '$2' in the output of ${*:3}: $out" ;; esac
}

within() { # within SECONDS COMMAND...: repeats until it succeeds
  local end=$((SECONDS + $1))
  until "${@:2}" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "not within $1 s: ${*:2}: $("${@:2}" 2>&1 || true)"
    sleep 0.1
  done
}

# Everything on the host that kobuk could leave behind, one thing a line.
host_state() {
  cut -d' ' -f5 /proc/self/mountinfo | grep -v "^$work" | sort
  ip -o link | awk '{print $2}' | sort
  { nft list tables 2>/dev/null || true; } | sort
  find /sys/fs/cgroup -type d -name '*kobuk*' | sort
  ls -A /run/netns 2>/dev/null || true
  ps -eo comm=,args= | awk '$1 ~ /^(memfd:)?kobuk/' | sort  # daemons, monitors (started from memory), clients
  ls -A /var/lib/kobuk /run/kobuk 2>/dev/null | grep -v '^lock$' || true
}

# nothing_new FILE: what host_state says now was in FILE before. What others take from the host meanwhile is not ours to say.
nothing_new() {
  host_state | sort >"$work/after"
  local new
  new=$(sort "$1" | comm -13 - "$work/after")
  [ -z "$new" ] || { echo "new on the host: $new"; return 1; }
}

busybox_image() { # busybox_image TAR: a root file system of busybox
  local rootfs=$work/rootfs
  mkdir -p "$rootfs"/{bin,etc,tmp,root}
  cp "$(command -v busybox)" "$rootfs/bin/busybox"
  for applet in sh ls cat echo sleep id hostname httpd wget nc ps env true false touch mkdir; do ln -sf busybox "$rootfs/bin/$applet"; done
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$rootfs/etc/passwd"
  printf 'root:x:0:\n' >"$rootfs/etc/group"
  tar --create --file "$1" --numeric-owner --owner=0 --group=0 -C "$rootfs" .
}

# A Deployment of three that serve their names, and a LoadBalancer Service; of the image web:1, made by busybox_image.
web_manifest() {
  cat <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: web:1
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "echo served by $HOSTNAME >/tmp/index.html; echo started; exec httpd -f -p 80 -h /tmp"]
        env: [{name: HOSTNAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 10m, memory: 8Mi, ephemeral-storage: 10Mi}, limits: {memory: 64Mi}}
        readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{protocol: TCP, port: 80, targetPort: 80}]
  type: LoadBalancer
YAML
}
