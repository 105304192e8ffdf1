// EventRecorder: tells users what a component did, as Event objects. Equal events raise the count of one object; a
// component that says too much about one object is cut short, as client-go does it.
//
//   EventRecorder events(loop, client, "deployment-controller");
//   events.record(reference_to(*deployment), "Normal", "ScalingReplicaSet", "Scaled up replica set …");
//
// record() returns at once; what the server refuses is dropped. One Loop's thread.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "api/client.h"
#include "api/types/core_v1.h"
#include "io/loop.h"

namespace kobuk::api {

template <class T>
core::v1::ObjectReference reference_to(const T& object) {
  core::v1::ObjectReference out;
  out.api_version = std::string(T::kApiVersion);
  out.kind = std::string(T::kKind);
  out.namespace_ = object.metadata.namespace_;
  out.name = object.metadata.name;
  out.uid = object.metadata.uid;
  out.resource_version = object.metadata.resource_version;
  return out;
}

class EventRecorder {
 public:
  // `host`: the node that a component of a node runs on.
  EventRecorder(io::Loop& loop, Client& client, std::string component, std::string host = {})
      : loop_(&loop), client_(&client), component_(std::move(component)), host_(std::move(host)), tasks_(loop) {}
  // type: "Normal" or "Warning".
  void record(core::v1::ObjectReference about, std::string_view type, std::string_view reason, std::string message);
  io::Task<void> flush();  // until everything recorded so far is sent or dropped

 private:
  struct Sent {  // an event that exists in the cluster
    std::string space, name, first;
    int32_t count = 0;
    MonoTime last;
  };
  struct Budget {  // of one object: kBurst events, one more each kRefill
    double tokens = 0;
    MonoTime last;
  };
  bool within_budget(const core::v1::ObjectReference& about);
  io::Task<void> send_all();
  io::Task<void> send(core::v1::Event event);
  io::Task<Result<void>> raise(core::v1::Event event, std::string key);
  io::Task<Result<void>> create(core::v1::Event event, std::string key);
  void forget_old();

  io::Loop* loop_;
  Client* client_;
  std::string component_, host_;
  std::deque<core::v1::Event> pending_;
  std::map<std::string, Sent> sent_;
  std::map<std::string, Budget> budgets_;
  int64_t last_name_ = 0;
  bool sending_ = false;
  io::TaskGroup tasks_;
};

}  // namespace kobuk::api
