#include "image/file_source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.h"

namespace kobuk::image {
namespace {

constexpr uint64_t kPiece = 256 << 10;

Result<std::string> read_piece(int fd, uint64_t offset, size_t length) {
  std::string out(length, '\0');
  while (true) {
    ssize_t got = pread(fd, out.data(), length, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read a blob");
    if (got == 0) return fail(Code::kDataLoss, "a blob is shorter than it was");
    out.resize(static_cast<size_t>(got));
    return out;
  }
}

class FileSource final : public io::http::BodySource {
 public:
  FileSource(io::Loop& loop, sys::UniqueFd fd, uint64_t offset, uint64_t length)
      : loop_(loop), fd_(std::make_shared<sys::UniqueFd>(std::move(fd))), offset_(offset), left_(length) {}

  io::Task<Result<std::string>> next() override {
    if (left_ == 0) co_return std::string();
    auto read = [fd = fd_, offset = offset_, length = static_cast<size_t>(std::min(left_, kPiece))] { return read_piece(fd->get(), offset, length); };
    auto piece = co_await loop_.offload("read blob", read);
    if (piece) offset_ += piece->size(), left_ -= piece->size();
    co_return piece;
  }

 private:
  io::Loop& loop_;
  std::shared_ptr<sys::UniqueFd> fd_;  // the pool may still read when the body is given up
  uint64_t offset_, left_;
};

}  // namespace

Result<std::unique_ptr<io::http::BodySource>> open_file_source(io::Loop& loop, const std::string& path, uint64_t offset, uint64_t length) {
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(path, O_RDONLY));
  return std::make_unique<FileSource>(loop, std::move(fd), offset, length);
}

}  // namespace kobuk::image
