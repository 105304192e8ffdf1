#!/usr/bin/env bash
# One cluster from start to delete, by the commands of the README and the real clients where they are installed. Nothing
# of it stays on the host. `cluster.sh roles` does the same with each role in a process of its own.
. "$(dirname "$0")/lib.sh"
need_root
need busybox
need curl

processes=${1:-one}
profile=flow$$
root=$work/cluster
cleanup() {
  "$KOBUK" delete -p "$profile" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
kubectl() { "$KOBUK" kubectl --profile "$profile" "$@"; }
docker() { "$KOBUK" docker --profile "$profile" "$@"; }
role_pid() { "$KOBUK" status -p "$profile" | awk -v role="$1" '$1 == role {print $3}'; }
field() { "$KOBUK" status -p "$profile" -o json | python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }

check_deployment() {
  web_manifest >"$work/web.yaml"
  kubectl apply -f "$work/web.yaml" | grep -q 'deployment.apps/web created' || fail "apply"
  kubectl rollout status deployment/web --timeout=60s | grep -q 'successfully rolled out' || fail "rollout"
  expect 0 "web    3/3" kubectl get deployments
  [ "$(kubectl get pods -l app=web -o name | wc -l)" = 3 ] || fail "three pods: $(kubectl get pods)"
  local ip cluster_ip port
  ip=$(kubectl get service web -o 'jsonpath={.status.loadBalancer.ingress[0].ip}')
  cluster_ip=$(kubectl get service web -o 'jsonpath={.spec.clusterIP}')
  port=$(kubectl get service web -o 'jsonpath={.spec.ports[0].nodePort}')
  within 10 curl -sf -m 2 "http://$ip/"
  curl -sf -m 2 "http://$cluster_ip/" | grep -q 'served by web-' || fail "the page by ClusterIP"
  curl -sf -m 2 "http://127.0.0.1:$port/" | grep -q 'served by web-' || fail "the page by NodePort"
  kubectl logs deploy/web | grep -q started || fail "logs"
  expect 0 "Controlled By" kubectl describe pod "$(kubectl get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')"
  kubectl scale deploy/web --replicas=1 >/dev/null
  kubectl rollout status deploy/web --timeout=30s >/dev/null
  expect 1 'pods "none" not found' kubectl get pod none
}

check_docker() {
  busybox_image "$work/rootfs.tar"
  docker import -c 'CMD ["sh"]' "$work/rootfs.tar" "$(field registry)/library/web:1" >/dev/null
  docker push -q "$(field registry)/library/web:1"
  docker pull -q web:1   # through the mirror setting, from the registry
  docker run -d -p 18080:80 --name my-web web:1 sh -c 'echo hello >/tmp/index.html; echo up; exec httpd -f -p 80 -h /tmp' >/dev/null
  within 10 curl -sf -m 2 http://127.0.0.1:18080/
  expect 0 "my-web" docker ps
  expect 0 "up" docker logs my-web
  [ "$(docker run --rm web:1 echo from a container)" = "from a container" ] || fail "run --rm"
  expect 3 "" docker run --rm web:1 sh -c 'exit 3'
  expect 0 "my-web" docker stop -t 1 my-web
  expect 0 "my-web" docker rm my-web
}

real_clients() {
  eval "$("$KOBUK" env -p "$profile")"
  if command -v kubectl >/dev/null; then
    command kubectl get nodes -o wide | grep -q Ready || fail "real kubectl"
    command kubectl scale deploy/web --replicas=2 >/dev/null
    command kubectl rollout status deploy/web --timeout=60s >/dev/null || fail "real rollout status"
    command kubectl apply -f "$work/web.yaml" 2>/dev/null >/dev/null || fail "real apply"
  fi
  if command -v docker >/dev/null; then
    command docker run --rm web:1 echo ok | grep -q ok || fail "real docker run"
    command docker ps >/dev/null || fail "real docker ps"
  fi
  unset KUBECONFIG DOCKER_HOST
}

node_is() { [ "$(kubectl get nodes | awk 'NR == 2 {print $2}')" = "$1" ]; }

# The node goes on without the engine, says so, and finds it again.
check_processes() {
  [ "$processes" = roles ] || return 0
  [ "$(role_pid engine)" != "$(role_pid node)" ] || fail "engine and node in one process"
  [ "$(stat -c %a "$(field criSocket)")" = 600 ] || fail "the mode of the CRI's socket"
  local node before
  node=$(role_pid node)
  before=$(kubectl get pods -l app=web -o 'jsonpath={.items[0].status.containerStatuses[0].containerID}')
  kill -9 "$(role_pid engine)"
  within 40 node_is NotReady
  expect 0 '"state": "Degraded"' "$KOBUK" status -p "$profile" -o json
  "$KOBUK" start -p "$profile" >/dev/null || fail "start of the engine alone"
  within 40 node_is Ready
  [ "$(role_pid node)" = "$node" ] || fail "the node has not gone on"
  kubectl scale deploy/web --replicas=2 >/dev/null
  kubectl rollout status deploy/web --timeout=60s >/dev/null || fail "a Deployment after the engine's end"
  kubectl get pods -l app=web -o 'jsonpath={.items[*].status.containerStatuses[0].containerID}' | grep -q "$before" || fail "the container has not gone on"
}

flow() {
  host_state >"$work/before"
  "$KOBUK" start -p "$profile" --root "$root" --registry-mirror self --cpus 2 --memory 2g --processes "$processes" || fail "start"
  expect 0 '"state": "Running"' "$KOBUK" status -p "$profile" -o json
  expect 0 "already runs" "$KOBUK" start -p "$profile"
  check_docker
  check_deployment
  real_clients
  check_processes
  "$KOBUK" stop -p "$profile" -t 1 >/dev/null || fail "stop"
  expect 0 '"state": "Stopped"' "$KOBUK" status -p "$profile" -o json
  "$KOBUK" start -p "$profile" >/dev/null || fail "start again"
  kubectl rollout status deploy/web --timeout=60s >/dev/null || fail "the Deployment after a restart"
  "$KOBUK" delete -p "$profile" >/dev/null || fail "delete"
  # Ended monitors are the init process's children; how soon it takes note of them is not ours to say.
  within 15 nothing_new "$work/before"
}

flow
