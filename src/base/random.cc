#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"

namespace kobuk {

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  for (size_t done = 0; done < count;) {
    ssize_t got = getrandom(out.data() + done, count - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) std::abort();  // a kernel without getrandom can not run kobuk
    done += static_cast<size_t>(got);
  }
  return out;
}

uint64_t random_u64() {
  uint64_t value = 0;
  std::string bytes = random_bytes(sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string random_hex(size_t digits) { return hex(random_bytes((digits + 1) / 2)).substr(0, digits); }

std::string random_uuid() {
  std::string b = random_bytes(16);
  b[6] = static_cast<char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<char>((b[8] & 0x3f) | 0x80);
  std::string h = hex(b);
  return cat(h.substr(0, 8), '-', h.substr(8, 4), '-', h.substr(12, 4), '-', h.substr(16, 4), '-', h.substr(20));
}

std::string random_name_suffix(size_t length) {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string out = random_bytes(length);
  for (char& c : out) c = kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return out;
}

}  // namespace kobuk
