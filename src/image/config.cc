// OCI image-spec 1.1, config.md; Docker's image configs are the same with more members.
#include "codec/json.h"
#include "image/manifest.h"

namespace kobuk::image {
namespace {

using codec::Value;

std::vector<std::string> strings_of(const Value& list) {
  std::vector<std::string> out;
  if (list.is_string()) out.emplace_back(list.as_string());  // builders of long ago wrote a command as one text
  for (const Value& item : list.is_array() ? list.items() : std::span<const Value>()) out.emplace_back(item.as_string());
  return out;
}

std::vector<std::string> keys_of(const Value& object) {
  std::vector<std::string> out;
  for (const codec::Member& member : object.is_object() ? object.members() : std::span<const codec::Member>()) {
    out.emplace_back(member.key);
  }
  return out;
}

}  // namespace

Result<ConfigFile> parse_config(std::string_view bytes) {
  KOBUK_TRY(codec::Document document, codec::parse_json(bytes, {.max_bytes = kMaxConfig, .max_depth = 64}));
  const Value& root = document.root;
  if (!root.is_object()) return fail(Code::kInvalid, "image config: not a JSON object");
  ConfigFile out;
  const Value& config = root["config"];
  out.config.user = config["User"].as_string();
  out.config.working_dir = config["WorkingDir"].as_string();
  out.config.stop_signal = config["StopSignal"].as_string();
  out.config.env = strings_of(config["Env"]);
  out.config.entrypoint = strings_of(config["Entrypoint"]);
  out.config.cmd = strings_of(config["Cmd"]);
  out.config.exposed_ports = keys_of(config["ExposedPorts"]);
  out.config.volumes = keys_of(config["Volumes"]);
  const Value& labels = config["Labels"];
  for (const codec::Member& label : labels.is_object() ? labels.members() : std::span<const codec::Member>()) {
    out.config.labels[std::string(label.key)] = label.value.as_string();
  }
  out.config.architecture = root["architecture"].as_string();
  out.config.os = root["os"].as_string();
  out.config.json = bytes;
  out.platform = normalize_platform({.os = out.config.os, .architecture = out.config.architecture, .variant = std::string(root["variant"].as_string())});
  if (auto created = parse_rfc3339(root["created"].as_string())) out.created = *created;
  const Value& rootfs = root["rootfs"];
  if (rootfs["type"].as_string("layers") != "layers") return fail(Code::kUnsupported, "image config: rootfs type ", go_quote(rootfs["type"].as_string()));
  if (rootfs["diff_ids"].size() > kMaxLayers) return fail(Code::kTooLarge, "image config: more than ", kMaxLayers, " layers");
  for (std::string& text : strings_of(rootfs["diff_ids"])) {
    KOBUK_TRY(codec::Digest digest, codec::Digest::parse(text));
    out.diff_ids.push_back(digest.text());
  }
  return out;
}

}  // namespace kobuk::image
