// Protocol Buffers encoding (protobuf.dev/programming-guides/encoding), as the messages of cri-api runtime.v1 use it.
#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {

void put_text(ProtobufWriter& out, uint32_t number, std::string_view text) {
  if (!text.empty()) out.bytes(number, text);
}
void put_number(ProtobufWriter& out, uint32_t number, int64_t value) {
  if (value != 0) out.integer(number, value);
}
void put_flag(ProtobufWriter& out, uint32_t number, bool value) {
  if (value) out.boolean(number, true);
}
void put_texts(ProtobufWriter& out, uint32_t number, const std::vector<std::string>& list) {
  for (const std::string& text : list) out.bytes(number, text);
}
void put_map(ProtobufWriter& out, uint32_t number, const StringMap& map) {
  for (const auto& [key, value] : map) {
    out.message(number, [&](ProtobufWriter& entry) {
      put_text(entry, 1, key);
      put_text(entry, 2, value);
    });
  }
}
void put_time(ProtobufWriter& out, uint32_t number, WallTime time) { put_number(out, number, time.time_since_epoch().count()); }
void put_value(ProtobufWriter& out, uint32_t number, int64_t value) {
  out.message(number, [&](ProtobufWriter& inner) { put_number(inner, 1, value); });
}

WallTime to_time(const ProtobufField& field) { return WallTime(Duration(field.as_int64())); }

Result<int64_t> to_value(std::string_view message) {
  int64_t out = 0;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out = field.as_int64();
    return {};
  }));
  return out;
}

Result<void> too_many() { return fail(Code::kTooLarge, "cri: a list of more than ", kMaxItems, " items"); }

Result<void> add_pair(StringMap& to, std::string_view entry) {
  std::string key, value;
  KOBUK_CHECK(each_field(entry, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) key = field.bytes;
    if (field.number == 2) value = field.bytes;
    return {};
  }));
  if (to.size() >= kMaxItems) return too_many();
  to[std::move(key)] = std::move(value);
  return {};
}

Result<void> add_integers(std::vector<int64_t>& to, const ProtobufField& field) {
  if (field.is_varint()) return add(to, field.as_int64());
  std::string_view rest = field.bytes;
  while (!rest.empty()) {
    KOBUK_TRY(uint64_t value, codec::take_varint(rest));
    KOBUK_CHECK(add(to, static_cast<int64_t>(value)));
  }
  return {};
}

void write(ProtobufWriter& out, const PodSandboxMetadata& metadata) {
  put_text(out, 1, metadata.name);
  put_text(out, 2, metadata.uid);
  put_text(out, 3, metadata.space);
  put_number(out, 4, metadata.attempt);
}

Result<void> read(std::string_view bytes, PodSandboxMetadata& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.name = field.bytes; break;
      case 2: out.uid = field.bytes; break;
      case 3: out.space = field.bytes; break;
      case 4: out.attempt = static_cast<uint32_t>(field.value); break;
      default: break;
    }
    return {};
  });
}

void write(ProtobufWriter& out, const Namespaces& namespaces) {
  put_number(out, 1, static_cast<int64_t>(namespaces.network));
  put_number(out, 2, static_cast<int64_t>(namespaces.pid));
  put_number(out, 3, static_cast<int64_t>(namespaces.ipc));
}

namespace {

Result<NamespaceMode> to_mode(const ProtobufField& field) {
  if (field.value > 2) return fail(Code::kUnsupported, "cri: namespace mode ", field.value, ": joining another container's namespace is not supported");
  return static_cast<NamespaceMode>(field.value);
}

// POD means "of its own" here; kubelets send NODE for pods of the host's users.
Result<void> check_users(std::string_view bytes) {
  return each_field(bytes, [](const ProtobufField& field) -> Result<void> {
    bool own = field.number == 1 && field.value != 2;
    if (own || field.number == 2 || field.number == 3) return fail(Code::kUnsupported, "cri: userns_options: user namespaces are not supported");
    return {};
  });
}

}  // namespace

Result<void> read(std::string_view bytes, Namespaces& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: {
        KOBUK_TRY(out.network, to_mode(field));
        break;
      }
      case 2: {
        KOBUK_TRY(out.pid, to_mode(field));
        break;
      }
      case 3: {
        KOBUK_TRY(out.ipc, to_mode(field));
        break;
      }
      case 5: return check_users(field.bytes);
      default: break;
    }
    return {};
  });
}

Result<void> refuse(std::string_view what) { return fail(Code::kUnsupported, "cri: ", what, " is not supported"); }

Result<void> read_seccomp(std::string_view bytes, CriSecurityContext& out) {
  uint64_t type = 0;
  std::string path;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) type = field.value;
    if (field.number == 2) path = field.bytes;
    return {};
  }));
  if (type > 2) return fail(Code::kInvalid, "cri: seccomp profile type ", type);
  out.seccomp_unconfined = type == 1;
  if (type == 2 && path.empty()) return fail(Code::kInvalid, "cri: seccomp: localhost_ref is empty");
  if (type == 2) out.seccomp_localhost = std::move(path);
  return {};
}

void write_seccomp(ProtobufWriter& out, uint32_t number, const CriSecurityContext& security) {
  out.message(number, [&](ProtobufWriter& profile) {
    put_number(profile, 1, !security.seccomp_localhost.empty() ? 2 : security.seccomp_unconfined ? 1 : 0);
    put_text(profile, 2, security.seccomp_localhost);
  });
}

// What is set when nothing else is: the default profile, and none. A profile of the host's can't be loaded.
Result<void> check_apparmor(std::string_view bytes) {
  return each_field(bytes, [](const ProtobufField& field) -> Result<void> {
    return field.number == 1 && field.value == 2 ? refuse("apparmor: a profile of the host") : Result<void>();
  });
}

void write_groups(ProtobufWriter& out, uint32_t number, const std::vector<int64_t>& groups) {
  std::string packed;
  for (int64_t group : groups) codec::append_varint(packed, static_cast<uint64_t>(group));
  put_text(out, number, packed);
}

void write_image(ProtobufWriter& out, uint32_t number, std::string_view image) {
  out.message(number, [&](ProtobufWriter& spec) { put_text(spec, 1, image); });
}

Result<void> read_image(std::string_view spec, std::string& image) {
  return each_field(spec, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) image = field.bytes;
    return {};
  });
}

void write_name(ProtobufWriter& out, uint32_t number, std::string_view name, uint32_t attempt) {
  out.message(number, [&](ProtobufWriter& metadata) {
    put_text(metadata, 1, name);
    put_number(metadata, 2, attempt);
  });
}

Result<void> read_name(std::string_view metadata, std::string& name, uint32_t& attempt) {
  return each_field(metadata, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) name = field.bytes;
    if (field.number == 2) attempt = static_cast<uint32_t>(field.value);
    return {};
  });
}

}  // namespace kobuk::engine::wire
