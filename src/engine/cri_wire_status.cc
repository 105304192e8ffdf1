// cri-api runtime.v1, api.proto: statuses, lists, images, stats and events of RuntimeService and ImageService. Fields from
// 1001 are our own.
#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {
namespace {

constexpr uint32_t kSandboxId = 1001;  // ContainerStatus: the CRI tells it in lists only
constexpr uint32_t kImageUser = 1001;  // Image: as its config says it, with the group

void write_network(ProtobufWriter& out, const std::vector<std::string>& ips) {
  if (ips.empty()) return;
  put_text(out, 1, ips.front());
  for (size_t i = 1; i < ips.size(); ++i) out.message(2, [&](ProtobufWriter& ip) { put_text(ip, 1, ips[i]); });
}

Result<void> read_network(std::string_view bytes, std::vector<std::string>& ips) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) return add(ips, field);
    if (field.number != 2) return {};
    return each_field(field.bytes, [&](const ProtobufField& ip) { return ip.number == 1 ? add(ips, ip) : Result<void>(); });
  });
}

Result<void> read_namespaces(std::string_view linux_status, PodSandboxStatus& out) {
  Namespaces found;
  KOBUK_CHECK(each_field(linux_status, [&](const ProtobufField& field) -> Result<void> {
    if (field.number != 1) return {};
    return each_field(field.bytes, [&](const ProtobufField& inner) { return inner.number == 2 ? read(inner.bytes, found) : Result<void>(); });
  }));
  out.network = found.network, out.pid = found.pid, out.ipc = found.ipc;
  return {};
}

void write_status(ProtobufWriter& out, const PodSandboxStatus& status) {
  put_text(out, 1, status.id);
  out.message(2, [&](ProtobufWriter& metadata) { write(metadata, status.metadata); });
  put_number(out, 3, status.ready ? 0 : 1);
  put_time(out, 4, status.created);
  out.message(5, [&](ProtobufWriter& network) { write_network(network, status.ips); });
  out.message(6, [&](ProtobufWriter& on_linux) {
    on_linux.message(1, [&](ProtobufWriter& space) {
      space.message(2, [&](ProtobufWriter& options) { write(options, Namespaces{status.network, status.pid, status.ipc}); });
    });
  });
  put_map(out, 7, status.labels);
  put_map(out, 8, status.annotations);
}

Result<PodSandboxStatus> read_status(std::string_view bytes) {
  PodSandboxStatus out;
  out.ready = true;  // SANDBOX_READY is zero
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.id = field.bytes; break;
      case 2: return read(field.bytes, out.metadata);
      case 3: out.ready = field.value == 0; break;
      case 4: out.created = to_time(field); break;
      case 5: return read_network(field.bytes, out.ips);
      case 6: return read_namespaces(field.bytes, out);
      case 7: return add_pair(out.labels, field.bytes);
      case 8: return add_pair(out.annotations, field.bytes);
      default: break;
    }
    return {};
  }));
  return out;
}

Result<PodSandboxStatus> read_sandbox_item(std::string_view bytes) {
  PodSandboxStatus out;
  out.ready = true;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.id = field.bytes; break;
      case 2: return read(field.bytes, out.metadata);
      case 3: out.ready = field.value == 0; break;
      case 4: out.created = to_time(field); break;
      case 5: return add_pair(out.labels, field.bytes);
      case 6: return add_pair(out.annotations, field.bytes);
      default: break;
    }
    return {};
  }));
  return out;
}

ContainerPhase to_phase(uint64_t state) { return static_cast<ContainerPhase>(std::min<uint64_t>(state, 3)); }

// "1000:3000"; a name is not known here.
void write_user(ProtobufWriter& out, const std::string& user) {
  size_t colon = user.find(':');
  auto uid = parse_int(user.substr(0, colon));
  auto gid = colon == std::string::npos ? std::optional<int64_t>(0) : parse_int(user.substr(colon + 1));
  if (!uid || !gid) return;
  out.message(18, [&](ProtobufWriter& of) {
    of.message(1, [&](ProtobufWriter& on_linux) {
      put_number(on_linux, 1, *uid);
      put_number(on_linux, 2, *gid);
    });
  });
}

