// Tar: POSIX.1-2017 pax(1) "ustar Interchange Format" and "pax Header Block", GNU tar manual appendix "Tar Internals"
// (basic format, sparse formats).
#include <algorithm>
#include <limits>

#include "codec/tar.h"
#include "codec/tar_format.h"

namespace kobuk::codec {
namespace {

using namespace tar;

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";
constexpr uint64_t kLargestSize = std::numeric_limits<int64_t>::max();

std::string_view until_nul(std::string_view field) { return field.substr(0, field.find('\0')); }

Result<uint64_t> size_field(std::string_view field, std::string_view what) {
  auto value = header_number(field);
  if (!value || *value < 0) return fail(Code::kInvalid, "tar: invalid ", what, " in a header");
  return static_cast<uint64_t>(*value);
}

Result<uint32_t> id_field(std::string_view field, std::string_view what) {
  KOBUK_TRY(uint64_t value, size_field(field, what));
  if (value > UINT32_MAX) return fail(Code::kInvalid, "tar: ", what, " ", value, " in a header is too large");
  return static_cast<uint32_t>(value);
}

// Some old writers summed signed characters.
bool checksum_is_right(std::string_view block) {
  auto stored = header_number(kChecksum.in(block));
  if (!stored) return false;
  int64_t plain = 0, with_sign = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    bool in_field = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    char c = in_field ? ' ' : block[i];
    plain += static_cast<uint8_t>(c);
    with_sign += static_cast<signed char>(c);
  }
  return *stored == plain || *stored == with_sign;
}

std::optional<TarType> type_of(char flag) {
  switch (flag) {
    case '\0':
    case '0':
    case '7':  // contiguous
    case 'S':  // old GNU sparse
      return TarType::kFile;
    case '1': return TarType::kHardLink;
    case '2': return TarType::kSymlink;
    case '3': return TarType::kCharDevice;
    case '4': return TarType::kBlockDevice;
    case '5':
    case 'D':  // GNU incremental directory
      return TarType::kDirectory;
    case '6': return TarType::kFifo;
    default: return {};
  }
}

// "1350244992.023960108", "-1.5"
bool parse_time(std::string_view text, int64_t& seconds, uint32_t& nanos) {
  std::string_view whole = text.substr(0, text.find('.'));
  std::string_view fraction = whole.size() < text.size() ? text.substr(whole.size() + 1) : std::string_view();
  auto value = parse_int(whole);
  if (!value || fraction.find_first_not_of("0123456789") != std::string_view::npos) return false;
  uint32_t parsed = 0;
  for (size_t i = 0; i < 9; ++i) parsed = parsed * 10 + (i < fraction.size() ? static_cast<uint32_t>(fraction[i] - '0') : 0);
  bool negative = text.starts_with('-');
  if (negative && parsed != 0) {
    if (*value == std::numeric_limits<int64_t>::min()) return false;
    seconds = *value - 1;
    nanos = 1'000'000'000 - parsed;
  } else {
    seconds = *value;
    nanos = parsed;
  }
  return true;
}

bool is_text_key(std::string_view key) {
  return key == "path" || key == "linkpath" || key == "uname" || key == "gname" || key == "GNU.sparse.name";
}

}  // namespace

std::optional<int64_t> tar::header_number(std::string_view field) {
  auto first = static_cast<uint8_t>(field[0]);
  if (first & 0x80) {
    bool negative = first & 0x40;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    for (size_t i = 0; i < field.size(); ++i) {
      auto byte = static_cast<uint8_t>(field[i]);
      if (i == 0) byte = negative ? byte : byte & 0x7f;
      uint64_t top = value >> 55;  // the sign and the 8 bits about to leave
      if (top != (negative ? 0x1ff : 0)) return {};
      value = value << 8 | byte;
    }
    return static_cast<int64_t>(value);
  }
  std::string_view text = until_nul(field);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find(' '));
  int64_t value = 0;
  if (text.size() > 20) return {};
  for (char c : text) {
    if (c < '0' || c > '7') return {};
    value = value << 3 | (c - '0');
  }
  return value;
}

