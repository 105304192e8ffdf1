// Tar archives as streams: what image layers, `docker cp`, build contexts and volumes travel in. No file system here.
//
//   struct Unpacker : TarHandler { … };
//   TarReader reader(unpacker, {});
//   for (each piece) KOBUK_CHECK(reader.feed(piece));
//   KOBUK_CHECK(reader.finish());
//
// Reads v7, ustar, PAX (global headers, xattrs, sparse 0.0, 0.1 and 1.0), GNU (long names, old sparse, base-256
// numbers) and star. Writes ustar, with PAX records where ustar has no room. One stream and one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/compress.h"

namespace kobuk::codec {

enum class TarType : uint8_t {
  kFile,
  kHardLink,
  kSymlink,
  kCharDevice,
  kBlockDevice,
  kDirectory,
  kFifo,
};

struct TarEntry {
  TarType type = TarType::kFile;
  std::string name;      // as it stands in the archive: not cleaned, may be absolute or hold ".."; never has a NUL
  std::string linkname;  // of kHardLink and kSymlink
  uint32_t mode = 0644;  // permission, setuid, setgid and sticky bits only
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string uname;
  std::string gname;
  uint64_t size = 0;  // of a kFile, holes included; 0 for all others
  int64_t mtime = 0;  // seconds since 1970, may be negative
  uint32_t mtime_nanos = 0;
  uint32_t devmajor = 0;
  uint32_t devminor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;  // "user.x" and its bytes, sorted by name when read
};

struct TarLimits {
  uint64_t max_entries = 10'000'000;
  uint64_t max_content = UINT64_MAX;   // bytes of all files, without holes
  size_t max_metadata = 1u << 20;      // bytes of one PAX header, long name or sparse map
  size_t max_sparse_extents = 100'000; // of one file
};

// What a TarReader calls, in this order for each entry. An error stops the reader and comes back from feed().
class TarHandler {
 public:
  virtual ~TarHandler() = default;
  virtual Result<void> begin_entry(const TarEntry& entry) = 0;
  // Content of a kFile, in ascending order of `offset`. What is never named is a hole: zeroes.
  virtual Result<void> content(uint64_t offset, std::string_view bytes) = 0;
  virtual Result<void> end_entry() = 0;
};

class TarReader {
 public:
  // The handler must outlive the reader.
  explicit TarReader(TarHandler& handler, const TarLimits& limits = {});

  // Errors: kInvalid for malformed archives, kTooLarge past a limit, and the handler's.
  Result<void> feed(std::string_view bytes);
  // The input is complete. An archive that ends behind a whole entry counts as complete, as for GNU tar.
  Result<void> finish();
  // True once the end mark was read: what follows is ignored.
  bool at_end() const { return phase_ == Phase::kEnd; }

 private:
  enum class Phase : uint8_t { kHeader, kMetadata, kSparseExtension, kSparseMap, kContent, kPadding, kEnd };
  struct Extent {
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  using Records = std::map<std::string, std::string, std::less<>>;

  Result<void> block();
  Result<void> header(std::string_view block);
  Result<void> start_metadata(char type, uint64_t size);
  Result<void> metadata_done();
  Result<void> pax_records(std::string_view text, Records& records);
  Result<void> pax_sparse_record(std::string_view key, std::string_view value);
  Result<void> start_entry(std::string_view block, char type, uint64_t size);
  Result<void> apply_records();
  Result<void> apply_record(const std::string& key, const std::string& value);
  Result<void> start_sparse(std::string_view block, char type);
  Result<void> sparse_fields(std::string_view fields, size_t count);
  Result<void> sparse_extension(std::string_view block);
  Result<void> sparse_map_block(std::string_view block);
  Result<void> begin_content();
  Result<void> pax_sparse_map(std::string_view text);
  Result<void> add_extent(std::optional<uint64_t> offset, std::optional<uint64_t> length);
  Result<void> check_extents() const;
  Result<void> content(std::string_view& bytes);
  Result<void> end_content();
  void forget_entry();

  TarHandler& handler_;
  TarLimits limits_;
  Phase phase_ = Phase::kHeader;
  bool seen_zero_block_ = false;
  std::string block_;          // bytes of an incomplete 512-byte block
  uint64_t left_ = 0;          // bytes of the metadata or content still to come
  uint64_t padding_ = 0;
  char metadata_type_ = 0;
  std::string metadata_;
  Records global_;
  Records records_;            // of the next entry
  std::optional<std::string> long_name_;
  std::optional<std::string> long_link_;
  uint64_t entries_ = 0;
  uint64_t content_ = 0;

  TarEntry entry_;
  uint64_t archived_size_ = 0;  // content bytes in the archive
  bool sparse_ = false;
  std::optional<uint64_t> real_size_;
  std::optional<uint64_t> pending_offset_;  // of sparse 0.0, waiting for its length
  std::vector<Extent> extents_;
  size_t extent_ = 0;           // that the next content byte belongs to
  uint64_t extent_done_ = 0;
};

// Writes entries to a sink. The same calls give the same bytes.
//
//   TarWriter writer(sink);
//   KOBUK_CHECK(writer.begin_entry(entry));      // entry.size is the number of content bytes that follow
//   KOBUK_CHECK(writer.content(bytes));
//   KOBUK_CHECK(writer.end_entry());
//   KOBUK_CHECK(writer.finish());                // the end mark
class TarWriter {
 public:
  explicit TarWriter(ByteSink sink) : sink_(std::move(sink)) {}

  Result<void> begin_entry(const TarEntry& entry);
  Result<void> content(std::string_view bytes);  // kInvalid when more than entry.size
  Result<void> end_entry();                      // kInvalid when less
  Result<void> add(const TarEntry& entry, std::string_view content);  // the three in one; sets the size
  Result<void> finish();

 private:
  ByteSink sink_;
  uint64_t size_ = 0;
  uint64_t left_ = 0;
};

}  // namespace kobuk::codec
