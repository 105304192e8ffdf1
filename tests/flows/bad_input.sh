#!/usr/bin/env bash
# What goes wrong is said in one sentence with the remedy, and nothing half-made stays.
. "$(dirname "$0")/lib.sh"
need_root
need busybox

profile=bad$$
root=$work/cluster
cleanup() {
  "$KOBUK" delete -p "$profile" >/dev/null 2>&1 || true
  "$KOBUK" delete -p "$profile-full" >/dev/null 2>&1 || true
  umount "$work/small" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
kubectl() { "$KOBUK" kubectl --profile "$profile" "$@"; }
docker() { "$KOBUK" docker --profile "$profile" "$@"; }
apply() { printf '%s\n' "$1" | kubectl apply -f -; }

expect 2 "is no name" "$KOBUK" start -p "Bad_Name"
expect 2 "is no amount of memory" "$KOBUK" start -p "$profile" --root "$root" --memory lots
expect 2 "has to be an absolute path" "$KOBUK" start -p "$profile" --root relative
chmod 755 "$work"
expect 1 "run: sudo kobuk start" setpriv --reuid 65534 --regid 65534 --clear-groups "$KOBUK" start -p "$profile"
expect 1 "5.15" setarch --uname-2.6 "$KOBUK" start -p "$profile" --root "$root"
expect 1 "cgroup" unshare --mount sh -c 'grep cgroup /proc/mounts | cut -d" " -f2 | sort -r | xargs umount -l; exec "$@"' sh "$KOBUK" start -p "$profile" --root "$root"
"$KOBUK" delete -p "$profile" >/dev/null
mkdir -p "$work/used" && echo precious >"$work/used/file"
expect 1 "is not empty" "$KOBUK" start -p "$profile" --root "$work/used"
[ "$(cat "$work/used/file")" = precious ] || fail "a folder in use was touched"
expect 1 "there is no profile" "$KOBUK" status -p "$profile"
expect 1 "make it with: kobuk start" "$KOBUK" stop -p "$profile"
python3 -c 'import socket, time; s = socket.socket(); s.bind(("127.0.0.1", 27443)); s.listen(); time.sleep(60)' &
taken=$!
within 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/27443'
expect 1 "port 27443 of 127.0.0.1 is taken" "$KOBUK" start -p "$profile" --root "$root" --port 27443
kill $taken

"$KOBUK" start -p "$profile" --root "$root" >/dev/null || fail "start"
expect 0 "take effect after kobuk stop" "$KOBUK" start -p "$profile" --cpus 1
pod='{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: "none/such:1"'
expect 1 '.spec.containers[name="c"].imagee: field not declared in schema' apply "$pod, imagee: x}]}}"
expect 1 'The Pod "p" is invalid: spec.containers[0].name: Invalid value' apply '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: C_, image: "a:1"}]}}'
expect 1 'no matches for kind "Pood" in version "v1"' apply '{apiVersion: v1, kind: Pood, metadata: {name: p}}'
expect 1 'no matches for kind "NetworkPolicy" in version "networking.k8s.io/v1"' apply '{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}}'
expect 1 'no matches for kind "Pod" in version "v2"' apply '{apiVersion: v2, kind: Pod, metadata: {name: p}}'
expect 1 '(default/d; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string' apply '{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: "three", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: x}]}}}}'
expect 1 'namespaces "nowhere" not found' apply '{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: nowhere}}'
expect 0 "No resources found" kubectl get pods

apply "$pod}]}}" >/dev/null || fail "apply a pod whose image is missing"
waiting() { kubectl get pod p -o 'jsonpath={.status.containerStatuses[0].state.waiting.reason}' | grep -qE 'ErrImagePull|ImagePullBackOff'; }
within 20 waiting
expect 1 "No such container: none" docker stop none
expect 125 "none/such" docker run --rm none/such:1 true
busybox_image "$work/rootfs.tar"
docker import "$work/rootfs.tar" web:1 >/dev/null
docker run -d --name one -p 28080:80 web:1 sleep 100 >/dev/null
expect 125 "port is already allocated" docker run -d --name two -p 28080:80 web:1 sleep 100
expect 125 'is already in use by container' docker run -d --name one web:1 true
expect 127 "not found" docker run --rm web:1 no-such-program

# A full disk: writes fail and say why, what was acknowledged stays, and with room again all goes on.
mkdir "$work/small" && mount -t tmpfs -o size=600m tmpfs "$work/small"
full=$profile-full
"$KOBUK" start -p "$full" --root "$work/small/cluster" >/dev/null || fail "start on a small disk"
config() { printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {n: "%s"}\n' "$1" "$1" | "$KOBUK" kubectl --profile "$full" apply -f -; }
config before >/dev/null || fail "a write before the disk is full"
docker_there() { "$KOBUK" docker --profile "$full" "$@"; }
docker_there import "$work/rootfs.tar" there:1 >/dev/null || fail "import on a small disk"
docker_there run -d --name old there:1 sleep 1000 >/dev/null || fail "run on a small disk"
dd if=/dev/zero of="$work/small/filler" bs=64k 2>/dev/null || true
refused() { ! config "after-$RANDOM$RANDOM" >"$work/refused" 2>&1; }
within 20 refused
grep -qi "no space left" "$work/refused" || fail "a full disk is not named: $(cat "$work/refused")"
expect 1 "No space left on device" "$KOBUK" docker --profile "$full" import "$work/rootfs.tar" web:1
dd if=/dev/zero of="$work/small/rest" bs=1 count=4096 2>/dev/null || true
expect 0 "old" docker_there rm -f old
expect 1 "No such container" docker_there rm -f old
rm "$work/small/filler" "$work/small/rest"
config after >/dev/null || fail "a write after there is room again"
expect 0 "before" "$KOBUK" kubectl --profile "$full" get configmaps
# A cluster can be deleted because the disk is full, all of it.
dd if=/dev/zero of="$work/small/filler" bs=64k 2>/dev/null || true
dd if=/dev/zero of="$work/small/rest" bs=1 count=4096 2>/dev/null || true
expect 0 "is deleted" "$KOBUK" delete -p "$full"
! nft list tables | grep -q "$full" || fail "tables of a deleted cluster"