TarReader::TarReader(TarHandler& handler, const TarLimits& limits) : handler_(handler), limits_(limits) {
  block_.reserve(kBlock);
}

Result<void> TarReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    switch (phase_) {
      case Phase::kHeader:
      case Phase::kSparseExtension:
      case Phase::kSparseMap: {
        size_t n = std::min(kBlock - block_.size(), bytes.size());
        block_.append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        if (block_.size() == kBlock) KOBUK_CHECK(block());
        break;
      }
      case Phase::kMetadata: {
        auto n = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
        metadata_.append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        left_ -= n;
        if (left_ == 0) KOBUK_CHECK(metadata_done());
        break;
      }
      case Phase::kContent: KOBUK_CHECK(content(bytes)); break;
      case Phase::kPadding: {
        auto n = static_cast<size_t>(std::min<uint64_t>(padding_, bytes.size()));
        bytes.remove_prefix(n);
        padding_ -= n;
        if (padding_ == 0) phase_ = Phase::kHeader;
        break;
      }
      case Phase::kEnd: return {};
    }
  }
  return {};
}

Result<void> TarReader::finish() {
  bool between_entries = phase_ == Phase::kHeader && block_.empty() && records_.empty() && !long_name_ && !long_link_;
  // The padding of the last entry may be missing.
  if (phase_ == Phase::kEnd || phase_ == Phase::kPadding || between_entries) return {};
  return fail(Code::kInvalid, "tar: unexpected end of the archive");
}

Result<void> TarReader::block() {
  std::string block = std::move(block_);
  block_.clear();
  block_.reserve(kBlock);
  if (phase_ == Phase::kSparseExtension) return sparse_extension(block);
  if (phase_ == Phase::kSparseMap) return sparse_map_block(block);
  return header(block);
}

Result<void> TarReader::header(std::string_view block) {
  if (block.find_first_not_of('\0') == std::string_view::npos) {
    if (seen_zero_block_) phase_ = Phase::kEnd;
    seen_zero_block_ = true;
    return {};
  }
  seen_zero_block_ = false;
  if (!checksum_is_right(block)) return fail(Code::kInvalid, "tar: invalid header (wrong checksum)");
  KOBUK_TRY(uint64_t size, size_field(kSize.in(block), "size"));
  char type = kType.in(block)[0];
  if (std::string_view("xXgLK").contains(type)) return start_metadata(type, size);
  return start_entry(block, type, size);
}

Result<void> TarReader::start_metadata(char type, uint64_t size) {
  if (size > limits_.max_metadata) {
    return fail(Code::kTooLarge, "tar: a header of ", size, " bytes, the limit is ", limits_.max_metadata);
  }
  metadata_type_ = type;
  metadata_.clear();
  left_ = size;
  padding_ = padding_of(size);
  phase_ = Phase::kMetadata;
  return size == 0 ? metadata_done() : Result<void>();
}

Result<void> TarReader::metadata_done() {
  phase_ = padding_ ? Phase::kPadding : Phase::kHeader;
  switch (metadata_type_) {
    case 'L': long_name_ = std::string(until_nul(metadata_)); return {};
    case 'K': long_link_ = std::string(until_nul(metadata_)); return {};
    case 'g': return pax_records(metadata_, global_);
    default:
      records_.clear();
      extents_.clear();
      pending_offset_.reset();
      return pax_records(metadata_, records_);
  }
}

