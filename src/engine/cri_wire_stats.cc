// cri-api runtime.v1, api.proto: ContainerStats and PodSandboxStats.
#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {
namespace {

void write_cpu(ProtobufWriter& out, uint32_t number, const CriStats& stats) {
  out.message(number, [&](ProtobufWriter& cpu) {
    put_time(cpu, 1, stats.time);
    put_value(cpu, 2, static_cast<int64_t>(stats.cpu_usage_ns));
  });
}

void write_memory(ProtobufWriter& out, uint32_t number, const CriStats& stats) {
  out.message(number, [&](ProtobufWriter& memory) {
    put_time(memory, 1, stats.time);
    put_value(memory, 2, static_cast<int64_t>(stats.memory_working_set));
    put_value(memory, 4, static_cast<int64_t>(stats.memory_usage));
    put_value(memory, 5, static_cast<int64_t>(stats.memory_rss));
  });
}

void write_one(ProtobufWriter& out, const ContainerStatsItem& item) {
  out.message(1, [&](ProtobufWriter& attributes) {
    put_text(attributes, 1, item.of.id);
    write_name(attributes, 2, item.of.name, item.of.attempt);
    put_map(attributes, 3, item.of.labels);
    put_map(attributes, 4, item.of.annotations);
  });
  write_cpu(out, 2, item.stats);
  write_memory(out, 3, item.stats);
}

void write_one(ProtobufWriter& out, const SandboxStatsItem& item) {
  CriStats sum;
  for (const ContainerStatsItem& container : item.containers) {
    sum.time = std::max(sum.time, container.stats.time);
    sum.cpu_usage_ns += container.stats.cpu_usage_ns;
    sum.memory_working_set += container.stats.memory_working_set;
    sum.memory_usage += container.stats.memory_usage;
    sum.memory_rss += container.stats.memory_rss;
  }
  out.message(1, [&](ProtobufWriter& attributes) {
    put_text(attributes, 1, item.of.id);
    attributes.message(2, [&](ProtobufWriter& metadata) { write(metadata, item.of.metadata); });
    put_map(attributes, 3, item.of.labels);
    put_map(attributes, 4, item.of.annotations);
  });
  out.message(2, [&](ProtobufWriter& on_linux) {
    write_cpu(on_linux, 1, sum);
    write_memory(on_linux, 2, sum);
    for (const ContainerStatsItem& container : item.containers) {
      on_linux.message(5, [&](ProtobufWriter& inner) { write_one(inner, container); });
    }
  });
}

template <class T>
std::string encode_list(const std::vector<T>& list) {
  ProtobufWriter out;
  for (const T& item : list) out.message(1, [&](ProtobufWriter& inner) { write_one(inner, item); });
  return out.take();
}

template <class T>
std::string encode_single(const T& item) {
  ProtobufWriter out;
  out.message(1, [&](ProtobufWriter& inner) { write_one(inner, item); });
  return out.take();
}

Result<void> read_value(std::string_view bytes, uint64_t& out) {
  KOBUK_TRY(int64_t value, to_value(bytes));
  out = static_cast<uint64_t>(value);
  return {};
}

Result<void> read_cpu(std::string_view bytes, CriStats& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.time = to_time(field);
    if (field.number == 2) return read_value(field.bytes, out.cpu_usage_ns);
    return {};
  });
}

Result<void> read_memory(std::string_view bytes, CriStats& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 2) return read_value(field.bytes, out.memory_working_set);
    if (field.number == 4) return read_value(field.bytes, out.memory_usage);
    if (field.number == 5) return read_value(field.bytes, out.memory_rss);
    return {};
  });
}

}  // namespace

std::string encode_container_stats(const ContainerStatsItem& item) { return encode_single(item); }
std::string encode_container_stats_list(const std::vector<ContainerStatsItem>& list) { return encode_list(list); }
std::string encode_sandbox_stats(const SandboxStatsItem& item) { return encode_single(item); }
std::string encode_sandbox_stats_list(const std::vector<SandboxStatsItem>& list) { return encode_list(list); }

Result<CriStats> decode_container_stats(std::string_view answer) {
  CriStats out;
  KOBUK_CHECK(each_field(answer, [&](const ProtobufField& field) -> Result<void> {
    if (field.number != 1) return {};
    return each_field(field.bytes, [&](const ProtobufField& part) -> Result<void> {
      if (part.number == 2) return read_cpu(part.bytes, out);
      if (part.number == 3) return read_memory(part.bytes, out);
      return {};
    });
  }));
  return out;
}

}  // namespace kobuk::engine::wire
