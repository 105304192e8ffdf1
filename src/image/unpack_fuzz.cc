// Entries as the input says, unpacked into a folder in memory: nothing beside it appears or changes. Needs root.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "codec/tar.h"
#include "image/unpack.h"
#include "sys/file.h"

using namespace kobuk;
using namespace kobuk::image;

namespace {

// Few names, so that entries meet: what each byte of the input chooses from.
std::string name_of(std::string_view& input) {
  static constexpr std::string_view kParts[] = {"a", "b", "c", "..", ".", "", ".wh.a", ".wh..wh..opq", ".wh..", "s", "outside", "proc", "self", "root", ".wh.", "d"};
  std::string out;
  size_t parts = input.empty() ? 1 : 1 + static_cast<unsigned char>(input[0]) % 4;
  if (!input.empty()) input.remove_prefix(1);
  for (size_t i = 0; i < parts && !input.empty(); ++i) {
    unsigned char byte = static_cast<unsigned char>(input[0]);
    input.remove_prefix(1);
    cat_to(out, i > 0 || byte >= 0xf0 ? "/" : "", kParts[byte % 16]);
  }
  return out.empty() ? "a" : out;
}

std::string archive_of(std::string_view input) {
  std::string out;
  codec::TarWriter tar([&out](std::string_view bytes) -> Result<void> {
    out += bytes;
    return {};
  });
  for (int i = 0; i < 64 && !input.empty(); ++i) {
    codec::TarEntry entry;
    constexpr codec::TarType kTypes[] = {codec::TarType::kFile, codec::TarType::kHardLink, codec::TarType::kSymlink, codec::TarType::kDirectory, codec::TarType::kFifo};
    entry.type = kTypes[static_cast<unsigned char>(input[0]) % 5];
    input.remove_prefix(1);
    entry.name = name_of(input);
    if (entry.type == codec::TarType::kHardLink || entry.type == codec::TarType::kSymlink) entry.linkname = name_of(input);
    if (!tar.add(entry, entry.type == codec::TarType::kFile ? "evil" : "")) break;
  }
  if (!tar.finish()) out.clear();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string base = cat("/dev/shm/kobuk-unpack-fuzz-", getpid());
  if (!sys::remove_tree(base) || !sys::make_directories(base) || !sys::write_file(cat(base, "/outside"), "untouched")) abort();
  std::string tar = archive_of(std::string_view(reinterpret_cast<const char*>(data), size));
  {
    auto unpacker = Unpacker::create(cat(base, "/root"), {.max_bytes = 1 << 20});
    if (!unpacker) abort();
    auto fed = (*unpacker)->feed(tar);
    auto finished = fed ? (*unpacker)->finish() : Result<int64_t>(0);
  }
  auto names = sys::list_directory(base);
  struct stat st{};
  bool whole = names && *names == std::vector<std::string>{"outside", "root"} && stat(cat(base, "/outside").c_str(), &st) == 0 && st.st_nlink == 1 &&
               *sys::read_file(cat(base, "/outside")) == "untouched";
  if (!whole || !sys::remove_tree(base)) abort();
  return 0;
}
