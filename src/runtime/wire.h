// The binary form in which plans and messages cross to the monitor: little-endian integers and
// length-prefixed texts, no alignment, no names. Both ends are built together; a version number at the front
// refuses others.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace kobuk::runtime {

static_assert(std::endian::native == std::endian::little, "the wire form is the host's byte order");

class Encoder {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T value) { out_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void put(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    out_.append(text);
  }
  void put(const std::string& text) { put(std::string_view(text)); }
  template <class T, class F>
  void put_all(const std::vector<T>& items, F&& each) {
    put(static_cast<uint32_t>(items.size()));
    for (const T& item : items) each(item);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads past the end, or a count that the rest can not hold, make failed() true and all later reads zero.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void get(T& value) {
    if (rest_.size() < sizeof value) return fail();
    if constexpr (std::is_same_v<T, bool>) {
      value = rest_[0] != 0;
    } else {
      std::memcpy(&value, rest_.data(), sizeof value);
    }
    rest_.remove_prefix(sizeof value);
  }
  void get(std::string& text) {
    uint32_t size = 0;
    get(size);
    if (size > rest_.size()) return fail();
    text.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }
  template <class T, class F>
  void get_all(std::vector<T>& items, F&& each) {
    uint32_t count = 0;
    get(count);
    if (count > rest_.size()) return fail();  // every item takes a byte at least
    for (uint32_t i = 0; i < count && !failed_; ++i) each(items.emplace_back());
  }
  std::string_view rest() const { return rest_; }
  bool failed() const { return failed_; }
  bool at_end() const { return !failed_ && rest_.empty(); }

 private:
  void fail() {
    failed_ = true;
    rest_ = {};
  }
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace kobuk::runtime
