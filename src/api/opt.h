// Opt<T>: an optional object on the heap, in one pointer. What the generated structs hold nested objects in, so that a
// Pod without a securityContext costs 8 bytes for it.
//
//   if (pod.spec.security_context) use(pod.spec.security_context->run_as_user);
//   container.liveness_probe.emplace().period_seconds = 5;
//
// Copies are deep. `*` and `->` need a value; or_default() gives a shared empty T where there is none.
#pragma once

#include <utility>

namespace kobuk::api {

template <class T>
class Opt {
 public:
  Opt() = default;
  Opt(T value) : value_(new T(std::move(value))) {}  // NOLINT: a T is an Opt<T> that is there
  Opt(const Opt& other) : value_(other.value_ ? new T(*other.value_) : nullptr) {}
  Opt(Opt&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Opt& operator=(Opt other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Opt() { delete value_; }

  explicit operator bool() const { return value_ != nullptr; }
  bool has_value() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_; }
  const T* operator->() const { return value_; }
  T* get() { return value_; }
  const T* get() const { return value_; }

  const T& or_default() const {
    static const T kEmpty{};
    return value_ ? *value_ : kEmpty;
  }
  T& emplace() { return *(*this = Opt(T{})).value_; }      // a new value, the old one is gone
  T& get_or_emplace() { return value_ ? *value_ : emplace(); }
  void reset() { delete std::exchange(value_, nullptr); }

 private:
  T* value_ = nullptr;
};

}  // namespace kobuk::api
