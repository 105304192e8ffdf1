// What the CRI's messages are made of: texts, lists, maps, and parts that several of them share. Internal to cri_wire*.cc.
#pragma once

#include "codec/protobuf.h"
#include "engine/cri_wire.h"

namespace kobuk::engine::wire {

using codec::each_field;
using codec::ProtobufField;
using codec::ProtobufWriter;

// proto3: what has its default value is not written.
void put_text(ProtobufWriter& out, uint32_t number, std::string_view text);
void put_number(ProtobufWriter& out, uint32_t number, int64_t value);
void put_flag(ProtobufWriter& out, uint32_t number, bool value);
void put_texts(ProtobufWriter& out, uint32_t number, const std::vector<std::string>& list);
void put_map(ProtobufWriter& out, uint32_t number, const StringMap& map);
void put_time(ProtobufWriter& out, uint32_t number, WallTime time);  // nanoseconds since the epoch
void put_value(ProtobufWriter& out, uint32_t number, int64_t value);  // a message Int64Value or UInt64Value

WallTime to_time(const ProtobufField& field);
Result<int64_t> to_value(std::string_view message);
Result<void> add_pair(StringMap& to, std::string_view entry);
Result<void> add_integers(std::vector<int64_t>& to, const ProtobufField& field);  // packed or one by one
Result<void> too_many();
template <class T>
Result<void> add(std::vector<T>& to, T value) {
  if (to.size() >= kMaxItems) return too_many();
  to.push_back(std::move(value));
  return {};
}
inline Result<void> add(std::vector<std::string>& to, const ProtobufField& field) { return add(to, std::string(field.bytes)); }

void write(ProtobufWriter& out, const PodSandboxConfig& config);
void write(ProtobufWriter& out, const ContainerConfig& config);
void write(ProtobufWriter& out, const CriResources& resources);
void write(ProtobufWriter& out, const PodSandboxMetadata& metadata);
Result<void> read(std::string_view bytes, PodSandboxConfig& out);
Result<void> read(std::string_view bytes, ContainerConfig& out);
Result<void> read(std::string_view bytes, CriResources& out);
Result<void> read(std::string_view bytes, PodSandboxMetadata& out);

// NamespaceOption of a sandbox or container. kUnsupported: TARGET, or namespaces for users.
struct Namespaces {
  NamespaceMode network = NamespaceMode::kPod, pid = NamespaceMode::kPod, ipc = NamespaceMode::kPod;
};
void write(ProtobufWriter& out, const Namespaces& namespaces);
Result<void> read(std::string_view bytes, Namespaces& out);

// Parts of both security contexts.
Result<void> refuse(std::string_view what);  // kUnsupported: "cri: <what> is not supported"
void write_seccomp(ProtobufWriter& out, uint32_t number, const CriSecurityContext& security);
Result<void> read_seccomp(std::string_view bytes, CriSecurityContext& out);
Result<void> check_apparmor(std::string_view bytes);
void write_groups(ProtobufWriter& out, uint32_t number, const std::vector<int64_t>& groups);

// ImageSpec and ContainerMetadata.
void write_image(ProtobufWriter& out, uint32_t number, std::string_view image);
Result<void> read_image(std::string_view spec, std::string& image);
void write_name(ProtobufWriter& out, uint32_t number, std::string_view name, uint32_t attempt);
Result<void> read_name(std::string_view metadata, std::string& name, uint32_t& attempt);

}  // namespace kobuk::engine::wire
