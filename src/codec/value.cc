// The arena and the JSON data model (RFC 8259 §3) on top of it.
#include "codec/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>
#include <vector>

namespace kobuk::codec {
namespace {

constexpr size_t kFirstBlock = 2048;
constexpr size_t kLargestBlock = 256u << 10;
constexpr uint32_t kLinearLookups = 64;  // objects above this are compared through sorted keys

bool equal_numbers(int64_t a, double b) {
  // 2^63 is exact in a double, int64's maximum is not.
  return b >= -0x1p63 && b < 0x1p63 && static_cast<int64_t>(b) == a && std::trunc(b) == b;
}

bool sorted_members_equal(std::span<const Member> a, std::span<const Member> b) {
  auto sorted = [](std::span<const Member> members) {
    std::vector<const Member*> out;
    out.reserve(members.size());
    for (const Member& member : members) out.push_back(&member);
    std::ranges::sort(out, {}, [](const Member* member) { return member->key; });
    return out;
  };
  return std::ranges::equal(sorted(a), sorted(b), [](const Member* left, const Member* right) {
    return left->key == right->key && left->value == right->value;
  });
}

bool members_equal(const Value& a, const Value& b) {
  std::span<const Member> left = a.members();
  std::span<const Member> right = b.members();
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i].key == right[i].key) {
      if (!(left[i].value == right[i].value)) return false;
      continue;
    }
    if (left.size() > kLinearLookups) return sorted_members_equal(left.subspan(i), right.subspan(i));
    const Value* other = b.find(left[i].key);
    if (!other || !(left[i].value == *other)) return false;
  }
  return true;
}

}  // namespace

struct Arena::Block {
  Block* next;
};

struct ArenaOwners {
  std::vector<std::shared_ptr<const void>> list;
};

Arena::Arena() = default;

Arena::Arena(Arena&& other) noexcept
    : head_(std::exchange(other.head_, nullptr)),
      next_(std::exchange(other.next_, nullptr)),
      end_(std::exchange(other.end_, nullptr)),
      used_(std::exchange(other.used_, 0)),
      owners_(std::move(other.owners_)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this == &other) return *this;
  free_all();
  head_ = std::exchange(other.head_, nullptr);
  next_ = std::exchange(other.next_, nullptr);
  end_ = std::exchange(other.end_, nullptr);
  used_ = std::exchange(other.used_, 0);
  owners_ = std::move(other.owners_);
  return *this;
}

Arena::~Arena() { free_all(); }

void Arena::free_all() {
  while (head_) {
    Block* block = head_;
    head_ = block->next;
    std::free(block);
  }
}

void* Arena::allocate(size_t bytes, size_t align) {
  auto aligned = (reinterpret_cast<uintptr_t>(next_) + align - 1) & ~(uintptr_t{align} - 1);
  auto end = reinterpret_cast<uintptr_t>(end_);
  if (next_ && aligned <= end && bytes <= end - aligned) [[likely]] {
    next_ = reinterpret_cast<char*>(aligned) + bytes;
    used_ += bytes;
    return reinterpret_cast<void*>(aligned);
  }
  constexpr size_t kHeader = (sizeof(Block) + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);
  size_t wanted = std::clamp(used_, kFirstBlock, kLargestBlock);
  bool own_block = bytes > wanted / 2;  // large pieces do not end the current block
  size_t size = own_block ? bytes : wanted;
  auto* block = static_cast<Block*>(std::malloc(kHeader + size));
  if (!block) std::abort();  // inputs are bounded: this is a machine without memory, not a bad input
  block->next = head_;
  head_ = block;
  char* data = reinterpret_cast<char*>(block) + kHeader;
  used_ += bytes;
  if (own_block) return data;
  next_ = data + bytes;
  end_ = data + size;
  return data;
}

std::string_view Arena::copy(std::string_view text) {
  if (text.empty()) return {"", 0};
  char* out = static_cast<char*>(allocate(text.size(), 1));
  std::memcpy(out, text.data(), text.size());
  return {out, text.size()};
}

void Arena::retain(std::shared_ptr<const void> owner) {
  if (!owners_) owners_ = std::make_unique<ArenaOwners>();
  owners_->list.push_back(std::move(owner));
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNull: return "null";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "integer";
    case Kind::kDouble: return "number";
    case Kind::kString: return "string";
    case Kind::kArray: return "array";
    case Kind::kObject: return "object";
  }
  return "unknown";
}

Value Value::boolean(bool value) {
  Value v = with_kind(Kind::kBool);
  v.bool_ = value;
  return v;
}

Value Value::integer(int64_t value) {
  Value v = with_kind(Kind::kInt);
  v.int_ = value;
  return v;
}

Value Value::number(double value) {
  Value v = with_kind(Kind::kDouble);
  v.double_ = value;
  return v;
}

Value Value::string(Arena& arena, std::string_view text) { return string_view(arena.copy(text)); }

Value Value::string_view(std::string_view text) {
  if (text.size() > std::numeric_limits<uint32_t>::max()) std::abort();  // 4 GiB: no decoder lets it through
  Value v = with_kind(Kind::kString);
  v.text_ = text.data();
  v.count_ = static_cast<uint32_t>(text.size());
  return v;
}

Value Value::array(Arena& arena, size_t reserve) {
  Value v = array();
  v.reserve(arena, reserve, sizeof(Value));
  return v;
}

