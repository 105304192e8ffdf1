#include "engine/records.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

// A folder without its record is what a crash left of a creation or removal. One with a damaged record is kept for
// whoever can mend it: there may be data in it.
Result<void> drop_or_keep(const std::string& directory, const Error& error) {
  if (error.code() == Code::kNotFound) return sys::remove_tree(directory);
  log::error("a record can't be read: restore it, or remove its folder", {{"folder", directory}, {"reason", error.message()}});
  return {};
}

bool is_record_file(std::string_view name) { return name.ends_with(".json"); }

}  // namespace

Result<void> Records::open() {
  for (const char* folder : {"/containers", "/networks", "/volumes"})
    KOBUK_CHECK(sys::make_directories(cat(directory_, folder), 0711));
  return {};
}

io::Task<Result<void>> Records::write_durably(std::string path, std::string bytes) {
  if (before_write) KOBUK_CO_CHECK(before_write(path));
  auto work = [path = std::move(path), bytes = std::move(bytes)] { return sys::write_file_atomic(path, bytes, 0600); };
  auto written = co_await loop_.offload("engine record", std::move(work));
  co_return written;
}

io::Task<Result<void>> Records::put(ContainerRecord record) {
  std::string directory = container_directory(record.id);
  KOBUK_CO_CHECK(sys::make_directories(directory, 0710));
  auto written = co_await write_durably(cat(directory, "/config.json"), encode(record));
  co_return written;
}

Result<void> Records::put_status(const std::string& id, const StatusRecord& status) {
  std::string path = cat(container_directory(id), "/state.json");
  if (before_write) KOBUK_CHECK(before_write(path));
  return sys::replace_file(path, encode(status), 0600);
}

io::Task<Result<void>> Records::remove_container(std::string id) {
  std::string directory = container_directory(id);
  auto work = [directory]() -> Result<void> {
    if (unlink(cat(directory, "/config.json").c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, cat("remove ", directory));
    return sys::remove_tree(directory);
  };
  auto removed = co_await loop_.offload("remove container", work);
  co_return removed;
}

io::Task<Result<void>> Records::put(NetworkRecord record) {
  auto written = co_await write_durably(cat(directory_, "/networks/", record.id, ".json"), encode(record));
  co_return written;
}

Result<void> Records::remove_network(const std::string& id) {
  std::string path = cat(directory_, "/networks/", id, ".json");
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, cat("remove ", path));
  return {};
}

io::Task<Result<void>> Records::put(VolumeRecord record) {
  std::string directory = volume_directory(record.name);
  KOBUK_CO_CHECK(sys::make_directories(cat(directory, "/_data"), 0755));
  auto written = co_await write_durably(cat(directory, "/volume.json"), encode(record));
  co_return written;
}

io::Task<Result<void>> Records::remove_volume(std::string name) {
  std::string directory = volume_directory(name);
  auto work = [directory]() -> Result<void> {
    if (unlink(cat(directory, "/volume.json").c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, cat("remove ", directory));
    return sys::remove_tree(directory);
  };
  auto removed = co_await loop_.offload("remove volume", work);
  co_return removed;
}

Result<std::vector<Records::Stored>> Records::load_containers() {
  std::vector<Stored> out;
  KOBUK_TRY(auto ids, sys::list_directory(cat(directory_, "/containers")));
  for (const std::string& id : ids) {
    std::string directory = container_directory(id);
    auto text = sys::read_file(cat(directory, "/config.json"));
    auto record = text ? decode_container(*text) : Result<ContainerRecord>(fail(text.error()));
    if (!record) {
      KOBUK_CHECK(drop_or_keep(directory, record.error()));
      continue;
    }
    auto state = sys::read_file(cat(directory, "/state.json"));
    auto status = state ? decode_status(*state) : Result<StatusRecord>(StatusRecord{});
    if (!status) log::warn("a container's state is unreadable", {{"id", id}, {"reason", status.error().message()}});
    out.push_back({std::move(*record), status ? std::move(*status) : StatusRecord{}});
  }
  return out;
}

Result<std::vector<NetworkRecord>> Records::load_networks() {
  std::vector<NetworkRecord> out;
  KOBUK_TRY(auto names, sys::list_directory(cat(directory_, "/networks")));
  for (const std::string& name : names) {
    if (!is_record_file(name)) continue;
    KOBUK_TRY(std::string text, sys::read_file(cat(directory_, "/networks/", name)));
    KOBUK_TRY(NetworkRecord record, decode_network(text));
    out.push_back(std::move(record));
  }
  return out;
}

Result<std::vector<VolumeRecord>> Records::load_volumes() {
  std::vector<VolumeRecord> out;
  KOBUK_TRY(auto names, sys::list_directory(cat(directory_, "/volumes")));
  for (const std::string& name : names) {
    auto text = sys::read_file(cat(volume_directory(name), "/volume.json"));
    auto record = text ? decode_volume(*text) : Result<VolumeRecord>(fail(text.error()));
    if (!record) {
      KOBUK_CHECK(drop_or_keep(volume_directory(name), record.error()));
      continue;
    }
    out.push_back(std::move(*record));
  }
  return out;
}

}  // namespace kobuk::engine
