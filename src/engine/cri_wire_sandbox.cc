// cri-api runtime.v1, api.proto: PodSandboxConfig and what it holds.
#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {
namespace {

void write_sandbox_security(ProtobufWriter& out, const PodSandboxConfig& config) {
  const CriSecurityContext& security = config.security;
  out.message(1, [&](ProtobufWriter& inner) { write(inner, Namespaces{config.network, config.pid, config.ipc}); });
  if (security.run_as_user) put_value(out, 3, *security.run_as_user);
  put_flag(out, 4, security.readonly_rootfs);
  write_groups(out, 5, security.supplemental_groups);
  put_flag(out, 6, security.privileged);
  if (security.run_as_group) put_value(out, 8, *security.run_as_group);
  write_seccomp(out, 9, security);
}

Result<void> read_sandbox_security(std::string_view bytes, PodSandboxConfig& out) {
  CriSecurityContext& security = out.security;
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: {
        Namespaces namespaces;
        KOBUK_CHECK(read(field.bytes, namespaces));
        out.network = namespaces.network, out.pid = namespaces.pid, out.ipc = namespaces.ipc;
        break;
      }
      case 3: {
        KOBUK_TRY(security.run_as_user, to_value(field.bytes));
        break;
      }
      case 4: security.readonly_rootfs = field.as_bool(); break;
      case 5: return add_integers(security.supplemental_groups, field);
      case 6: security.privileged = field.as_bool(); break;
      case 8: {
        KOBUK_TRY(security.run_as_group, to_value(field.bytes));
        break;
      }
      case 9: return read_seccomp(field.bytes, security);
      case 10: return check_apparmor(field.bytes);
      case 11: return field.value == 0 ? Result<void>() : refuse("supplemental_groups_policy Strict");
      default: break;
    }
    return {};
  });
}

Result<CriPortMapping> read_port(std::string_view bytes) {
  CriPortMapping out;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.protocol = field.value == 1 ? "UDP" : field.value == 2 ? "SCTP" : "TCP";
    bool port = field.number == 2 || field.number == 3;
    if (port && field.value > 65535) return fail(Code::kInvalid, "cri: port ", field.as_int64(), " of a port mapping");
    if (field.number == 2) out.container_port = field.as_int32();
    if (field.number == 3) out.host_port = field.as_int32();
    if (field.number == 4) out.host_ip = field.bytes;
    return {};
  }));
  return out;
}

Result<void> read_linux(std::string_view bytes, PodSandboxConfig& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.cgroup_parent = field.bytes;
    if (field.number == 2) return read_sandbox_security(field.bytes, out);
    if (field.number == 3) return add_pair(out.sysctls, field.bytes);
    return {};
  });
}

Result<void> read_dns(std::string_view bytes, PodSandboxConfig& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) return add(out.dns_servers, field);
    if (field.number == 2) return add(out.dns_searches, field);
    if (field.number == 3) return add(out.dns_options, field);
    return {};
  });
}

}  // namespace

void write(ProtobufWriter& out, const PodSandboxConfig& config) {
  out.message(1, [&](ProtobufWriter& metadata) { write(metadata, config.metadata); });
  put_text(out, 2, config.hostname);
  put_text(out, 3, config.log_directory);
  out.message(4, [&](ProtobufWriter& dns) {
    put_texts(dns, 1, config.dns_servers);
    put_texts(dns, 2, config.dns_searches);
    put_texts(dns, 3, config.dns_options);
  });
  for (const CriPortMapping& port : config.port_mappings) {
    out.message(5, [&](ProtobufWriter& mapping) {
      put_number(mapping, 1, port.protocol == "UDP" ? 1 : port.protocol == "SCTP" ? 2 : 0);
      put_number(mapping, 2, port.container_port);
      put_number(mapping, 3, port.host_port);
      put_text(mapping, 4, port.host_ip);
    });
  }
  put_map(out, 6, config.labels);
  put_map(out, 7, config.annotations);
  out.message(8, [&](ProtobufWriter& on_linux) {
    put_text(on_linux, 1, config.cgroup_parent);
    on_linux.message(2, [&](ProtobufWriter& security) { write_sandbox_security(security, config); });
    put_map(on_linux, 3, config.sysctls);
  });
}

Result<void> read(std::string_view bytes, PodSandboxConfig& out) {
  out.pid = NamespaceMode::kPod;  // where nothing is said, enums are zero
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: return read(field.bytes, out.metadata);
      case 2: out.hostname = field.bytes; break;
      case 3: out.log_directory = field.bytes; break;
      case 4: return read_dns(field.bytes, out);
      case 5: {
        KOBUK_TRY(CriPortMapping port, read_port(field.bytes));
        return add(out.port_mappings, std::move(port));
      }
      case 6: return add_pair(out.labels, field.bytes);
      case 7: return add_pair(out.annotations, field.bytes);
      case 8: return read_linux(field.bytes, out);
      default: break;
    }
    return {};
  });
}

}  // namespace kobuk::engine::wire