Result<void> read_user(std::string_view bytes, std::string& user) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number != 1) return {};
    int64_t uid = 0, gid = 0;
    KOBUK_CHECK(each_field(field.bytes, [&](const ProtobufField& inner) -> Result<void> {
      if (inner.number == 1) uid = inner.as_int64();
      if (inner.number == 2) gid = inner.as_int64();
      return {};
    }));
    user = cat(uid, ":", gid);
    return {};
  });
}

void write_status(ProtobufWriter& out, const ContainerStatus& status) {
  put_text(out, 1, status.id);
  write_name(out, 2, status.name, status.attempt);
  put_number(out, 3, static_cast<int64_t>(status.phase));
  put_time(out, 4, status.created);
  put_time(out, 5, status.started);
  put_time(out, 6, status.finished);
  put_number(out, 7, status.exit_code);
  write_image(out, 8, status.image);
  put_text(out, 9, status.image_ref);
  put_text(out, 10, status.reason);
  put_text(out, 11, status.message);
  put_map(out, 12, status.labels);
  put_map(out, 13, status.annotations);
  put_text(out, 15, status.log_path);
  put_text(out, 17, status.image_id);
  write_user(out, status.user);
  put_text(out, kSandboxId, status.sandbox_id);
}

Result<ContainerStatus> read_container_status(std::string_view bytes) {
  ContainerStatus out;
  out.phase = ContainerPhase::kCreated;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.id = field.bytes; break;
      case 2: return read_name(field.bytes, out.name, out.attempt);
      case 3: out.phase = to_phase(field.value); break;
      case 4: out.created = to_time(field); break;
      case 5: out.started = to_time(field); break;
      case 6: out.finished = to_time(field); break;
      case 7: out.exit_code = field.as_int32(); break;
      case 8: return read_image(field.bytes, out.image);
      case 9: out.image_ref = field.bytes; break;
      case 10: out.reason = field.bytes; break;
      case 11: out.message = field.bytes; break;
      case 12: return add_pair(out.labels, field.bytes);
      case 13: return add_pair(out.annotations, field.bytes);
      case 15: out.log_path = field.bytes; break;
      case 17: out.image_id = field.bytes; break;
      case 18: return read_user(field.bytes, out.user);
      case kSandboxId: out.sandbox_id = field.bytes; break;
      default: break;
    }
    return {};
  }));
  return out;
}

Result<ContainerStatus> read_container_item(std::string_view bytes) {
  ContainerStatus out;
  out.phase = ContainerPhase::kCreated;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.id = field.bytes; break;
      case 2: out.sandbox_id = field.bytes; break;
      case 3: return read_name(field.bytes, out.name, out.attempt);
      case 4: return read_image(field.bytes, out.image);
      case 5: out.image_ref = field.bytes; break;
      case 6: out.phase = to_phase(field.value); break;
      case 7: out.created = to_time(field); break;
      case 8: return add_pair(out.labels, field.bytes);
      case 9: return add_pair(out.annotations, field.bytes);
      case 10: out.image_id = field.bytes; break;
      default: break;
    }
    return {};
  }));
  return out;
}

// The message of an answer's field `number`; empty when it is not there.
Result<std::string_view> part(std::string_view answer, uint32_t number) {
  std::string_view out;
  KOBUK_CHECK(each_field(answer, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == number) out = field.bytes;
    return {};
  }));
  return out;
}

template <class T>
Result<std::vector<T>> read_list(std::string_view answer, Result<T> (*read_one)(std::string_view)) {
  std::vector<T> out;
  KOBUK_CHECK(each_field(answer, [&](const ProtobufField& field) -> Result<void> {
    if (field.number != 1) return {};
    KOBUK_TRY(T item, read_one(field.bytes));
    return add(out, std::move(item));
  }));
  return out;
}

void write_one(ProtobufWriter& out, const CriImage& image) {
  put_text(out, 1, image.id);
  put_texts(out, 2, image.repo_tags);
  put_texts(out, 3, image.repo_digests);
  put_number(out, 4, static_cast<int64_t>(image.size));
  std::string name = image.user.substr(0, image.user.find(':'));
  if (auto uid = parse_int(name)) {
    put_value(out, 5, *uid);
  } else {
    put_text(out, 6, name);
  }
  put_text(out, kImageUser, image.user);
}

