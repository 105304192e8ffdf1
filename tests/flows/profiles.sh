#!/usr/bin/env bash
# Two clusters side by side on one host, one of them on a real etcd: neither sees the other, both serve, and the end of one
# leaves the other alone.
. "$(dirname "$0")/lib.sh"
need_root
need busybox
need curl
need etcd

one=one$$ two=two$$
cleanup() {
  for profile in "$one" "$two"; do "$KOBUK" delete -p "$profile" >/dev/null 2>&1 || true; done
  [ -z "${etcd:-}" ] || { kill "$etcd" 2>/dev/null; wait "$etcd" 2>/dev/null; } || true
  rm -rf "$work"
}
trap cleanup EXIT
kubectl() { "$KOBUK" kubectl --profile "$@"; }  # kubectl PROFILE ARGUMENT...
docker() { "$KOBUK" docker --profile "$@"; }

start_etcd() {
  port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  peer=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  command etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" >"$work/etcd.log" 2>&1 &
  etcd=$!
  within 10 curl -sf "http://127.0.0.1:$port/health"
}

page() { # page PROFILE: fetched through the Service's address
  curl -sf -m 2 "http://$(kubectl "$1" get service web -o 'jsonpath={.status.loadBalancer.ingress[0].ip}')/"
}

deploy() { # deploy PROFILE
  docker "$1" import "$work/rootfs.tar" web:1 >/dev/null
  web_manifest | kubectl "$1" apply -f - >/dev/null
  kubectl "$1" rollout status deployment/web --timeout=60s >/dev/null || fail "rollout in $1"
  within 10 page "$1"
}

host_state >"$work/before"
start_etcd
"$KOBUK" start -p "$one" --root "$work/one" >/dev/null || fail "start $one"
"$KOBUK" start -p "$two" --root "$work/two" --store etcd --etcd-servers "http://127.0.0.1:$port" >/dev/null || fail "start $two"
busybox_image "$work/rootfs.tar"
deploy "$one"
expect 1 'deployments.apps "web" not found' kubectl "$two" get deployment web
[ -z "$(docker "$two" ps -q)" ] || fail "one profile sees the other's containers"
deploy "$two"
page "$one" | grep -q 'served by' || fail "the first cluster, beside the second"

# What etcd holds is the cluster: a daemon that is killed comes back with all of it.
kill -9 "$("$KOBUK" status -p "$two" -o json | python3 -c "import json,sys; print(json.load(sys.stdin)['roles'][0]['pid'])")"
"$KOBUK" start -p "$two" >/dev/null || fail "start $two again"
expect 0 "3/3" kubectl "$two" get deployment web
keys() { # all of them, through etcd's own JSON gateway
  curl -sf "http://127.0.0.1:$port/v3/kv/range" -d '{"key": "AA==", "range_end": "AA==", "keys_only": true}' |
    python3 -c 'import base64,json,sys; [print(base64.b64decode(kv["key"]).decode()) for kv in json.load(sys.stdin)["kvs"]]'
}
keys | grep -q deployments/default/web || fail "no Deployment in etcd"

"$KOBUK" delete -p "$one" >/dev/null || fail "delete $one"
page "$two" | grep -q 'served by' || fail "the second cluster, after the end of the first"
"$KOBUK" delete -p "$two" >/dev/null || fail "delete $two"
kill "$etcd" && wait "$etcd" || true
etcd=
within 15 nothing_new "$work/before"