Value Value::object(Arena& arena, size_t reserve) {
  Value v = object();
  v.reserve(arena, reserve, sizeof(Member));
  return v;
}

bool Value::as_bool(bool fallback) const { return is_bool() ? bool_ : fallback; }

int64_t Value::as_int(int64_t fallback) const {
  if (is_int()) return int_;
  if (kind_ != Kind::kDouble) return fallback;
  bool integral = double_ >= -0x1p63 && double_ < 0x1p63 && std::trunc(double_) == double_;
  return integral ? static_cast<int64_t>(double_) : fallback;
}

double Value::as_double(double fallback) const {
  if (is_int()) return static_cast<double>(int_);
  return kind_ == Kind::kDouble ? double_ : fallback;
}

std::string_view Value::as_string(std::string_view fallback) const {
  return is_string() ? std::string_view(text_, count_) : fallback;
}

std::span<Value> Value::items() { return is_array() && count_ ? std::span(items_, count_) : std::span<Value>(); }
std::span<const Value> Value::items() const { return const_cast<Value*>(this)->items(); }
std::span<Member> Value::members() {
  return is_object() && count_ ? std::span(members_, count_) : std::span<Member>();
}
std::span<const Member> Value::members() const { return const_cast<Value*>(this)->members(); }

Value* Value::find(std::string_view key) {
  for (Member& member : members()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const Value* Value::find(std::string_view key) const { return const_cast<Value*>(this)->find(key); }

namespace {
constexpr Value kNullValue{};
}

const Value& Value::operator[](std::string_view key) const {
  const Value* value = find(key);
  return value ? *value : kNullValue;
}

const Value& Value::at(size_t index) const {
  return is_array() && index < count_ ? items_[index] : kNullValue;
}

void Value::reserve(Arena& arena, size_t count, size_t element_size) {
  if (count == 0) return;
  auto log = std::max<size_t>(2, std::bit_width(count - 1));
  if (log > 31) std::abort();
  void* data = arena.allocate(element_size << log, alignof(Value));
  if (count_) std::memcpy(data, items_, count_ * element_size);
  items_ = static_cast<Value*>(data);
  log_capacity_ = static_cast<uint8_t>(log);
}

void Value::grow(Arena& arena, size_t element_size) {
  size_t capacity = log_capacity_ ? size_t{1} << log_capacity_ : 0;
  if (count_ == capacity) reserve(arena, capacity ? capacity * 2 : 4, element_size);
}

Value& Value::set(Arena& arena, std::string_view key, Value value) {
  if (Value* existing = find(key)) return *existing = value;
  return add_unchecked(arena, arena.copy(key), value);
}

Value& Value::get_or_add(Arena& arena, std::string_view key) {
  if (Value* existing = find(key)) return *existing;
  return add_unchecked(arena, arena.copy(key), Value());
}

Value& Value::add_unchecked(Arena& arena, std::string_view key, Value value) {
  if (!is_object()) *this = object();
  grow(arena, sizeof(Member));
  Member* member = new (members_ + count_++) Member{key, value};
  return member->value;
}

bool Value::erase(std::string_view key) {
  Value* value = find(key);
  if (!value) return false;
  auto* member = reinterpret_cast<Member*>(reinterpret_cast<char*>(value) - offsetof(Member, value));
  std::move(member + 1, members_ + count_, member);
  --count_;
  return true;
}

Value& Value::push(Arena& arena, Value value) {
  if (!is_array()) *this = array();
  grow(arena, sizeof(Value));
  return *new (items_ + count_++) Value(value);
}

void Value::insert(Arena& arena, size_t index, Value value) {
  push(arena, value);
  if (index >= count_) return;
  std::rotate(items_ + index, items_ + count_ - 1, items_ + count_);
}

void Value::erase_at(size_t index) {
  if (!is_array() || index >= count_) return;
  std::move(items_ + index + 1, items_ + count_, items_ + index);
  --count_;
}

void Value::truncate(size_t count) {
  if (count < size()) count_ = static_cast<uint32_t>(count);
}

Value Value::clone(Arena& arena) const {
  switch (kind_) {
    case Kind::kString: return string(arena, as_string());
    case Kind::kArray: {
      Value out = array(arena, count_);
      for (const Value& item : items()) out.push(arena, item.clone(arena));
      return out;
    }
    case Kind::kObject: {
      Value out = object(arena, count_);
      for (const Member& member : members()) {
        out.add_unchecked(arena, arena.copy(member.key), member.value.clone(arena));
      }
      return out;
    }
    default: return *this;
  }
}

bool operator==(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number() && a.kind_ != b.kind_) {
    return a.is_int() ? equal_numbers(a.int_, b.double_) : equal_numbers(b.int_, a.double_);
  }
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Kind::kNull: return true;
    case Kind::kBool: return a.bool_ == b.bool_;
    case Kind::kInt: return a.int_ == b.int_;
    case Kind::kDouble: return a.double_ == b.double_;
    case Kind::kString: return a.as_string() == b.as_string();
    case Kind::kArray: return std::ranges::equal(a.items(), b.items());
    case Kind::kObject: return members_equal(a, b);
  }
  return false;
}

Document clone_document(const Value& root) {
  Document out;
  out.root = root.clone(out.arena);
  return out;
}

}  // namespace kobuk::codec
