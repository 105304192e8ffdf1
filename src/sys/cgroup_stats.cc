// Reads counters of a control group: cgroup-v2.rst "Controllers", and
// cgroup-v1/{memory,cpuacct,pids,blkio-controller}.rst.
#include <algorithm>
#include <cstdlib>

#include "sys/cgroup.h"
#include "sys/file.h"

namespace kobuk::sys {
namespace {

std::string text_of(const std::string& directory, std::string_view file) {
  if (directory.empty()) return {};
  auto text = read_file(cat(directory, '/', file), 1 << 20);
  return text ? std::move(*text) : std::string();
}

uint64_t number_of(const std::string& directory, std::string_view file) {
  return parse_uint(trim(text_of(directory, file))).value_or(0);  // "max" reads as 0: no limit
}

// The value of "key value" lines.
uint64_t field(std::string_view text, std::string_view key) {
  for (std::string_view line : split(text, '\n')) {
    size_t space = line.find(' ');
    if (space != line.npos && line.substr(0, space) == key)
      return parse_uint(line.substr(space + 1)).value_or(0);
  }
  return 0;
}

// v1 writes the largest multiple of the page size for "no limit".
uint64_t limit_of_v1(uint64_t value) { return value >= (uint64_t{1} << 62) ? 0 : value; }

void read_v2(const std::string& d, CgroupStats& s) {
  std::string cpu = text_of(d, "cpu.stat");
  s.cpu_usage_ns = field(cpu, "usage_usec") * 1000;
  s.cpu_user_ns = field(cpu, "user_usec") * 1000;
  s.cpu_system_ns = field(cpu, "system_usec") * 1000;
  s.throttled_periods = field(cpu, "nr_throttled");
  s.throttled_ns = field(cpu, "throttled_usec") * 1000;
  std::string memory = text_of(d, "memory.stat");
  s.memory_usage = number_of(d, "memory.current");
  s.memory_limit = number_of(d, "memory.max");
  s.memory_rss = field(memory, "anon");
  s.memory_working_set = s.memory_usage - std::min(s.memory_usage, field(memory, "inactive_file"));
  s.memory_page_faults = field(memory, "pgfault");
  s.memory_major_page_faults = field(memory, "pgmajfault");
  s.pids = number_of(d, "pids.current");
  s.pids_limit = number_of(d, "pids.max");
  for (std::string_view line : split(text_of(d, "io.stat"), '\n'))
    for (std::string_view word : split(line, ' ')) {
      if (word.starts_with("rbytes=")) s.io_read_bytes += parse_uint(word.substr(7)).value_or(0);
      if (word.starts_with("wbytes=")) s.io_write_bytes += parse_uint(word.substr(7)).value_or(0);
    }
}

}  // namespace

Result<CgroupStats> Cgroup::stats() const {
  CgroupStats s;
  if (!exists()) return fail(Code::kNotFound, "the cgroup ", path_, " does not exist");
  if (facts_.mode == CgroupMode::kV2) {
    read_v2(facts_.v2()->mount_point + path_, s);
    return s;
  }
  std::string cpuacct = directory("cpuacct"), memory = directory("memory"), pids = directory("pids");
  s.cpu_usage_ns = number_of(cpuacct, "cpuacct.usage");
  s.cpu_user_ns = number_of(cpuacct, "cpuacct.usage_user");
  s.cpu_system_ns = number_of(cpuacct, "cpuacct.usage_sys");
  std::string throttle = text_of(directory("cpu"), "cpu.stat");
  s.throttled_periods = field(throttle, "nr_throttled");
  s.throttled_ns = field(throttle, "throttled_time");
  std::string stat = text_of(memory, "memory.stat");
  s.memory_usage = number_of(memory, "memory.usage_in_bytes");
  s.memory_limit = limit_of_v1(number_of(memory, "memory.limit_in_bytes"));
  s.memory_rss = field(stat, "total_rss");
  s.memory_working_set = s.memory_usage - std::min(s.memory_usage, field(stat, "total_inactive_file"));
  s.memory_page_faults = field(stat, "total_pgfault");
  s.memory_major_page_faults = field(stat, "total_pgmajfault");
  s.pids = number_of(pids, "pids.current");
  s.pids_limit = number_of(pids, "pids.max");
  for (std::string_view line : split(text_of(directory("blkio"), "blkio.throttle.io_service_bytes"), '\n')) {
    auto words = split(line, ' ');
    if (words.size() != 3) continue;
    if (words[1] == "Read") s.io_read_bytes += parse_uint(words[2]).value_or(0);
    if (words[1] == "Write") s.io_write_bytes += parse_uint(words[2]).value_or(0);
  }
  return s;
}

Result<uint64_t> Cgroup::oom_kills() const {
  const CgroupHierarchy* h = facts_.find("memory");
  if (h == nullptr) return uint64_t{0};
  std::string d = h->mount_point + path_;
  KOBUK_TRY(std::string text, read_file(d + (h->v2 ? "/memory.events" : "/memory.oom_control"), 4096));
  return field(text, "oom_kill");
}

}  // namespace kobuk::sys
