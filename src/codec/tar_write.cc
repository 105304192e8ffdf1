// Tar: POSIX.1-2017 pax(1) "ustar Interchange Format"; PAX records for what it has no room for.
#include <algorithm>

#include "codec/tar.h"
#include "codec/tar_format.h"

namespace kobuk::codec {
namespace {

using namespace tar;

constexpr int64_t kLargestOctal8 = 07777777;        // 7 digits and a NUL
constexpr int64_t kLargestOctal12 = 077777777777;   // 11 digits and a NUL

char flag_of(TarType type) {
  switch (type) {
    case TarType::kFile: return '0';
    case TarType::kHardLink: return '1';
    case TarType::kSymlink: return '2';
    case TarType::kCharDevice: return '3';
    case TarType::kBlockDevice: return '4';
    case TarType::kDirectory: return '5';
    case TarType::kFifo: return '6';
  }
  return '0';
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

class HeaderBlock {
 public:
  void put(Field field, std::string_view text) { text.substr(0, field.size).copy(&block_[field.offset], field.size); }
  // 0 when it does not fit: then a PAX record says it.
  void put_octal(Field field, int64_t value) {
    std::string digits(field.size - 1, '0');
    bool fits = value >= 0 && value <= (field.size == 8 ? kLargestOctal8 : kLargestOctal12);
    for (size_t i = digits.size(); fits && i-- > 0; value >>= 3) digits[i] = static_cast<char>('0' + (value & 7));
    put(field, digits);
  }
  std::string_view finished() {
    put(kMagic, kUstarMagic);
    put(kChecksum, "        ");
    int64_t sum = 0;
    for (char c : block_) sum += static_cast<uint8_t>(c);
    put_octal(kChecksum, sum);
    return block_;
  }

 private:
  std::string block_ = std::string(kBlock, '\0');
};

// Where to cut a path into ustar's prefix and name; npos when it cannot be done.
size_t prefix_length(std::string_view path) {
  if (path.size() <= kName.size) return 0;
  if (path.size() > kPrefix.size + 1 + kName.size) return std::string_view::npos;
  size_t slash = path.rfind('/', std::min(kPrefix.size, path.size() - 2));
  if (slash == std::string_view::npos || slash == 0 || path.size() - slash - 1 > kName.size) return std::string_view::npos;
  return slash;
}

void add_record(std::string& out, std::string_view key, std::string_view value) {
  size_t rest = 1 + key.size() + 1 + value.size() + 1;
  size_t length = rest + 1;
  while (cat(length).size() + rest != length) length = rest + cat(length).size();
  cat_to(out, length, ' ', key, '=', value, '\n');
}

std::string time_text(int64_t seconds, uint32_t nanos) {
  std::string sign;
  auto whole = static_cast<uint64_t>(seconds);
  if (seconds < 0) {
    sign = "-";
    whole = 0 - whole;
    if (nanos != 0) {
      --whole;
      nanos = 1'000'000'000 - nanos;
    }
  }
  if (nanos == 0) return cat(sign, whole);
  std::string fraction = cat(1'000'000'000 + nanos).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return cat(sign, whole, '.', fraction);
}

bool plain_text(std::string_view text, size_t room) { return text.size() <= room && is_ascii(text); }

std::string pax_records(const TarEntry& entry, std::string_view name) {
  std::string out;
  if (!is_ascii(name) || prefix_length(name) == std::string_view::npos) add_record(out, "path", name);
  if (!plain_text(entry.linkname, kLinkname.size)) add_record(out, "linkpath", entry.linkname);
  if (entry.uid > kLargestOctal8) add_record(out, "uid", cat(entry.uid));
  if (entry.gid > kLargestOctal8) add_record(out, "gid", cat(entry.gid));
  if (!plain_text(entry.uname, kUname.size - 1)) add_record(out, "uname", entry.uname);
  if (!plain_text(entry.gname, kGname.size - 1)) add_record(out, "gname", entry.gname);
  if (entry.size > static_cast<uint64_t>(kLargestOctal12)) add_record(out, "size", cat(entry.size));
  if (entry.mtime_nanos != 0 || entry.mtime < 0 || entry.mtime > kLargestOctal12) {
    add_record(out, "mtime", time_text(entry.mtime, entry.mtime_nanos));
  }
  for (const auto& [key, value] : entry.xattrs) add_record(out, cat("SCHILY.xattr.", key), value);
  return out;
}

std::string pax_entry(std::string_view records, std::string_view name) {
  std::string_view base = name.ends_with('/') ? name.substr(0, name.size() - 1) : name;
  base = base.substr(base.rfind('/') + 1).substr(0, kName.size - 13);
  HeaderBlock header;
  header.put(kName, is_ascii(base) ? cat("PaxHeaders.0/", base) : "PaxHeaders.0/entry");
  header.put_octal(kMode, 0644);
  header.put_octal(kUid, 0);
  header.put_octal(kGid, 0);
  header.put_octal(kSize, static_cast<int64_t>(records.size()));
  header.put_octal(kMtime, 0);
  header.put(kType, "x");
  return cat(header.finished(), records, std::string(padding_of(records.size()), '\0'));
}

Result<void> check(const TarEntry& entry) {
  auto has_nul = [](std::string_view text) { return text.contains('\0'); };
  if (entry.name.empty() || has_nul(entry.name) || has_nul(entry.linkname) || has_nul(entry.uname) || has_nul(entry.gname)) {
    return fail(Code::kInvalid, "tar: the name of an entry is empty or holds a NUL");
  }
  if (entry.devmajor > kLargestOctal8 || entry.devminor > kLargestOctal8) {
    return fail(Code::kInvalid, "tar: device number of ", entry.name, " is too large");
  }
  if (entry.mtime_nanos >= 1'000'000'000) return fail(Code::kInvalid, "tar: invalid mtime of ", entry.name);
  for (const auto& [key, value] : entry.xattrs) {
    if (key.empty() || key.contains('=') || has_nul(key)) {
      return fail(Code::kInvalid, "tar: cannot store the extended attribute ", go_quote(key), " of ", entry.name);
    }
  }
  if (entry.type != TarType::kFile && entry.size != 0) return fail(Code::kInvalid, "tar: only files have a size");
  return {};
}

}  // namespace

Result<void> TarWriter::begin_entry(const TarEntry& entry) {
  KOBUK_CHECK(check(entry));
  std::string name = entry.name;
  if (entry.type == TarType::kDirectory && !name.ends_with('/')) name.push_back('/');
  std::string records = pax_records(entry, name);
  if (!records.empty()) KOBUK_CHECK(sink_(pax_entry(records, name)));

  HeaderBlock header;
  size_t prefix = prefix_length(name);
  if (prefix == 0 || prefix == std::string_view::npos || !is_ascii(name)) {
    header.put(kName, name);  // when cut short, the record has it all
  } else {
    header.put(kPrefix, std::string_view(name).substr(0, prefix));
    header.put(kName, std::string_view(name).substr(prefix + 1));
  }
  header.put(kLinkname, entry.linkname);
  header.put_octal(kMode, entry.mode & 07777);
  header.put_octal(kUid, entry.uid);
  header.put_octal(kGid, entry.gid);
  header.put_octal(kSize, static_cast<int64_t>(std::min<uint64_t>(entry.size, INT64_MAX)));
  header.put_octal(kMtime, entry.mtime);
  header.put(kType, std::string(1, flag_of(entry.type)));
  header.put(kUname, plain_text(entry.uname, kUname.size - 1) ? entry.uname : "");
  header.put(kGname, plain_text(entry.gname, kGname.size - 1) ? entry.gname : "");
  header.put_octal(kDevmajor, entry.devmajor);
  header.put_octal(kDevminor, entry.devminor);
  size_ = left_ = entry.size;
  return sink_(header.finished());
}

Result<void> TarWriter::content(std::string_view bytes) {
  if (bytes.size() > left_) return fail(Code::kInvalid, "tar: more content than the size of ", size_, " bytes");
  left_ -= bytes.size();
  return bytes.empty() ? Result<void>() : sink_(bytes);
}

Result<void> TarWriter::end_entry() {
  if (left_ != 0) return fail(Code::kInvalid, "tar: content is ", left_, " bytes short of the size of ", size_);
  uint64_t padding = padding_of(size_);
  size_ = 0;
  return padding ? sink_(std::string(padding, '\0')) : Result<void>();
}

Result<void> TarWriter::add(const TarEntry& entry, std::string_view content) {
  TarEntry sized = entry;
  sized.size = content.size();
  KOBUK_CHECK(begin_entry(sized));
  KOBUK_CHECK(this->content(content));
  return end_entry();
}

Result<void> TarWriter::finish() { return sink_(std::string(2 * kBlock, '\0')); }

}  // namespace kobuk::codec
