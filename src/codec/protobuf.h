// The protobuf wire format without schemas: fields in, fields out. What CRI, etcd and Kubernetes' own protobuf
// messages are decoded and encoded with.
//
//   ProtobufReader reader(bytes);
//   ProtobufField field;
//   while (true) {
//     KOBUK_TRY(bool more, reader.next(field));
//     if (!more) break;
//     if (field.number == 1 && field.is_bytes()) name = field.bytes;
//   }
//
//   ProtobufWriter out;
//   out.bytes(1, name);
//   out.message(2, [&](ProtobufWriter& inner) { inner.integer(1, 5); });
//
// Readers hold views into their input. Fields of a type that the caller does not expect are skipped by not looking.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::codec {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct ProtobufField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;      // of kVarint, kFixed64 and kFixed32
  std::string_view bytes;  // of kBytes

  bool is_bytes() const { return type == WireType::kBytes; }
  bool is_varint() const { return type == WireType::kVarint; }
  bool as_bool() const { return value != 0; }
  int64_t as_int64() const { return static_cast<int64_t>(value); }
  int32_t as_int32() const { return static_cast<int32_t>(value); }
  int64_t as_sint64() const { return static_cast<int64_t>(value >> 1 ^ (0 - (value & 1))); }  // zigzag
  double as_double() const { return std::bit_cast<double>(value); }
};

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : rest_(message) {}
  // False at the end. Errors: kInvalid for bytes that are no message. Groups are skipped.
  Result<bool> next(ProtobufField& field);

 private:
  std::string_view rest_;
};

// Calls `take(field)`, which returns Result<void>, for each field until it fails.
template <class Take>
Result<void> each_field(std::string_view message, Take&& take) {
  ProtobufReader reader(message);
  ProtobufField field;
  while (true) {
    KOBUK_TRY(bool more, reader.next(field));
    if (!more) return {};
    KOBUK_CHECK(take(field));
  }
}

// Takes the first varint off `bytes`: for packed repeated fields and length-delimited streams. kInvalid when it is cut
// off or longer than 64 bits.
Result<uint64_t> take_varint(std::string_view& bytes);

class ProtobufWriter {
 public:
  // These write zeroes and empty texts too: leave the call out where the schema says so.
  void varint(uint32_t number, uint64_t value);
  void integer(uint32_t number, int64_t value) { varint(number, static_cast<uint64_t>(value)); }
  void boolean(uint32_t number, bool value) { varint(number, value ? 1 : 0); }
  void sint(uint32_t number, int64_t value);
  void fixed64(uint32_t number, uint64_t value);
  void fixed32(uint32_t number, uint32_t value);
  void number(uint32_t number, double value) { fixed64(number, std::bit_cast<uint64_t>(value)); }
  void bytes(uint32_t number, std::string_view value);
  template <class Fill>
  void message(uint32_t number, Fill&& fill) {
    size_t start = begin_message(number);
    fill(*this);
    end_message(start);
  }

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  size_t begin_message(uint32_t number);
  void end_message(size_t start);
  void tag(uint32_t number, WireType type);
  std::string out_;
};

void append_varint(std::string& out, uint64_t value);

}  // namespace kobuk::codec
