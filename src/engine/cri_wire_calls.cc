// cri-api runtime.v1, api.proto: the requests, and the answers that are about the runtime itself.
#include <algorithm>

#include "codec/json.h"
#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {
namespace {

// Clients take messages of 16 MiB; what is longer is cut, as the CRI asks for.
constexpr size_t kMaxExecAnswer = (16 << 20) - 1024;

int64_t seconds_up(Duration time) { return std::chrono::ceil<std::chrono::seconds>(time).count(); }
Duration to_seconds(const ProtobufField& field) {
  constexpr int64_t kLongest = 10LL * 365 * 86400;  // what a Duration can hold with room to spare
  return std::chrono::seconds(std::clamp<int64_t>(field.as_int64(), 0, kLongest));
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  cat_to(out, out.empty() ? "{" : ",", "\"", name, "\":");
  codec::append_json_string(out, value);
}

// AuthConfig as the JSON that cri.h has.
Result<std::string> read_auth(std::string_view bytes) {
  std::string user, password, both, token, server;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: user = field.bytes; break;
      case 2: password = field.bytes; break;
      case 3: both = field.bytes; break;
      case 4: server = field.bytes; break;
      case 5: token = field.bytes; break;
      case 6: return field.bytes.empty() ? Result<void>() : refuse("registry_token");
      default: break;
    }
    return {};
  }));
  if (user.empty() && !both.empty()) {
    auto decoded = unbase64(both);
    size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) return fail(Code::kInvalid, "cri: auth is not base64 of user:password");
    user = decoded->substr(0, colon), password = decoded->substr(colon + 1);
  }
  if (user.empty() && token.empty()) return std::string();
  std::string out;
  append_member(out, "username", user);
  append_member(out, "password", password);
  append_member(out, "identitytoken", token);
  append_member(out, "serveraddress", server);
  return out + "}";
}

void write_auth(ProtobufWriter& out, const std::string& json) {
  auto document = codec::parse_json(json, {.max_bytes = 1 << 20, .max_depth = 8});
  if (!document) return;
  const codec::Value& root = document->root;
  out.message(2, [&](ProtobufWriter& auth) {
    put_text(auth, 1, root["username"].as_string());
    put_text(auth, 2, root["password"].as_string());
    put_text(auth, 4, root["serveraddress"].as_string());
    put_text(auth, 5, root["identitytoken"].as_string());
  });
}

struct FilterNumbers {
  uint32_t id = 1, state = 0, sandbox = 0, labels = 0;
};

Result<Filter> decode_filter(std::string_view request, FilterNumbers numbers) {
  Filter out;
  auto take = [&](const ProtobufField& field) -> Result<void> {
    if (field.number == numbers.id) out.id = field.bytes;
    if (field.number == numbers.sandbox) out.sandbox = field.bytes;
    if (field.number == numbers.labels) return add_pair(out.labels, field.bytes);
    if (field.number != numbers.state) return {};
    KOBUK_TRY(int64_t state, to_value(field.bytes));
    out.state = static_cast<uint64_t>(state);
    return {};
  };
  KOBUK_CHECK(each_field(request, [&](const ProtobufField& field) { return field.number == 1 ? each_field(field.bytes, take) : Result<void>(); }));
  return out;
}

}  // namespace

std::string encode(const Id& message) {
  ProtobufWriter out;
  put_text(out, 1, message.id);
  put_flag(out, 2, message.verbose);
  return out.take();
}
Result<void> decode(std::string_view bytes, Id& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.id = field.bytes;
    if (field.number == 2) out.verbose = field.as_bool();
    return {};
  });
}

std::string encode(const RunPodSandboxRequest& message) {
  ProtobufWriter out;
  out.message(1, [&](ProtobufWriter& config) { write(config, message.config); });
  return out.take();
}
Result<void> decode(std::string_view bytes, RunPodSandboxRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) return read(field.bytes, out.config);
    if (field.number == 2 && !field.bytes.empty()) return fail(Code::kNotFound, "no runtime handler ", go_quote(field.bytes), ": there is the default one only");
    return {};
  });
}

std::string encode(const CreateContainerRequest& message) {
  ProtobufWriter out;
  put_text(out, 1, message.sandbox);
  out.message(2, [&](ProtobufWriter& config) { write(config, message.config); });
  out.message(3, [&](ProtobufWriter& config) { write(config, message.sandbox_config); });
  return out.take();
}
Result<void> decode(std::string_view bytes, CreateContainerRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.sandbox = field.bytes;
    if (field.number == 2) return read(field.bytes, out.config);
    if (field.number == 3) return read(field.bytes, out.sandbox_config);
    return {};
  });
}

std::string encode(const StopContainerRequest& message) {
  ProtobufWriter out;
  put_text(out, 1, message.id);
  put_number(out, 2, seconds_up(message.timeout));
  return out.take();
}
Result<void> decode(std::string_view bytes, StopContainerRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.id = field.bytes;
    if (field.number == 2) out.timeout = to_seconds(field);
    return {};
  });
}

