// The CRI's messages of whoever may open the socket, and of an engine that may send anything: read or refused, and what
// was read means the same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "engine/cri_stream_wire.h"
#include "engine/cri_wire.h"

namespace {

using namespace kobuk::engine;

template <class T>
void check(std::string_view bytes) {
  T first, second;
  if (!wire::decode(bytes, first)) return;
  std::string written = wire::encode(first);
  if (!wire::decode(written, second) || wire::encode(second) != written) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check<wire::Id>(bytes);
  check<wire::RunPodSandboxRequest>(bytes);
  check<wire::CreateContainerRequest>(bytes);
  check<wire::StopContainerRequest>(bytes);
  check<wire::UpdateContainerResourcesRequest>(bytes);
  check<wire::ExecSyncRequest>(bytes);
  check<wire::PullImageRequest>(bytes);
  check<wire::ImageRequest>(bytes);
  check<wire::ToProcess>(bytes);
  check<wire::FromProcess>(bytes);
  (void)wire::decode_sandbox_filter(bytes);
  (void)wire::decode_container_filter(bytes);
  (void)wire::decode_container_stats_filter(bytes);
  (void)wire::decode_sandbox_stats_filter(bytes);
  (void)wire::decode_image_filter(bytes);
  if (auto status = wire::decode_sandbox_status(bytes); status && !wire::decode_sandbox_status(wire::encode_sandbox_status(*status))) abort();
  if (auto status = wire::decode_container_status(bytes); status && !wire::decode_container_status(wire::encode_container_status(*status))) abort();
  (void)wire::decode_sandbox_list(bytes);
  (void)wire::decode_container_list(bytes);
  (void)wire::decode_image_status(bytes);
  (void)wire::decode_image_list(bytes);
  (void)wire::decode_exec_result(bytes);
  (void)wire::decode_container_stats(bytes);
  (void)wire::decode_event(bytes);
  return 0;
}
