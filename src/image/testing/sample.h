// What image tests are made of: a scratch folder, tars and OCI layouts by hand, commands, and trees as text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/tar.h"

namespace kobuk::image {

// A fresh folder in memory, or below /tmp, removed with the object.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return cat(path_, '/', name); }

 private:
  std::string path_;
};

codec::TarEntry file_entry(std::string name, uint32_t mode = 0644, uint32_t uid = 0, uint32_t gid = 0);
codec::TarEntry folder_entry(std::string name, uint32_t mode = 0755);
codec::TarEntry symlink_entry(std::string name, std::string target);
codec::TarEntry hard_link_entry(std::string name, std::string target);
using TarContent = std::vector<std::pair<codec::TarEntry, std::string>>;
std::string make_tar(const TarContent& content);

struct SampleImage {
  std::string manifest_digest, config_digest;
  std::vector<std::string> layer_digests, diff_ids;
};
// An OCI layout in `directory` of the layers (tars, base first), compressed as named; `config`: the "config" member.
SampleImage write_layout(const std::string& directory, const std::vector<std::string>& tars, codec::Compression compression,
                         const std::string& config = "{\"Cmd\":[\"/bin/true\"]}", const std::string& name = "latest");

// Runs by the shell; output and error together. status: of the shell, when wanted.
std::string run(const std::string& command, int* status = nullptr);
// Every file below `root`, one a line, sorted: path, type, mode, owner, size, time, xattrs, link target, hard links, digest.
std::string describe_tree(const std::string& root);

}  // namespace kobuk::image
