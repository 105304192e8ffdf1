// Randomness from the kernel (getrandom), and the names made of it. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace kobuk {

std::string random_bytes(size_t count);
uint64_t random_u64();
std::string random_hex(size_t digits);   // lower case
std::string random_uuid();               // version 4
// As Kubernetes' generateName suffixes: no vowels, no 0, 1, 3, so that no words appear.
std::string random_name_suffix(size_t length = 5);

}  // namespace kobuk
