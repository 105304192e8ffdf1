// The layout of blobs/ is that of the OCI image layout (image-layout.md).
#include "image/blobs.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

constexpr uint64_t kKeepFree = 64ull << 20;
constexpr int64_t kFreeCheckStep = 16ll << 20;

Result<void> sync_directory(const std::string& path) {
  KOBUK_TRY(sys::UniqueFd folder, sys::open_file(path, O_RDONLY | O_DIRECTORY));
  if (fsync(folder.get()) != 0) return fail_errno(errno, cat("fsync ", path));
  return {};
}

std::string folder_of(const std::string& directory, codec::HashAlgorithm algorithm) {
  return cat(directory, "/blobs/", codec::hash_name(algorithm));
}

}  // namespace

Result<std::shared_ptr<Blobs>> Blobs::open(std::string directory) {
  std::shared_ptr<Blobs> blobs(new Blobs(std::move(directory)));
  KOBUK_CHECK(sys::make_directories(blobs->directory_, 0711));
  KOBUK_TRY(blobs->lock_, sys::open_file(cat(blobs->directory_, "/lock"), O_RDWR | O_CREAT, 0600));
  if (flock(blobs->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::kFailedPrecondition, blobs->directory_, " is in use by another process");
  }
  const std::string ingest = cat(blobs->directory_, "/ingest");
  KOBUK_CHECK(sys::make_directories(cat(blobs->directory_, "/trash"), 0700));
  KOBUK_CHECK(sys::make_directories(ingest, 0700));
  KOBUK_TRY(auto unfinished, sys::list_directory(ingest));  // what an ended process was writing
  for (const std::string& name : unfinished) KOBUK_CHECK(blobs->discard_path(cat(ingest, '/', name)));
  for (auto algorithm : {codec::HashAlgorithm::kSha256, codec::HashAlgorithm::kSha512}) {
    KOBUK_CHECK(sys::make_directories(folder_of(blobs->directory_, algorithm), 0700));
  }
  return blobs;
}

std::string Blobs::path(const codec::Digest& digest) const {
  return cat(folder_of(directory_, digest.algorithm()), '/', digest.hex());
}

bool Blobs::has(const codec::Digest& digest) const { return !digest.empty() && sys::exists(path(digest)); }

Result<int64_t> Blobs::size(const codec::Digest& digest) const {
  struct stat st{};
  if (stat(path(digest).c_str(), &st) != 0) return fail_errno(errno, cat("blob ", digest.text()));
  return st.st_size;
}

Result<std::string> Blobs::read(const codec::Digest& digest, size_t max) const {
  KOBUK_TRY(std::string bytes, sys::read_file(path(digest), max));
  if (codec::Digest::of(bytes, digest.algorithm()) != digest) {
    return fail(Code::kDataLoss, "blob ", digest.text(), ": its stored bytes have another digest");
  }
  return bytes;
}

Result<codec::Digest> Blobs::write(std::string_view bytes) const {
  codec::Digest digest = codec::Digest::of(bytes);
  KOBUK_CHECK(write(bytes, digest));
  return digest;
}

Result<void> Blobs::write(std::string_view bytes, const codec::Digest& expected) const {
  if (has(expected)) return {};
  KOBUK_TRY(Writer out, writer(expected.algorithm()));
  KOBUK_CHECK(out.append(bytes));
  KOBUK_CHECK(out.commit(expected));
  return {};
}

Result<void> Blobs::discard(const codec::Digest& digest) const { return discard_path(path(digest)); }

Result<void> Blobs::write_file(const std::string& path, std::string_view bytes) const {
  std::string made = temporary("file");
  {
    KOBUK_TRY(sys::UniqueFd fd, sys::open_file(made, O_WRONLY | O_CREAT | O_EXCL, 0600));
    KOBUK_CHECK(sys::write_all(fd.get(), bytes, made));
    if (fsync(fd.get()) != 0) return fail_errno(errno, cat("fsync ", made));
  }
  if (rename(made.c_str(), path.c_str()) != 0) return fail_errno(errno, cat("rename to ", path));
  return sync_directory(path.substr(0, path.rfind('/')));
}

Result<void> Blobs::discard_path(const std::string& path) const {
  std::string to = cat(directory_, "/trash/", random_hex(16));
  if (rename(path.c_str(), to.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, cat("discard ", path));
  return {};
}

Result<void> Blobs::empty_trash() const {
  std::string trash = cat(directory_, "/trash");
  KOBUK_TRY(auto names, sys::list_directory(trash));
  for (const std::string& name : names) KOBUK_CHECK(sys::remove_tree(cat(trash, '/', name)));
  return {};
}

Result<void> Blobs::sync_all() const {
  KOBUK_TRY(sys::UniqueFd folder, sys::open_file(directory_, O_RDONLY | O_DIRECTORY));
  if (syncfs(folder.get()) != 0) return fail_errno(errno, cat("sync ", directory_));
  return {};
}

Result<std::vector<codec::Digest>> Blobs::list() const {
  std::vector<codec::Digest> out;
  for (auto algorithm : {codec::HashAlgorithm::kSha256, codec::HashAlgorithm::kSha512}) {
    KOBUK_TRY(auto names, sys::list_directory(folder_of(directory_, algorithm)));
    for (const std::string& name : names) {
      auto digest = codec::Digest::parse(cat(codec::hash_name(algorithm), ':', name));
      if (digest) out.push_back(*std::move(digest));
    }
  }
  return out;
}

std::string Blobs::temporary(std::string_view prefix) const { return cat(directory_, "/ingest/", prefix, '-', random_hex(16)); }

Result<Blobs::Writer> Blobs::writer(codec::HashAlgorithm algorithm) const {
  Writer out;
  out.blobs_ = this;
  out.path_ = temporary("blob");
  out.hasher_ = codec::Hasher(algorithm);
  KOBUK_TRY(out.fd_, sys::open_file(out.path_, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return out;
}

Blobs::Writer::~Writer() {
  if (fd_) unlink(path_.c_str());
}

// A disk is never filled to its last byte by what somebody else sends.
static Result<void> check_free(int fd) {
  struct statvfs fs{};
  if (fstatvfs(fd, &fs) != 0) return fail_errno(errno, "statvfs");
  uint64_t free = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  if (free >= kKeepFree) return {};
  return fail(Code::kResourceExhausted, "no space left on device: ", free, " bytes are free, and ", kKeepFree, " are kept so");
}

Result<void> Blobs::Writer::append(std::string_view bytes) {
  if (size_ >= next_check_) {
    KOBUK_CHECK(check_free(fd_.get()));
    next_check_ = size_ + kFreeCheckStep;
  }
  KOBUK_CHECK(sys::write_all(fd_.get(), bytes, path_));
  hasher_.update(bytes);
  size_ += static_cast<int64_t>(bytes.size());
  return {};
}

Result<codec::Digest> Blobs::Writer::commit(const codec::Digest& expected) {
  codec::Digest digest = hasher_.finish();
  if (!expected.empty() && digest != expected) {
    return fail(Code::kDataLoss, "filesystem layer verification failed for digest ", expected.text(), ": the bytes have ", digest.text());
  }
  if (fsync(fd_.get()) != 0) return fail_errno(errno, cat("fsync ", path_));
  std::string to = blobs_->path(digest);
  if (rename(path_.c_str(), to.c_str()) != 0) return fail_errno(errno, cat("rename to ", to));
  fd_.reset();
  KOBUK_CHECK(sync_directory(folder_of(blobs_->directory_, digest.algorithm())));
  return digest;
}

}  // namespace kobuk::image
