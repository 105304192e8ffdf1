// FakeApi: as much of a Kubernetes API as a node speaks to, in memory: create, get, list, watch, patch, delete of any
// resource, with resourceVersions, uids, field selectors and graceful deletion of pods. For tests.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "codec/value.h"
#include "io/http.h"
#include "io/loop.h"

namespace kobuk::node {

class FakeApi final : public io::http::Handler {
 public:
  explicit FakeApi(io::Loop& loop) : loop_(loop) {}
  io::Task<io::http::Response> handle(io::http::Request request) override;

  // From tests: an object of YAML, as a client would create it (its status too).
  void create(const std::string& yaml);
  void replace(const std::string& path, const std::string& merge_patch);  // "/api/v1/namespaces/default/pods/web"
  void remove(const std::string& path, int64_t grace);                    // as `kubectl delete`
  // The object, or a null document.
  codec::Document get(const std::string& path) const;
  std::vector<codec::Document> events(const std::string& reason) const;   // Events of that reason
  std::vector<std::string> requests;                                      // "PATCH /api/v1/…/status {body}"
  std::set<std::string> refuse;                                           // paths (without query) that answer 503

 private:
  struct Change {
    int64_t revision;
    std::string type, path, object;
  };
  class Watch;
  void put(const std::string& path, const codec::Value& object, bool fresh);
  void erase(const std::string& path);
  void publish(std::string type, const std::string& path, std::string object);
  io::http::Response list(const std::string& path, const io::http::Query& query) const;
  io::http::Response patch(const io::http::Request& request, const std::string& path, const std::string& body);
  io::http::Response create_at(const std::string& path, const std::string& body);

  io::Loop& loop_;
  int64_t revision_ = 1, uid_ = 1;
  std::map<std::string, std::string> objects_;  // by path
  std::vector<Change> log_;
  std::vector<std::weak_ptr<io::Event>> watchers_;
};

}  // namespace kobuk::node
