// Sparse files in tar: GNU tar manual, "Storing Sparse Files" (old GNU, PAX 0.0, 0.1 and 1.0).
#include <algorithm>
#include <limits>

#include "codec/tar.h"
#include "codec/tar_format.h"

namespace kobuk::codec {

using namespace tar;

namespace {

constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();

std::optional<uint64_t> sparse_number(std::string_view field) {
  auto value = header_number(field);
  if (!value || *value < 0) return {};
  return static_cast<uint64_t>(*value);
}

std::unexpected<Error> malformed() { return fail(Code::kInvalid, "tar: malformed sparse map"); }

}  // namespace

Result<void> TarReader::add_extent(std::optional<uint64_t> offset, std::optional<uint64_t> length) {
  if (!offset || !length || *offset > kLargest || *length > kLargest - *offset) return malformed();
  if (extents_.size() >= limits_.max_sparse_extents) return fail(Code::kTooLarge, "tar: too many sparse extents");
  extents_.push_back({*offset, *length});
  return {};
}

// With all records applied: looks which of the four formats this is, if any.
Result<void> TarReader::start_sparse(std::string_view block, char flag) {
  if (entry_.type != TarType::kFile) return begin_content();
  if (flag == 'S') {
    sparse_ = true;
    extents_.clear();
    real_size_ = sparse_number(kSparseRealSize.in(block));
    if (!real_size_) return malformed();
    KOBUK_CHECK(sparse_fields(kSparse.in(block), kSparse.size / kSparsePair));
    if (kSparseExtended.in(block)[0] == '\0') return begin_content();
    phase_ = Phase::kSparseExtension;
    return {};
  }
  auto record = [&](std::string_view key) -> std::string_view {
    auto found = records_.find(key);
    return found == records_.end() ? std::string_view() : std::string_view(found->second);
  };
  bool in_content = record("GNU.sparse.major") == "1" && record("GNU.sparse.minor") == "0";
  std::string_view size = record(in_content ? "GNU.sparse.realsize" : "GNU.sparse.size");
  if (size.empty()) return begin_content();
  sparse_ = true;
  real_size_ = parse_uint(size);
  if (!real_size_ || *real_size_ > kLargest) return malformed();
  if (!record("GNU.sparse.name").empty()) entry_.name = record("GNU.sparse.name");
  if (in_content) {
    extents_.clear();
    metadata_.clear();
    phase_ = Phase::kSparseMap;
    return archived_size_ < kBlock ? malformed() : Result<void>();
  }
  if (!record("GNU.sparse.map").empty()) KOBUK_CHECK(pax_sparse_map(record("GNU.sparse.map")));
  return begin_content();
}

// Sparse 0.1: "offset,length,offset,length".
Result<void> TarReader::pax_sparse_map(std::string_view text) {
  extents_.clear();
  std::vector<std::string_view> numbers = split(text, ',');
  if (numbers.size() % 2 != 0) return malformed();
  for (size_t i = 0; i < numbers.size(); i += 2) {
    KOBUK_CHECK(add_extent(parse_uint(numbers[i]), parse_uint(numbers[i + 1])));
  }
  return {};
}

// Pairs of numbers, up to the first empty one.
Result<void> TarReader::sparse_fields(std::string_view fields, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    std::string_view pair = fields.substr(i * kSparsePair, kSparsePair);
    if (pair[0] == '\0') return {};
    KOBUK_CHECK(add_extent(sparse_number(pair.substr(0, kSparsePair / 2)), sparse_number(pair.substr(kSparsePair / 2))));
  }
  return {};
}

Result<void> TarReader::sparse_extension(std::string_view block) {
  KOBUK_CHECK(sparse_fields(kExtensionSparse.in(block), kExtensionSparse.size / kSparsePair));
  return kExtensionExtended.in(block)[0] == '\0' ? begin_content() : Result<void>();
}

// Sparse 1.0: the content starts with the number of extents and then offset and length of each, a decimal a line,
// padded to whole blocks.
Result<void> TarReader::sparse_map_block(std::string_view block) {
  archived_size_ -= kBlock;
  metadata_.append(block);
  if (metadata_.size() > limits_.max_metadata) return fail(Code::kTooLarge, "tar: the sparse map is too large");
  size_t lines = static_cast<size_t>(std::ranges::count(metadata_, '\n'));
  std::string_view rest = metadata_;
  auto next = [&rest]() -> std::optional<uint64_t> {
    size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    auto value = parse_uint(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    return value;
  };
  if (lines > 0) {
    auto count = next();
    if (!count || *count > limits_.max_sparse_extents) return malformed();
    if (lines >= 1 + 2 * *count) {
      for (uint64_t i = 0; i < *count; ++i) {
        auto offset = next();
        KOBUK_CHECK(add_extent(offset, next()));
      }
      return begin_content();
    }
  }
  return archived_size_ < kBlock ? malformed() : Result<void>();
}

Result<void> TarReader::check_extents() const {
  uint64_t end = 0, total = 0;
  for (const Extent& extent : extents_) {
    if (extent.offset < end) return malformed();
    end = extent.offset + extent.length;
    total += extent.length;  // no overflow: the extents do not overlap
  }
  return end <= entry_.size && total == archived_size_ ? Result<void>() : malformed();
}

}  // namespace kobuk::codec