// "30 mtime=1350244992.023960108\n": the length counts itself and the line feed.
Result<void> TarReader::pax_records(std::string_view text, Records& records) {
  auto malformed = [] { return fail(Code::kInvalid, "tar: malformed PAX header"); };
  bool global = &records == &global_;
  while (!text.empty()) {
    size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return malformed();
    auto length = parse_uint(text.substr(0, blank));
    if (!length || *length > text.size() || *length < blank + 3) return malformed();
    std::string_view record = text.substr(blank + 1, *length - blank - 1);
    text.remove_prefix(*length);
    size_t equals = record.find('=');
    if (!record.ends_with('\n') || equals == std::string_view::npos || equals == 0) return malformed();
    std::string_view key = record.substr(0, equals);
    std::string_view value = record.substr(equals + 1, record.size() - equals - 2);
    if (key.contains('\0') || (is_text_key(key) && value.contains('\0'))) return malformed();
    if (!global && (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes")) {
      KOBUK_CHECK(pax_sparse_record(key, value));
    } else if (value.empty() && global) {
      records.erase(std::string(key));
    } else {
      records[std::string(key)] = value;  // an empty value of a local record hides the global one
    }
  }
  size_t total = 0;
  for (const auto& [key, value] : records) total += key.size() + value.size();
  if (total > limits_.max_metadata) return fail(Code::kTooLarge, "tar: too many PAX records");
  return {};
}

// Sparse 0.0: the map as repeated records.
Result<void> TarReader::pax_sparse_record(std::string_view key, std::string_view value) {
  auto parsed = parse_uint(value);
  bool is_offset = key == "GNU.sparse.offset";
  if (!parsed || is_offset == pending_offset_.has_value()) return fail(Code::kInvalid, "tar: malformed sparse map");
  if (is_offset) {
    pending_offset_ = *parsed;
    return {};
  }
  return add_extent(std::exchange(pending_offset_, std::nullopt), parsed);
}

Result<void> TarReader::start_entry(std::string_view block, char flag, uint64_t size) {
  if (++entries_ > limits_.max_entries) return fail(Code::kTooLarge, "tar: more than ", limits_.max_entries, " entries");
  entry_ = TarEntry();
  entry_.name = until_nul(kName.in(block));
  entry_.linkname = until_nul(kLinkname.in(block));
  KOBUK_TRY(uint64_t mode, size_field(kMode.in(block), "mode"));
  entry_.mode = static_cast<uint32_t>(mode & 07777);
  KOBUK_TRY(entry_.uid, id_field(kUid.in(block), "uid"));
  KOBUK_TRY(entry_.gid, id_field(kGid.in(block), "gid"));
  auto mtime = header_number(kMtime.in(block));
  if (!mtime) return fail(Code::kInvalid, "tar: invalid mtime in a header");
  entry_.mtime = *mtime;
  bool ustar = kMagic.in(block).starts_with(std::string_view("ustar\0", 6));
  if (ustar || kMagic.in(block) == kGnuMagic) {
    entry_.uname = until_nul(kUname.in(block));
    entry_.gname = until_nul(kGname.in(block));
    bool device = flag == '3' || flag == '4';  // others leave anything in these fields
    if (device) {
      KOBUK_TRY(entry_.devmajor, id_field(kDevmajor.in(block), "devmajor"));
      KOBUK_TRY(entry_.devminor, id_field(kDevminor.in(block), "devminor"));
    }
  }
  if (ustar) {
    bool star = kStarTrailer.in(block) == std::string_view("tar\0", 4);
    std::string_view prefix = until_nul((star ? kStarPrefix : kPrefix).in(block));
    if (!prefix.empty()) entry_.name = cat(prefix, '/', entry_.name);
  }
  archived_size_ = size;
  KOBUK_CHECK(apply_records());
  if (long_name_) entry_.name = *long_name_;
  if (long_link_) entry_.linkname = *long_link_;

  auto type = type_of(flag);
  if (!type) {  // volume labels and vendors' own types are skipped, content and all
    forget_entry();
    padding_ = archived_size_ + padding_of(archived_size_);
    phase_ = padding_ ? Phase::kPadding : Phase::kHeader;
    return {};
  }
  entry_.type = *type;
  if (entry_.type == TarType::kFile && flag != 'S' && entry_.name.ends_with('/')) entry_.type = TarType::kDirectory;
  if (entry_.type != TarType::kFile) archived_size_ = 0;
  if (entry_.type != TarType::kHardLink && entry_.type != TarType::kSymlink) entry_.linkname.clear();
  if (entry_.name.empty()) return fail(Code::kInvalid, "tar: an entry without a name");
  return start_sparse(block, flag);
}

Result<void> TarReader::apply_records() {
  for (const auto& [key, value] : global_) {
    if (!records_.contains(key)) KOBUK_CHECK(apply_record(key, value));
  }
  for (const auto& [key, value] : records_) {
    if (!value.empty() || key.starts_with(kXattrPrefix)) KOBUK_CHECK(apply_record(key, value));
  }
  std::ranges::sort(entry_.xattrs);
  return {};
}

Result<void> TarReader::apply_record(const std::string& key, const std::string& value) {
  auto malformed = [&] { return fail(Code::kInvalid, "tar: invalid PAX record ", go_quote(key)); };
  auto parsed = parse_uint(value);
  if (key == "path") {
    entry_.name = value;
  } else if (key == "linkpath") {
    entry_.linkname = value;
  } else if (key == "uname") {
    entry_.uname = value;
  } else if (key == "gname") {
    entry_.gname = value;
  } else if (key == "uid" || key == "gid") {
    if (!parsed || *parsed > UINT32_MAX) return malformed();
    (key == "uid" ? entry_.uid : entry_.gid) = static_cast<uint32_t>(*parsed);
  } else if (key == "size") {
    if (!parsed || *parsed > kLargestSize) return malformed();
    archived_size_ = *parsed;
  } else if (key == "mtime") {
    if (!parse_time(value, entry_.mtime, entry_.mtime_nanos)) return malformed();
  } else if (key.starts_with(kXattrPrefix)) {
    if (key.size() == kXattrPrefix.size()) return malformed();
    entry_.xattrs.emplace_back(key.substr(kXattrPrefix.size()), value);
  }
  return {};
}

Result<void> TarReader::begin_content() {
  entry_.size = entry_.type == TarType::kFile ? archived_size_ : 0;
  if (sparse_) {
    if (real_size_) entry_.size = *real_size_;
    KOBUK_CHECK(check_extents());
  }
  if (limits_.max_content - content_ < archived_size_) {
    return fail(Code::kTooLarge, "tar: content exceeds the limit of ", limits_.max_content, " bytes");
  }
  content_ += archived_size_;
  extent_ = 0;
  extent_done_ = 0;
  left_ = archived_size_;
  padding_ = padding_of(archived_size_);
  KOBUK_CHECK(handler_.begin_entry(entry_));
  if (left_ == 0) return end_content();
  phase_ = Phase::kContent;
  return {};
}

Result<void> TarReader::content(std::string_view& bytes) {
  auto n = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
  uint64_t offset = archived_size_ - left_;
  if (sparse_) {
    while (extents_[extent_].length == extent_done_) {
      ++extent_;
      extent_done_ = 0;
    }
    const Extent& extent = extents_[extent_];
    n = static_cast<size_t>(std::min<uint64_t>(n, extent.length - extent_done_));
    offset = extent.offset + extent_done_;
    extent_done_ += n;
  }
  KOBUK_CHECK(handler_.content(offset, bytes.substr(0, n)));
  bytes.remove_prefix(n);
  left_ -= n;
  return left_ == 0 ? end_content() : Result<void>();
}

void TarReader::forget_entry() {
  records_.clear();
  long_name_.reset();
  long_link_.reset();
  real_size_.reset();
  pending_offset_.reset();
  extents_.clear();
  sparse_ = false;
}

Result<void> TarReader::end_content() {
  forget_entry();
  phase_ = padding_ ? Phase::kPadding : Phase::kHeader;
  return handler_.end_entry();
}

}  // namespace kobuk::codec
