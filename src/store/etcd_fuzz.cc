#include <cstdlib>

#include "store/etcd_wire.h"

// Answers of a server that may send anything.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::store;
  std::string_view message(reinterpret_cast<const char*>(data), size);
  for (const char* prefix : {"", "/k"}) {
    etcd::KeySpace keys(prefix);
    auto range = etcd::decode_range(keys, message);
    if (range) {
      for (const KeyValue& kv : range->kvs) {
        if (kv.value == nullptr) abort();
      }
    }
    auto watch = etcd::decode_watch(keys, message);
    if (watch) {
      for (const Event& event : watch->events) {
        if (event.kv.value == nullptr) abort();
      }
    }
    (void)etcd::decode_txn(keys, message);
  }
  (void)etcd::decode_lease(message);
  return 0;
}
