// What all pod workers of a kubelet share. Owned by the kubelet; outlives them.
#pragma once

#include "api/cache.h"
#include "api/client.h"
#include "api/event_recorder.h"
#include "engine/cri.h"
#include "io/loop.h"
#include "node/container_config.h"
#include "node/field_ref.h"
#include "node/image_puller.h"
#include "node/object_watches.h"
#include "node/runtime_cache.h"
#include "sys/cgroup.h"

namespace kobuk::node {

struct KubeletContext {
  io::Loop& loop;
  api::Client& client;
  engine::Cri& cri;
  RuntimeCache& runtime;
  api::EventRecorder& events;
  ImagePuller& images;
  ObjectWatches& objects;
  api::Cache<core::Service>& services;
  NodeConfig config;
  NodeIdentity identity;       // without a pod's address
  sys::CgroupFacts cgroups;
  std::string host_hosts;      // the text of the node's /etc/hosts
};

}  // namespace kobuk::node
