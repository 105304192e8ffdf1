// Any bytes as a message: what reads can be written again to the same fields, nested messages too.
#include <cstdlib>

#include "codec/protobuf.h"

using namespace kobuk::codec;

namespace {

void walk(std::string_view message, int depth) {
  ProtobufReader reader(message);
  ProtobufField field;
  while (true) {
    auto more = reader.next(field);
    if (!more || !*more) return;
    ProtobufWriter writer;
    if (field.is_bytes()) {
      writer.bytes(field.number, field.bytes);
    } else if (field.type == WireType::kFixed64) {
      writer.fixed64(field.number, field.value);
    } else if (field.type == WireType::kFixed32) {
      writer.fixed32(field.number, static_cast<uint32_t>(field.value));
    } else {
      writer.varint(field.number, field.value);
    }
    ProtobufReader again(writer.text());
    ProtobufField copy;
    auto read = again.next(copy);
    if (!read || !*read || copy.number != field.number || copy.value != field.value || copy.bytes != field.bytes) std::abort();
    if (field.is_bytes() && depth > 0) walk(field.bytes, depth - 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  walk({reinterpret_cast<const char*>(data), size}, 8);
  return 0;
}