Result<CriImage> read_one_image(std::string_view bytes) {
  CriImage out;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.id = field.bytes; break;
      case 2: return add(out.repo_tags, field);
      case 3: return add(out.repo_digests, field);
      case 4: out.size = field.value; break;
      case kImageUser: out.user = field.bytes; break;
      default: break;
    }
    return {};
  }));
  return out;
}

}  // namespace

std::string encode_sandbox_status(const PodSandboxStatus& status) {
  ProtobufWriter out;
  out.message(1, [&](ProtobufWriter& inner) { write_status(inner, status); });
  return out.take();
}

std::string encode_sandbox_list(const std::vector<PodSandboxStatus>& list) {
  ProtobufWriter out;
  for (const PodSandboxStatus& status : list) {
    out.message(1, [&](ProtobufWriter& item) {
      put_text(item, 1, status.id);
      item.message(2, [&](ProtobufWriter& metadata) { write(metadata, status.metadata); });
      put_number(item, 3, status.ready ? 0 : 1);
      put_time(item, 4, status.created);
      put_map(item, 5, status.labels);
      put_map(item, 6, status.annotations);
    });
  }
  return out.take();
}

std::string encode_container_status(const ContainerStatus& status) {
  ProtobufWriter out;
  out.message(1, [&](ProtobufWriter& inner) { write_status(inner, status); });
  return out.take();
}

std::string encode_container_list(const std::vector<ContainerStatus>& list) {
  ProtobufWriter out;
  for (const ContainerStatus& status : list) {
    out.message(1, [&](ProtobufWriter& item) {
      put_text(item, 1, status.id);
      put_text(item, 2, status.sandbox_id);
      write_name(item, 3, status.name, status.attempt);
      write_image(item, 4, status.image);
      put_text(item, 5, status.image_ref);
      put_number(item, 6, static_cast<int64_t>(status.phase));
      put_time(item, 7, status.created);
      put_map(item, 8, status.labels);
      put_map(item, 9, status.annotations);
      put_text(item, 10, status.image_id);
    });
  }
  return out.take();
}

Result<PodSandboxStatus> decode_sandbox_status(std::string_view answer) {
  KOBUK_TRY(std::string_view status, part(answer, 1));
  return read_status(status);
}
Result<std::vector<PodSandboxStatus>> decode_sandbox_list(std::string_view answer) { return read_list(answer, read_sandbox_item); }
Result<ContainerStatus> decode_container_status(std::string_view answer) {
  KOBUK_TRY(std::string_view status, part(answer, 1));
  return read_container_status(status);
}
Result<std::vector<ContainerStatus>> decode_container_list(std::string_view answer) { return read_list(answer, read_container_item); }

std::string encode_image_status(const std::optional<CriImage>& image) {
  ProtobufWriter out;
  if (image) out.message(1, [&](ProtobufWriter& inner) { write_one(inner, *image); });
  return out.take();
}

std::string encode_image_list(const std::vector<CriImage>& list) {
  ProtobufWriter out;
  for (const CriImage& image : list) out.message(1, [&](ProtobufWriter& inner) { write_one(inner, image); });
  return out.take();
}

Result<std::optional<CriImage>> decode_image_status(std::string_view answer) {
  KOBUK_TRY(std::string_view image, part(answer, 1));
  if (image.empty()) return std::nullopt;
  KOBUK_TRY(CriImage out, read_one_image(image));
  return std::optional<CriImage>(std::move(out));
}
Result<std::vector<CriImage>> decode_image_list(std::string_view answer) { return read_list(answer, read_one_image); }

std::string encode_event(const Event& event) {
  ProtobufWriter out;
  put_text(out, 1, event.container_id);
  put_number(out, 2, static_cast<int64_t>(event.type));
  put_time(out, 3, event.time);
  out.message(4, [&](ProtobufWriter& sandbox) { write_status(sandbox, event.sandbox); });
  for (const ContainerStatus& status : event.containers) {
    out.message(5, [&](ProtobufWriter& container) { write_status(container, status); });
  }
  return out.take();
}

Result<CriEvent> decode_event(std::string_view message) {
  CriEvent out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.container_id = field.bytes;
    if (field.number != 4) return {};
    return each_field(field.bytes, [&](const ProtobufField& inner) -> Result<void> {
      if (inner.number == 1) out.sandbox_id = inner.bytes;
      return {};
    });
  }));
  if (out.container_id == out.sandbox_id) out.container_id.clear();
  return out;
}

}  // namespace kobuk::engine::wire
