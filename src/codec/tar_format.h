// The fields of a tar header block; for tar*.cc only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kobuk::codec::tar {

inline constexpr size_t kBlock = 512;
inline constexpr uint64_t padding_of(uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

struct Field {
  size_t offset;
  size_t size;
  std::string_view in(std::string_view block) const { return block.substr(offset, size); }
};

inline constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12},
    kChecksum{148, 8}, kType{156, 1}, kLinkname{157, 100}, kMagic{257, 8}, kUname{265, 32}, kGname{297, 32},
    kDevmajor{329, 8}, kDevminor{337, 8}, kPrefix{345, 155};
// star keeps less of the prefix, and its own trailer.
inline constexpr Field kStarPrefix{345, 131}, kStarTrailer{508, 4};
// Old GNU sparse files, in the header and in extension blocks: pairs of 12-byte numbers.
inline constexpr Field kSparse{386, 96}, kSparseExtended{482, 1}, kSparseRealSize{483, 12};
inline constexpr Field kExtensionSparse{0, 504}, kExtensionExtended{504, 1};
inline constexpr size_t kSparsePair = 24;

// Octal digits between blanks, or base-256 with the top bit set. nullopt when malformed or outside of int64.
std::optional<int64_t> header_number(std::string_view field);

inline constexpr std::string_view kUstarMagic{"ustar\0" "00", 8};
inline constexpr std::string_view kGnuMagic{"ustar  \0", 8};

}  // namespace kobuk::codec::tar
