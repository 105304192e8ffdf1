// The CRI of an engine in another process, over its Unix socket.
//
//   auto cri = engine::make_cri_client(loop, "unix:/run/kobuk/default/cri.sock");
//   node::Kubelet kubelet(loop, client, *cri, …);
//
// It connects when it is first asked, and again after the engine has gone and come back; until then everything is
// kUnavailable, and nothing is asked twice by itself. Timeouts are whole seconds here, rounded up. Loop thread only; it
// outlives its processes and streams.
#pragma once

#include <memory>
#include <string>

#include "engine/cri.h"

namespace kobuk::engine {

std::unique_ptr<Cri> make_cri_client(io::Loop& loop, std::string address);

}  // namespace kobuk::engine
