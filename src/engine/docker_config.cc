// docs.docker.com/reference/dockerfile: the instructions without a file system behind them.
#include "engine/docker_config.h"

#include <algorithm>
#include <map>

#include "codec/json.h"
#include "engine/json_text.h"

namespace kobuk::engine::docker {
namespace {

struct Config {
  std::vector<std::string> cmd, entrypoint, env;
  std::map<std::string, std::string> labels;
  std::vector<std::string> ports, volumes;
  std::string stop_signal, user, workdir;
};

// ["a", "b"] as it is, anything else by the shell.
std::vector<std::string> command_of(std::string_view text) {
  if (text.starts_with('[')) {
    auto list = codec::parse_json(text);
    if (list && list->root.is_array()) {
      std::vector<std::string> out;
      for (const codec::Value& item : list->root.items()) out.emplace_back(item.as_string());
      return out;
    }
  }
  return {"/bin/sh", "-c", std::string(text)};
}

// A=b "C=d e" F='g h' as words, quotes taken off.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  char quote = 0;
  bool any = false;
  for (char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
      else word += c;
    } else if (c == '"' || c == '\'') {
      quote = c, any = true;
    } else if (c == ' ' || c == '\t') {
      if (any || !word.empty()) out.push_back(std::exchange(word, {}));
      any = false;
    } else {
      word += c;
    }
  }
  if (any || !word.empty()) out.push_back(std::move(word));
  return out;
}

// "NAME=value …", or the old "NAME value".
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(std::string_view instruction, std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  size_t blank = text.find(' ');
  if (text.find('=') == text.npos && blank != text.npos) {
    out.emplace_back(text.substr(0, blank), trim(text.substr(blank)));
    return out;
  }
  for (const std::string& word : words_of(text)) {
    size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return fail(Code::kInvalid, "Syntax error - can't find = in ", go_quote(word), ". Must be of the form: name=value (", instruction, ")");
    out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return out;
}

Result<void> apply_change(std::string_view change, Config& config) {
  change = trim(change);
  size_t blank = change.find_first_of(" \t");
  std::string name = to_lower(change.substr(0, blank));
  std::string_view rest = blank == change.npos ? std::string_view() : trim(change.substr(blank));
  if (rest.empty()) return fail(Code::kInvalid, "the change ", go_quote(change), " says nothing");
  if (name == "cmd") {
    config.cmd = command_of(rest);
  } else if (name == "entrypoint") {
    config.entrypoint = command_of(rest);
  } else if (name == "stopsignal") {
    config.stop_signal = rest;
  } else if (name == "user") {
    config.user = rest;
  } else if (name == "workdir") {
    config.workdir = rest;
  } else if (name == "expose") {
    for (const std::string& port : words_of(rest)) config.ports.push_back(port.find('/') == std::string::npos ? cat(port, "/tcp") : port);
  } else if (name == "volume") {
    for (const std::string& path : rest.starts_with('[') ? command_of(rest) : words_of(rest)) config.volumes.push_back(path);
  } else if (name == "env" || name == "label") {
    KOBUK_TRY(auto pairs, pairs_of(name, rest));
    for (auto& [key, value] : pairs) {
      if (name == "label") config.labels[key] = value;
      else config.env.push_back(cat(key, "=", value));
    }
  } else {
    return fail(Code::kInvalid, name, " is not a valid change command: use CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR");
  }
  return {};
}

void set_field(JsonText& out, std::string_view name, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  out.key(name).open_object();
  for (const std::string& key : keys) out.key(key).open_object().close_object();
  out.close_object();
}

}  // namespace

Result<std::string> config_of_changes(const std::vector<std::string>& changes) {
  Config config;
  for (const std::string& change : changes) KOBUK_CHECK(apply_change(change, config));
  JsonText out;
  out.open_object();
  if (!config.cmd.empty()) out.field("Cmd", config.cmd);
  if (!config.entrypoint.empty()) out.field("Entrypoint", config.entrypoint);
  if (!config.env.empty()) out.field("Env", config.env);
  if (!config.labels.empty()) out.field("Labels", config.labels);
  set_field(out, "ExposedPorts", config.ports);
  set_field(out, "Volumes", config.volumes);
  if (!config.stop_signal.empty()) out.field("StopSignal", config.stop_signal);
  if (!config.user.empty()) out.field("User", config.user);
  if (!config.workdir.empty()) out.field("WorkingDir", config.workdir);
  out.close_object();
  return std::move(out).take();
}

}  // namespace kobuk::engine::docker
