// Value and Document: JSON-shaped data (RFC 8259) in an arena. What every API object, OCI config and manifest is
// held in between bytes and structs.
//
//   KOBUK_TRY(Document doc, parse_json(text));
//   std::string_view name = doc.root["metadata"]["name"].as_string();
//   doc.root.set(doc.arena, "kind", Value::string(doc.arena, "Pod"));
//   std::string text = to_json(doc.root);
//
// Value is 16 bytes, trivially copyable; a copy is SHALLOW (children are shared, in the same arena). clone() is deep.
// Nothing is freed before the arena is. Members keep their order; a key occurs once (set replaces).
// Reading from several threads is fine; changing is for one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace kobuk::codec {

// A bump allocator. Movable; memory stays where it is when the Arena moves.
class Arena {
 public:
  Arena();
  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  void* allocate(size_t bytes, size_t align = alignof(std::max_align_t));
  std::string_view copy(std::string_view text);  // the copy lives as long as the arena
  size_t used() const { return used_; }
  // Keeps `owner` alive as long as this arena: for values that point into another buffer or arena.
  void retain(std::shared_ptr<const void> owner);

 private:
  struct Block;
  Block* head_ = nullptr;
  char* next_ = nullptr;
  char* end_ = nullptr;
  size_t used_ = 0;
  std::unique_ptr<struct ArenaOwners> owners_;
  void free_all();
};

enum class Kind : uint8_t { kNull, kBool, kInt, kDouble, kString, kArray, kObject };
std::string_view kind_name(Kind kind);  // "null", "bool", "integer", "number", "string", "array", "object"

struct Member;

class Value {
 public:
  Value() = default;  // null
  static Value boolean(bool value);
  static Value integer(int64_t value);
  static Value number(double value);
  static Value string(Arena& arena, std::string_view text);  // copies the text
  static Value string_view(std::string_view text);           // does NOT copy: text must outlive the value
  static Value array() { return with_kind(Kind::kArray); }
  static Value object() { return with_kind(Kind::kObject); }
  // Empty, with room for `reserve` elements, so that a builder that knows the size allocates once.
  static Value array(Arena& arena, size_t reserve);
  static Value object(Arena& arena, size_t reserve);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_bool() const { return kind_ == Kind::kBool; }
  bool is_int() const { return kind_ == Kind::kInt; }
  bool is_number() const { return kind_ == Kind::kInt || kind_ == Kind::kDouble; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_object() const { return kind_ == Kind::kObject; }

  // The value, or the fallback when the kind is another one.
  bool as_bool(bool fallback = false) const;
  int64_t as_int(int64_t fallback = 0) const;  // a double with an integral value counts
  double as_double(double fallback = 0) const;
  std::string_view as_string(std::string_view fallback = {}) const;

  // Elements of an array / members of an object; 0 / empty for every other kind.
  size_t size() const { return is_array() || is_object() ? count_ : 0; }
  bool empty() const { return size() == 0; }
  std::span<Value> items();
  std::span<const Value> items() const;
  std::span<Member> members();
  std::span<const Member> members() const;

  // nullptr when this is no object or has no such member.
  Value* find(std::string_view key);
  const Value* find(std::string_view key) const;
  // A null value when absent, so that look-ups chain: doc.root["spec"]["replicas"].as_int(1).
  const Value& operator[](std::string_view key) const;
  // const Value& at(i): a null value when out of range.
  const Value& at(size_t index) const;

  // Objects (a null value becomes one): replace or append a member, and return it. The reference is valid until the
  // next change of this object. The key is copied into the arena.
  Value& set(Arena& arena, std::string_view key, Value value);
  // The member, made null if it was absent.
  Value& get_or_add(Arena& arena, std::string_view key);
  // Adds a member without looking for an equal key: for parsers and builders that know there is none. The key is
  // NOT copied.
  Value& add_unchecked(Arena& arena, std::string_view key, Value value);
  bool erase(std::string_view key);  // true when it was there
  // Arrays (a null value becomes one).
  Value& push(Arena& arena, Value value);
  void insert(Arena& arena, size_t index, Value value);
  void erase_at(size_t index);
  void clear() { count_ = 0; }
  void truncate(size_t count);  // drops the elements or members from index `count` on

  Value clone(Arena& arena) const;  // deep, texts too
  // Deep equality; the order of object members does not matter; 1 == 1.0.
  friend bool operator==(const Value& a, const Value& b);

 private:
  static Value with_kind(Kind kind) {
    Value v;
    v.kind_ = kind;
    return v;
  }
  void grow(Arena& arena, size_t element_size);
  void reserve(Arena& arena, size_t count, size_t element_size);

  union {
    bool bool_;
    int64_t int_ = 0;
    double double_;
    const char* text_;
    Value* items_;
    Member* members_;
  };
  uint32_t count_ = 0;  // length of a text, elements, members
  // The capacity of an array or object is a power of two >= 4 when not 0: its logarithm.
  uint8_t log_capacity_ = 0;
  Kind kind_ = Kind::kNull;
};

struct Member {
  std::string_view key;
  Value value;
};

// A value with the arena that it lives in. Movable.
struct Document {
  Arena arena;
  Value root;
};

Document clone_document(const Value& root);

}  // namespace kobuk::codec
