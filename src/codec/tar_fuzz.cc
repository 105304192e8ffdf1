// Any bytes as an archive, cut in two ways: the same entries, contents inside their files, bounded.
#include <cstdlib>

#include "codec/tar.h"

using namespace kobuk;
using namespace kobuk::codec;

namespace {

struct Watcher : TarHandler {
  std::string log;
  uint64_t size = 0, end = 0;
  bool open = false;
  Result<void> begin_entry(const TarEntry& entry) override {
    if (open || entry.name.empty() || entry.name.contains('\0')) std::abort();
    open = true;
    size = entry.size;
    end = 0;
    cat_to(log, entry.name, '\n', entry.size, '\n', entry.linkname, '\n', entry.xattrs.size(), '\n');
    return {};
  }
  Result<void> content(uint64_t offset, std::string_view bytes) override {
    if (!open || bytes.empty() || offset < end || offset > size || bytes.size() > size - offset) std::abort();
    end = offset + bytes.size();
    return {};
  }
  Result<void> end_entry() override {
    if (!open) std::abort();
    open = false;
    return {};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Checksums hide everything else from a fuzzer: every 512 bytes that could be a header get theirs right.
  std::string archive(reinterpret_cast<const char*>(data), size);
  for (size_t at = 0; at + 512 <= archive.size(); at += 512) {
    if (static_cast<uint8_t>(archive[at + 257]) != 'u') continue;
    archive.replace(at + 148, 8, "        ");
    unsigned sum = 0;
    for (size_t i = 0; i < 512; ++i) sum += static_cast<uint8_t>(archive[at + i]);
    for (int i = 5; i >= 0; --i, sum >>= 3) archive[at + 148 + static_cast<size_t>(i)] = static_cast<char>('0' + (sum & 7));
    archive[at + 154] = '\0';
  }
  Watcher whole, pieces;
  TarLimits limits{.max_metadata = 4096, .max_sparse_extents = 64};
  TarReader first(whole, limits), second(pieces, limits);
  bool ok = first.feed(archive) && first.finish();
  bool ok_pieces = true;
  for (size_t i = 0; i < archive.size() && ok_pieces; i += 97) {
    ok_pieces = second.feed(std::string_view(archive).substr(i, 97)).has_value();
  }
  ok_pieces = ok_pieces && second.finish();
  if (ok != ok_pieces || whole.log != pieces.log) std::abort();
  return 0;
}
