// The engine's end of kobuk.v1.Streams (cri_stream_wire.h). Internal to the room.
#pragma once

#include <memory>

#include "engine/cri.h"
#include "io/grpc.h"

namespace kobuk::engine {

// Answers the service's three methods with what `cri` opens. `cri` outlives the service's calls.
void add_stream_methods(io::grpc::Service& service, io::Loop& loop, Cri& cri);

}  // namespace kobuk::engine