std::string encode(const UpdateContainerResourcesRequest& message) {
  ProtobufWriter out;
  put_text(out, 1, message.id);
  out.message(2, [&](ProtobufWriter& resources) { write(resources, message.resources); });
  return out.take();
}
Result<void> decode(std::string_view bytes, UpdateContainerResourcesRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.id = field.bytes;
    if (field.number == 2) return read(field.bytes, out.resources);
    return {};
  });
}

std::string encode(const ExecSyncRequest& message) {
  ProtobufWriter out;
  put_text(out, 1, message.id);
  put_texts(out, 2, message.command);
  put_number(out, 3, seconds_up(message.timeout));
  return out.take();
}
Result<void> decode(std::string_view bytes, ExecSyncRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.id = field.bytes;
    if (field.number == 2) return add(out.command, field);
    if (field.number == 3) out.timeout = to_seconds(field);
    return {};
  });
}

std::string encode(const PullImageRequest& message) {
  ProtobufWriter out;
  write_image(out, 1, message.image);
  if (!message.credentials_json.empty()) write_auth(out, message.credentials_json);
  return out.take();
}
Result<void> decode(std::string_view bytes, PullImageRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) return read_image(field.bytes, out.image);
    if (field.number != 2) return {};
    KOBUK_TRY(out.credentials_json, read_auth(field.bytes));
    return {};
  });
}

std::string encode(const ImageRequest& message) {
  ProtobufWriter out;
  write_image(out, 1, message.image);
  return out.take();
}
Result<void> decode(std::string_view bytes, ImageRequest& out) {
  return each_field(bytes, [&](const ProtobufField& field) { return field.number == 1 ? read_image(field.bytes, out.image) : Result<void>(); });
}

Result<Filter> decode_sandbox_filter(std::string_view request) { return decode_filter(request, {.state = 2, .labels = 3}); }
Result<Filter> decode_container_filter(std::string_view request) { return decode_filter(request, {.state = 2, .sandbox = 3, .labels = 4}); }
Result<Filter> decode_container_stats_filter(std::string_view request) { return decode_filter(request, {.sandbox = 2, .labels = 3}); }
Result<Filter> decode_sandbox_stats_filter(std::string_view request) { return decode_filter(request, {.labels = 2}); }

Result<std::string> decode_image_filter(std::string_view request) {
  ImageRequest filter;
  KOBUK_CHECK(each_field(request, [&](const ProtobufField& field) { return field.number == 1 ? decode(field.bytes, filter) : Result<void>(); }));
  return filter.image;
}

std::string encode_exec_result(const ExecResult& result) {
  std::string_view all_out = result.out, all_err = result.err;
  all_out = all_out.substr(0, kMaxExecAnswer);
  all_err = all_err.substr(0, kMaxExecAnswer - all_out.size());
  ProtobufWriter out;
  put_text(out, 1, all_out);
  put_text(out, 2, all_err);
  put_number(out, 3, result.exit_code);
  return out.take();
}
Result<ExecResult> decode_exec_result(std::string_view answer) {
  ExecResult out;
  KOBUK_CHECK(each_field(answer, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.out = field.bytes;
    if (field.number == 2) out.err = field.bytes;
    if (field.number == 3) out.exit_code = field.as_int32();
    return {};
  }));
  return out;
}

std::string encode_version(const Facts& facts) {
  ProtobufWriter out;
  put_text(out, 1, "0.1.0");  // of the kubelet's side of the protocol: the one there is
  put_text(out, 2, "kobuk");
  put_text(out, 3, facts.version);
  put_text(out, 4, "v1");
  return out.take();
}

std::string encode_status(const Facts& facts) {
  ProtobufWriter out;
  out.message(1, [&](ProtobufWriter& status) {
    status.message(1, [](ProtobufWriter& condition) {
      put_text(condition, 1, "RuntimeReady");
      put_flag(condition, 2, true);
    });
    status.message(1, [&](ProtobufWriter& condition) {
      put_text(condition, 1, "NetworkReady");
      put_flag(condition, 2, facts.network_ready);
      if (!facts.network_ready) put_text(condition, 3, "NoPodSubnet");
      if (!facts.network_ready) put_text(condition, 4, "the engine was opened without a subnet for pods");
    });
  });
  out.message(3, [](ProtobufWriter& handler) {
    handler.message(2, [](ProtobufWriter& features) { put_flag(features, 1, true); });  // recursive read-only mounts
  });
  return out.take();
}

std::string encode_runtime_config() {
  ProtobufWriter out;
  out.message(1, [](ProtobufWriter& on_linux) { put_number(on_linux, 1, 1); });  // CGROUPFS
  return out.take();
}

std::string encode_image_fs_info(const Facts& facts) {
  ProtobufWriter out;
  for (uint32_t number : {1u, 2u}) {  // images, and what containers write, lie on the same file system
    out.message(number, [&](ProtobufWriter& usage) {
      put_time(usage, 1, facts.time);
      usage.message(2, [&](ProtobufWriter& id) { put_text(id, 1, facts.image_folder); });
      put_value(usage, 3, static_cast<int64_t>(facts.image_bytes));
    });
  }
  return out.take();
}

}  // namespace kobuk::engine::wire
