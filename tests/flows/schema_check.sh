#!/usr/bin/env bash
# tools/schema_check sees what differs; and, where KOBUK_SWAGGER names Kubernetes' swagger.json, nothing does.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/swagger.json" <<'JSON'
{"definitions": {"io.k8s.api.core.v1.ConfigMap": {"type": "object", "required": ["data"], "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"},
  "metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
  "data": {"type": "object", "additionalProperties": {"type": "string"}},
  "binaryData": {"type": "string"}, "added": {"type": "integer", "format": "int32"}}}}}
JSON
printf 'package\tmessage\tnumber\tfield\nk8s.io.api.core.v1\tConfigMap\t9\tdata\n' >"$work/proto.tsv"
out=$(tools/schema_check "$work/swagger.json" "$work/proto.tsv") && { echo "saw no difference"; exit 1; }
for text in "ConfigMap.added: missing" "ConfigMap.immutable: not in OpenAPI" "ConfigMap.data: required differs" \
  "ConfigMap.binaryData: map<bytes> is" "ConfigMap.data: protobuf number 2, the table has 9"; do
  case "$out" in *"$text"*) ;; *) echo "no '$text' in:"; echo "$out"; exit 1 ;; esac
done

if [ -z "${KOBUK_SWAGGER:-}" ]; then
  echo "KOBUK_SWAGGER does not name Kubernetes' swagger.json: only the tool itself was tested"
  exit 77
fi
tools/schema_check "$KOBUK_SWAGGER"
