// The node's end of kobuk.v1.Streams (cri_stream_wire.h). Internal to the room.
#pragma once

#include <memory>

#include "engine/cri.h"
#include "engine/cri_stream_wire.h"
#include "io/grpc.h"

namespace kobuk::engine {

// `method`: "Exec" or "Attach". The channel outlives the process.
io::Task<Result<std::unique_ptr<CriProcess>>> open_remote_process(io::Loop& loop, io::grpc::Channel& channel, std::string method, wire::StreamOpen open);
io::Task<Result<std::unique_ptr<io::Stream>>> open_remote_connection(io::Loop& loop, io::grpc::Channel& channel, std::string sandbox, uint16_t port);

}  // namespace kobuk::engine
