// Protocol Buffers, "Encoding" (https://protobuf.dev/programming-guides/encoding/).
#include "codec/protobuf.h"

#include <array>

namespace kobuk::codec {
namespace {

constexpr uint64_t kStartGroup = 3, kEndGroup = 4;
constexpr size_t kMaxGroupDepth = 64;

std::unexpected<Error> truncated() { return fail(Code::kInvalid, "protobuf: unexpected end of the message"); }

Result<std::string_view> take_bytes(std::string_view& rest, uint64_t size) {
  if (size > rest.size()) return truncated();
  std::string_view out = rest.substr(0, size);
  rest.remove_prefix(size);
  return out;
}

Result<uint64_t> take_fixed(std::string_view& rest, size_t size) {
  KOBUK_TRY(std::string_view bytes, take_bytes(rest, size));
  uint64_t out = 0;
  for (size_t i = size; i-- > 0;) out = out << 8 | static_cast<uint8_t>(bytes[i]);
  return out;
}

}  // namespace

Result<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t out = 0;
  for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
    auto byte = static_cast<uint8_t>(bytes[i]);
    if (i == 9 && byte > 1) break;
    out |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return out;
    }
  }
  return bytes.size() < 10 ? truncated() : fail(Code::kInvalid, "protobuf: a number of more than 64 bits");
}

Result<bool> ProtobufReader::next(ProtobufField& field) {
  std::array<uint32_t, kMaxGroupDepth> groups;
  size_t depth = 0;
  while (true) {
    if (rest_.empty()) return depth == 0 ? Result<bool>(false) : truncated();
    KOBUK_TRY(uint64_t tag, take_varint(rest_));
    uint64_t number = tag >> 3, type = tag & 7;
    if (number == 0 || number >= 1u << 29) return fail(Code::kInvalid, "protobuf: invalid field number ", number);
    field = {.number = static_cast<uint32_t>(number), .type = static_cast<WireType>(type)};
    switch (type) {
      case 0: {
        KOBUK_TRY(field.value, take_varint(rest_));
        break;
      }
      case 1: {
        KOBUK_TRY(field.value, take_fixed(rest_, 8));
        break;
      }
      case 5: {
        KOBUK_TRY(field.value, take_fixed(rest_, 4));
        break;
      }
      case 2: {
        KOBUK_TRY(uint64_t size, take_varint(rest_));
        KOBUK_TRY(field.bytes, take_bytes(rest_, size));
        break;
      }
      case kStartGroup:
        if (depth == groups.size()) return fail(Code::kInvalid, "protobuf: groups are nested too deep");
        groups[depth++] = field.number;
        continue;
      case kEndGroup:
        if (depth == 0 || groups[depth - 1] != field.number) return fail(Code::kInvalid, "protobuf: unmatched end of a group");
        --depth;
        continue;
      default: return fail(Code::kInvalid, "protobuf: invalid wire type ", type);
    }
    if (depth == 0) return true;
  }
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void ProtobufWriter::tag(uint32_t number, WireType type) {
  append_varint(out_, static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(type));
}

void ProtobufWriter::varint(uint32_t number, uint64_t value) {
  tag(number, WireType::kVarint);
  append_varint(out_, value);
}

void ProtobufWriter::sint(uint32_t number, int64_t value) {
  varint(number, static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
}

void ProtobufWriter::fixed64(uint32_t number, uint64_t value) {
  tag(number, WireType::kFixed64);
  for (int i = 0; i < 8; ++i, value >>= 8) out_.push_back(static_cast<char>(value));
}

void ProtobufWriter::fixed32(uint32_t number, uint32_t value) {
  tag(number, WireType::kFixed32);
  for (int i = 0; i < 4; ++i, value >>= 8) out_.push_back(static_cast<char>(value));
}

void ProtobufWriter::bytes(uint32_t number, std::string_view value) {
  tag(number, WireType::kBytes);
  append_varint(out_, value.size());
  out_.append(value);
}

size_t ProtobufWriter::begin_message(uint32_t number) {
  tag(number, WireType::kBytes);
  return out_.size();
}

// The length is known only now; its bytes are put in front of what was written since.
void ProtobufWriter::end_message(size_t start) {
  std::string length;
  append_varint(length, out_.size() - start);
  out_.insert(start, length);
}

}  // namespace kobuk::codec
