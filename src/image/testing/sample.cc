#include "image/testing/sample.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/random.h"
#include "image/manifest.h"
#include "sys/file.h"

namespace kobuk::image {

// In memory where that can be: tests sync often, and a busy disk makes that slow.
Scratch::Scratch() : path_(cat(sys::exists("/dev/shm") ? "/dev/shm" : "/tmp", "/kobuk-image-test-", random_hex(12))) {
  auto made = sys::make_directories(path_);
  if (!made) std::abort();
}
Scratch::~Scratch() { [[maybe_unused]] auto removed = sys::remove_tree(path_); }

codec::TarEntry file_entry(std::string name, uint32_t mode, uint32_t uid, uint32_t gid) {
  codec::TarEntry out;
  out.name = std::move(name);
  out.mode = mode;
  out.uid = uid;
  out.gid = gid;
  out.mtime = 1'600'000'000;
  return out;
}
codec::TarEntry folder_entry(std::string name, uint32_t mode) {
  codec::TarEntry out = file_entry(std::move(name), mode);
  out.type = codec::TarType::kDirectory;
  return out;
}
codec::TarEntry symlink_entry(std::string name, std::string target) {
  codec::TarEntry out = file_entry(std::move(name), 0777);
  out.type = codec::TarType::kSymlink;
  out.linkname = std::move(target);
  return out;
}
codec::TarEntry hard_link_entry(std::string name, std::string target) {
  codec::TarEntry out = symlink_entry(std::move(name), std::move(target));
  out.type = codec::TarType::kHardLink;
  return out;
}

std::string make_tar(const TarContent& content) {
  std::string out;
  codec::TarWriter tar([&out](std::string_view bytes) -> Result<void> {
    out += bytes;
    return {};
  });
  for (const auto& [entry, text] : content) {
    if (!tar.add(entry, text)) std::abort();
  }
  if (!tar.finish()) std::abort();
  return out;
}

SampleImage write_layout(const std::string& directory, const std::vector<std::string>& tars, codec::Compression compression,
                         const std::string& config, const std::string& name) {
  SampleImage out;
  auto blob = [&](std::string_view bytes) {
    codec::Digest digest = codec::Digest::of(bytes);
    if (!sys::make_directories(cat(directory, "/blobs/sha256")) || !sys::write_file(cat(directory, "/blobs/sha256/", digest.hex()), bytes)) std::abort();
    return digest;
  };
  std::vector<Descriptor> layers;
  std::string diff_ids;
  for (const std::string& tar : tars) {
    std::string bytes = codec::compress(compression, tar);
    layers.push_back({.media_type = layer_media_type(compression), .digest = blob(bytes), .size = static_cast<int64_t>(bytes.size())});
    out.layer_digests.push_back(layers.back().digest.text());
    out.diff_ids.push_back(codec::Digest::of(tar).text());
    cat_to(diff_ids, diff_ids.empty() ? "" : ",", '"', out.diff_ids.back(), '"');
  }
  std::string config_text = cat("{\"created\":\"2024-01-02T03:04:05Z\",\"architecture\":\"", host_platform().architecture,
                                "\",\"os\":\"linux\",\"config\":", config, ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", diff_ids, "]}}");
  Descriptor config_blob{.media_type = std::string(media::kOciConfig), .digest = blob(config_text), .size = static_cast<int64_t>(config_text.size())};
  out.config_digest = config_blob.digest.text();
  std::string manifest = write_manifest(media::kOciManifest, config_blob, layers);
  out.manifest_digest = blob(manifest).text();
  std::string index = cat("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"", media::kOciManifest, "\",\"digest\":\"", out.manifest_digest,
                          "\",\"size\":", manifest.size(), ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"", name, "\"}}]}");
  if (!sys::write_file(cat(directory, "/index.json"), index) || !sys::write_file(cat(directory, "/oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")) std::abort();
  return out;
}

std::string run(const std::string& command, int* status) {
  std::string out;
  FILE* pipe = popen(cat("( ", command, " ) 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  int ended = pclose(pipe);
  if (status != nullptr) *status = WEXITSTATUS(ended);
  return out;
}

namespace {

std::string xattrs_of(const std::string& path) {
  std::string names(4096, '\0'), out;
  ssize_t length = llistxattr(path.c_str(), names.data(), names.size());
  names.resize(length > 0 ? static_cast<size_t>(length) : 0);
  std::vector<std::string> lines;
  for (std::string_view name : split(names, '\0')) {
    if (name.empty() || name == "security.selinux") continue;
    char value[4096];
    ssize_t size = lgetxattr(path.c_str(), std::string(name).c_str(), value, sizeof value);
    lines.push_back(cat(' ', name, '=', hex(std::string_view(value, size > 0 ? static_cast<size_t>(size) : 0))));
  }
  std::sort(lines.begin(), lines.end());
  return join(lines, "");
}

void describe_into(const std::string& root, const std::string& path, std::map<ino_t, std::string>& seen, std::vector<std::string>& lines) {
  std::string full = cat(root, path);
  struct stat st{};
  if (lstat(full.c_str(), &st) != 0) return;
  char mode[8];
  snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(st.st_mode & 07777));
  std::string_view type = S_ISDIR(st.st_mode) ? "dir" : S_ISLNK(st.st_mode) ? "link" : S_ISCHR(st.st_mode) ? "char" : S_ISBLK(st.st_mode) ? "block" : S_ISFIFO(st.st_mode) ? "fifo" : "file";
  std::string line = cat(path.empty() ? "/" : path, ' ', type, ' ', mode, ' ', st.st_uid, ':', st.st_gid, " t", st.st_mtim.tv_sec);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) cat_to(line, ' ', major(st.st_rdev), ':', minor(st.st_rdev));
  if (S_ISLNK(st.st_mode)) {
    char target[4096];
    ssize_t length = readlink(full.c_str(), target, sizeof target);
    cat_to(line, " -> ", std::string_view(target, length > 0 ? static_cast<size_t>(length) : 0));
  }
  if (S_ISREG(st.st_mode)) {
    auto text = sys::read_file(full);
    cat_to(line, ' ', st.st_size, ' ', text ? codec::Digest::of(*text).short_hex() : "unreadable");
    auto [first, fresh] = seen.emplace(st.st_ino, path);
    if (!fresh) cat_to(line, " == ", first->second);
  }
  lines.push_back(line + xattrs_of(full));
  if (!S_ISDIR(st.st_mode)) return;
  auto names = sys::list_directory(full);
  for (const std::string& name : names ? *names : std::vector<std::string>()) describe_into(root, cat(path, '/', name), seen, lines);
}

}  // namespace

std::string describe_tree(const std::string& root) {
  std::map<ino_t, std::string> seen;
  std::vector<std::string> lines;
  describe_into(root, "", seen, lines);
  return join(lines, "\n");
}

}  // namespace kobuk::image
