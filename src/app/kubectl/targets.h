// What a command is about: objects named on the command line ("pods", "pod web", "deploy/web svc/web", "all -l app=web")
// or in files (-f FILE, DIR or -).
#pragma once

#include <string>
#include <vector>

#include "app/kubectl/session.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::app::kubectl {

struct Target {
  const Resource* resource = nullptr;
  std::string name;  // empty: all, or those that a selector picks
};
// kInvalid with kubectl's text when the arguments make no sense.
Result<std::vector<Target>> parse_targets(Session& session, const std::vector<std::string>& arguments);

struct ManifestObject {
  const Resource* resource = nullptr;
  std::string space, name;
  std::string json;
};
// Every object of the files, in order; Lists are taken apart. The namespace is the object's own or the session's;
// kInvalid when both are given and differ.
Result<std::vector<ManifestObject>> read_manifests(Session& session, const std::vector<std::string>& files, const std::string& space);

}  // namespace kobuk::app::kubectl
