#!/usr/bin/env bash
# kill -9 of the daemon, again and again under load: every acknowledged write is there afterwards, and the containers go on.
. "$(dirname "$0")/lib.sh"
need_root
need busybox

profile=crash$$
root=$work/cluster
rounds=${ROUNDS:-50}
cleanup() {
  [ -z "${writer:-}" ] || kill "$writer" 2>/dev/null || true
  "$KOBUK" delete -p "$profile" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
kubectl() { "$KOBUK" kubectl --profile "$profile" "$@"; }
docker() { "$KOBUK" docker --profile "$profile" "$@"; }
field() { "$KOBUK" status -p "$profile" -o json | python3 -c "import json,sys; print(json.load(sys.stdin)$1)"; }

"$KOBUK" start -p "$profile" --root "$root" >/dev/null || fail "start"
busybox_image "$work/rootfs.tar"
docker import "$work/rootfs.tar" web:1 >/dev/null
container=$(docker run -d --name keeps-running web:1 sh -c 'i=0; while :; do echo tick $i; i=$((i+1)); sleep 1; done')
cat >"$work/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: steady}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: "web:1", imagePullPolicy: Never, command: [sh, -c, "while :; do sleep 1; done"]}
YAML
kubectl apply -f "$work/pod.yaml" >/dev/null
ready() { [ "$(kubectl get pod steady -o 'jsonpath={.status.phase}')" = Running ]; }
within 20 ready
pod_id() { kubectl get pod steady -o 'jsonpath={.status.containerStatuses[0].containerID}'; }
first_id=$(pod_id)

# Writes ConfigMaps one after the other and notes each name once it is acknowledged.
write() {
  local n=0
  while :; do
    n=$((n + 1))
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "w-%s"}\ndata: {n: "%s"}\n' $n $n |
      kubectl apply -f - >/dev/null 2>&1 && echo "configmap/w-$n" >>"$work/acknowledged"
  done
}
: >"$work/acknowledged"
write &
writer=$!
for round in $(seq "$rounds"); do
  sleep "0.$((RANDOM % 5))"
  kill -9 "$(field "['roles'][0]['pid']")"
  "$KOBUK" start -p "$profile" >/dev/null || fail "start after kill $round"
done
kill "$writer" && wait "$writer" 2>/dev/null || true
writer=

kubectl get configmaps -o name | sort >"$work/there"
lost=$(sort "$work/acknowledged" | comm -23 - "$work/there")
[ -z "$lost" ] || fail "acknowledged, then lost: $lost"
[ "$(wc -l <"$work/acknowledged")" -gt 0 ] || fail "the writer wrote nothing"
docker ps --no-trunc | grep -q "$container.*Up" || fail "the container was not adopted: $(docker ps -a)"
within 30 ready
[ "$(pod_id)" = "$first_id" ] || fail "the pod's container was replaced: $first_id became $(pod_id)"
[ "$(kubectl get pod steady -o 'jsonpath={.status.containerStatuses[0].restartCount}')" = 0 ] || fail "the pod was restarted"
echo "$rounds kills, $(wc -l <"$work/acknowledged") acknowledged writes, none lost"
