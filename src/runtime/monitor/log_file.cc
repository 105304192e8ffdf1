// json-file, as Docker writes it (moby daemon/logger/jsonfilelog):
// {"log":"text\n","stream":"stdout","time":"…Z"}, a line that was split lacks the line feed but in its last
// part. CRI, as the kubelet reads it (kubernetes/design-proposals, kubelet-cri-logging): "<time> <stream>
// <P|F> <text>".
#include "runtime/monitor/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sys/file.h"

namespace kobuk::runtime {
namespace {

std::string_view stream_name(LogStream stream) { return stream == LogStream::kStdout ? "stdout" : "stderr"; }

// The length of the well-formed UTF-8 sequence at the front (RFC 3629); 0 when there is none.
size_t utf8_length(std::string_view s) {
  auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    bool narrow = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f);
    return tail(1) && tail(2) && !narrow ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    bool narrow = (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
    return tail(1) && tail(2) && tail(3) && !narrow ? 4 : 0;
  }
  return 0;
}

void append_unicode(std::string& out, unsigned char c) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u00";
  out += kHex[c >> 4];
  out += kHex[c & 15];
}

// Go's encoding/json, with its escapes for HTML and for JavaScript's line separators.
void append_json(std::string& out, std::string_view text) {
  size_t plain = 0;  // start of the run that is copied as it is
  for (size_t i = 0; i < text.size();) {
    auto c = static_cast<unsigned char>(text[i]);
    bool special = c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&';
    if (c < 0x80 && !special) {
      ++i;
      continue;
    }
    size_t length = special ? 1 : utf8_length(text.substr(i));
    std::string_view piece = text.substr(i, length);
    bool separator = piece == "\xe2\x80\xa8" || piece == "\xe2\x80\xa9";
    if (!special && length > 0 && !separator) {
      i += length;
      continue;
    }
    out.append(text, plain, i - plain);
    if (separator) {
      out += piece[2] == '\xa8' ? "\\u2028" : "\\u2029";
    } else if (length == 0) {
      out += "\\ufffd";
      length = 1;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else {
      append_unicode(out, c);
    }
    i += length;
    plain = i;
  }
  out.append(text, plain);
}

std::string cri_time(WallTime now) {
  std::string time = format_rfc3339_nano(now);
  size_t digits = time.find('.') == time.npos ? 0 : time.size() - 2 - time.find('.');
  time.pop_back();
  if (digits == 0) time += '.';
  return time.append(9 - digits, '0') += 'Z';
}

}  // namespace

Result<void> LogFile::open() {
  if (config_.format == LogFormat::kNone) return {};
  KOBUK_TRY(file_, sys::open_file(config_.path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0640));
  struct stat st {};
  if (fstat(file_.get(), &st) != 0) return fail_errno(errno, cat("stat ", config_.path));
  size_ = static_cast<uint64_t>(st.st_size);
  return {};
}

Result<void> LogFile::reopen() {
  file_.reset();
  return open();
}

Result<void> LogFile::rotate() {
  if (config_.max_files <= 1) {
    // Only one file is kept: it starts again, as Docker's does.
    if (ftruncate(file_.get(), 0) != 0) return fail_errno(errno, cat("truncate ", config_.path));
    size_ = 0;
    return {};
  }
  for (uint32_t i = config_.max_files - 1; i > 0; --i) {
    std::string older = cat(config_.path, '.', i);
    std::string newer = i == 1 ? config_.path : cat(config_.path, '.', i - 1);
    if (::rename(newer.c_str(), older.c_str()) != 0 && errno != ENOENT)
      return fail_errno(errno, cat("rotate ", newer));
  }
  return reopen();
}

Result<void> LogFile::flush() {
  if (out_.empty()) return {};
  auto written = file_ ? sys::write_all(file_.get(), out_, config_.path) : open();
  size_ += out_.size();
  out_.clear();
  return written;
}

void LogFile::take_line(LogStream stream, std::string_view line, bool complete, std::string_view time) {
  size_t before = out_.size();
  if (config_.format == LogFormat::kCri) {
    cat_to(out_, time, ' ', stream_name(stream), complete ? " F " : " P ", line, '\n');
  } else {
    out_ += "{\"log\":\"";
    append_json(out_, line);
    cat_to(out_, complete ? "\\n" : "", "\",\"stream\":\"", stream_name(stream), "\",\"time\":\"", time,
           "\"}\n");
  }
  if (config_.max_bytes == 0 || size_ + out_.size() <= config_.max_bytes || size_ + before == 0) return;
  // The line goes to a new file, what was before it to the old one.
  std::string last = out_.substr(before);
  out_.resize(before);
  (void)flush();
  (void)rotate();
  out_ = std::move(last);
}

Result<void> LogFile::write(LogStream stream, std::string_view bytes, WallTime now) {
  if (config_.format == LogFormat::kNone) return {};
  std::string time = config_.format == LogFormat::kCri ? cri_time(now) : format_rfc3339_nano(now);
  std::string& partial = partial_[static_cast<size_t>(stream)];
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    size_t room = kMaxLine - partial.size();
    bool complete = end != bytes.npos && end <= room;
    if (!complete && bytes.size() < room) {
      partial.append(bytes);
      break;
    }
    std::string_view piece = bytes.substr(0, complete ? end : room);
    if (partial.empty()) {
      take_line(stream, piece, complete, time);
    } else {
      partial.append(piece);
      take_line(stream, partial, complete, time);
      partial.clear();
    }
    bytes.remove_prefix(piece.size() + (complete ? 1 : 0));
  }
  return flush();
}

Result<void> LogFile::finish(WallTime now) {
  if (config_.format == LogFormat::kNone) return {};
  bool cri = config_.format == LogFormat::kCri;
  std::string time = cri ? cri_time(now) : format_rfc3339_nano(now);
  for (LogStream stream : {LogStream::kStdout, LogStream::kStderr}) {
    std::string& partial = partial_[static_cast<size_t>(stream)];
    // json-file shows by the missing line feed that there was none; the CRI form has no way to, and ends with
    // F.
    if (!partial.empty()) take_line(stream, partial, cri, time);
    partial.clear();
  }
  return flush();
}

}  // namespace kobuk::runtime
