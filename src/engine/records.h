// Where records are kept: one folder a container (config.json, state.json, upper, work, …), one file a network or volume.
//
// config.json is durable before its caller goes on (fsync, off the loop); state.json survives kill -9 of the daemon, and
// after a crash of the host nothing runs anyway. Errors name the path and the cause (a full disk: kResourceExhausted).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/record.h"
#include "io/loop.h"

namespace kobuk::engine {

class Records {
 public:
  Records(io::Loop& loop, std::string directory) : loop_(loop), directory_(std::move(directory)) {}
  Result<void> open();  // makes the folders

  std::string container_directory(const std::string& id) const { return cat(directory_, "/containers/", id); }
  std::string volume_directory(const std::string& name) const { return cat(directory_, "/volumes/", name); }

  io::Task<Result<void>> put(ContainerRecord record);
  Result<void> put_status(const std::string& id, const StatusRecord& status);
  io::Task<Result<void>> remove_container(std::string id);  // the whole folder; the record goes first
  io::Task<Result<void>> put(NetworkRecord record);
  Result<void> remove_network(const std::string& id);
  io::Task<Result<void>> put(VolumeRecord record);
  io::Task<Result<void>> remove_volume(std::string name);

  struct Stored {
    ContainerRecord record;
    StatusRecord status;
  };
  // Folders without a record are what a crash left of a creation or removal: they are removed. Damaged records are
  // logged and left out, their folders stay.
  Result<std::vector<Stored>> load_containers();
  Result<std::vector<NetworkRecord>> load_networks();
  Result<std::vector<VolumeRecord>> load_volumes();

  // For tests: asked before every write; an error is returned instead of writing.
  std::function<Result<void>(const std::string& path)> before_write;

 private:
  io::Task<Result<void>> write_durably(std::string path, std::string bytes);
  io::Loop& loop_;
  std::string directory_;
};

}  // namespace kobuk::engine
