// A machine in memory: links, addresses, tables and files as the kernel would have them after what was asked, and a
// list of what was asked. The n-th operation can be made to fail; nothing of it happens then.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "network/host.h"

namespace kobuk::network::testing {

// Of one network namespace.
struct FakeLinks {
  std::vector<sys::Link> links;
  std::vector<sys::LinkAddress> addresses;
  std::vector<sys::Route> routes;
};

struct Machine {
  FakeLinks host;
  std::map<std::string, FakeLinks> namespaces;  // by path
  std::map<std::string, FakeLinks*> peers;      // link of the host → namespace of its other end
  std::set<std::string> tables;
  std::vector<std::string> dropping;            // forward chains of a firewall
  std::map<std::string, std::string> settings;
  std::map<std::string, std::string> files;
  std::set<uint16_t> taken;                     // ports of other processes
  std::vector<std::string> done;                // "add bridge kobuk-…"
  int operations = 0;
  int fail_at = -1;                             // number of the operation that fails, from 0
  int next_index = 2;

  // Counts one operation; an error when it is the one that fails.
  Result<void> step(std::string what);
  // What somebody else could see: to compare a machine before and after.
  std::string visible() const;
};

std::unique_ptr<Host> fake_host(Machine& machine);  // which outlives it

}  // namespace kobuk::network::testing
