// Where the state of a profile's networks is kept. Bridges stay until they are removed: their file is safe on the disk
// before they are used. What is attached ends with the host's run, as its interfaces do: its file is in the run directory,
// written at every attachment, and never waited for.
#pragma once

#include <string>

#include "network/host.h"
#include "network/state.h"

namespace kobuk::network {

class StateFiles {
 public:
  StateFiles(Host& host, const Networks::Options& options);
  // kDataLoss, with the file's name. Nothing there is an empty state.
  Result<State> read();
  Result<void> write(const State& state);  // both or, after an error, what was there
  Result<void> remove();                   // also where a full disk would take no file

 private:
  Result<State> read_one(const std::string& path, bool* there);
  Host* host_;
  std::string bridges_path_, run_path_;
  std::string bridges_;  // as written last
};

}  // namespace kobuk::network
