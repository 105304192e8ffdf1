// File trees as tar streams and back: docker cp, docker export, and copies between trees. Every look-up stays below the
// folder it starts from, whatever symlinks the tree holds. Blocking; one thread at a time.
//
//   KOBUK_TRY(auto tar, TarOfTree::open(root_fd, "etc/nginx"));       // entries "nginx", "nginx/nginx.conf", …
//   while (true) { KOBUK_TRY(std::string piece, tar->next()); if (piece.empty()) break; … }
//
//   TreeOfTar sink(folder_fd, {});
//   for (each piece) KOBUK_CHECK(sink.feed(piece));
//   KOBUK_CHECK(sink.finish());
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "codec/tar.h"
#include "sys/fd.h"

namespace kobuk::engine {

class TarOfTree {
 public:
  // `path` below root, "" for all of it: entries are then named "a", "b/c". A file gives one entry.
  // name: what the first component is called; empty: the last of `path`.
  static Result<std::unique_ptr<TarOfTree>> open(int root, const std::string& path, std::string name = {});
  ~TarOfTree();
  Result<std::string> next();  // about 256 KiB; empty at the end

 private:
  struct Folder;
  TarOfTree();
  Result<void> step();
  Result<void> add(int folder, const std::string& name, const std::string& as);
  Result<void> pour();
  std::string out_;
  codec::TarWriter writer_;
  std::vector<std::unique_ptr<Folder>> folders_;
  sys::UniqueFd file_;       // whose content is being written
  uint64_t left_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, std::string> links_;  // device and inode of files with several names
  bool ended_ = false;
};

struct ExtractOptions {
  // Who gets what is extracted; nothing: as in the archive.
  std::optional<std::pair<uint32_t, uint32_t>> owner;
  bool no_overwrite_dir_non_dir = false;  // a folder may not take a file's place, nor the other way round
};

class TreeOfTar final : public codec::TarHandler {
 public:
  TreeOfTar(int folder, ExtractOptions options);
  Result<void> feed(std::string_view bytes);  // compressed or not
  Result<void> finish();

 private:
  Result<void> begin_entry(const codec::TarEntry& entry) override;
  Result<void> content(uint64_t offset, std::string_view bytes) override;
  Result<void> end_entry() override;
  Result<void> make(const codec::TarEntry& entry);
  Result<void> make_room(int parent, const std::string& name, bool folder);
  Result<void> set_attributes(int parent, const std::string& name, const codec::TarEntry& entry);

  int root_;
  ExtractOptions options_;
  std::unique_ptr<codec::Decompressor> decompressor_;
  codec::TarReader reader_;
  codec::TarEntry entry_;
  sys::UniqueFd parent_, file_;
  std::string name_;
};

// Everything in the folder `from`, with owners, modes, times and extended attributes, into the folder `to`, which gets
// from's own attributes too.
Result<void> copy_tree(int from, int to);

// What X-Docker-Container-Path-Stat says, before base64.
struct PathStat {
  std::string name;
  int64_t size = 0;
  uint32_t mode = 0;  // as Go's os.FileMode
  WallTime mtime{};
  std::string link_target;
  bool directory = false;
};
// The last component itself, not what it links to. kNotFound.
Result<PathStat> stat_below(int root, const std::string& path);
std::string path_stat_json(const PathStat& stat);

}  // namespace kobuk::engine
