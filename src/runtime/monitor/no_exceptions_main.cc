// The C++ library's points of failure, without its exceptions: nothing here catches, so a throw would only end the
// process, after linking an unwinder, a demangler and printf for it (a quarter of the monitor). These replace
// libstdc++'s by the rule that a symbol of the program wins over one of an archive.
#include <cstdlib>
#include <functional>
#include <new>

namespace std {
void __throw_length_error(const char*) { abort(); }
void __throw_logic_error(const char*) { abort(); }
void __throw_out_of_range_fmt(const char*, ...) { abort(); }
void __throw_bad_alloc() { abort(); }
void __throw_bad_array_new_length() { abort(); }
void __throw_bad_function_call() { abort(); }
}  // namespace std

void* operator new(size_t size) {
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

// Called for a pure virtual function of an object under construction: a bug of ours.
extern "C" void __cxa_pure_virtual() { std::abort(); }
