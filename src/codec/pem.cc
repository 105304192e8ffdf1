// PEM, RFC 7468, with the header lines of RFC 1421 skipped.
#include "codec/pem.h"

namespace kobuk::codec {
namespace {

constexpr size_t kLargestText = 1u << 20;
constexpr size_t kLineLength = 64;
constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";

// Takes the next line, without its end and trailing blanks.
std::string_view take_line(std::string_view& rest) {
  size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

// The label of a "-----BEGIN label-----" line, or empty.
std::string_view label_of(std::string_view line, std::string_view start) {
  if (!line.starts_with(start) || !line.ends_with(kDashes) || line.size() <= start.size() + kDashes.size()) return {};
  return line.substr(start.size(), line.size() - start.size() - kDashes.size());
}

Result<PemBlock> take_block(std::string_view& rest, std::string_view label) {
  std::string digits;
  while (!rest.empty()) {
    std::string_view line = take_line(rest);
    if (line.starts_with(kEnd)) {
      if (label_of(line, kEnd) != label) return fail(Code::kInvalid, "PEM: the block ", go_quote(label), " has a wrong end line");
      auto der = digits.find_first_of("-_") == std::string::npos ? unbase64(digits) : std::nullopt;
      if (!der) return fail(Code::kInvalid, "PEM: the block ", go_quote(label), " is not valid base64");
      return PemBlock{std::string(label), std::move(*der)};
    }
    if (!line.contains(':')) digits.append(line);
  }
  return fail(Code::kInvalid, "PEM: the block ", go_quote(label), " has no end line");
}

}  // namespace

Result<std::vector<PemBlock>> decode_pem(std::string_view text) {
  if (text.size() > kLargestText) return fail(Code::kTooLarge, "PEM: text of ", text.size(), " bytes, the limit is ", kLargestText);
  std::vector<PemBlock> out;
  while (!text.empty()) {
    std::string_view label = label_of(take_line(text), kBegin);
    if (label.empty()) continue;
    KOBUK_TRY(PemBlock block, take_block(text, label));
    out.push_back(std::move(block));
  }
  return out;
}

Result<std::string> decode_pem_block(std::string_view text, std::string_view label) {
  KOBUK_TRY(std::vector<PemBlock> blocks, decode_pem(text));
  for (PemBlock& block : blocks) {
    if (block.label == label) return std::move(block.der);
  }
  return fail(Code::kInvalid, "no ", label, " block in the PEM text");
}

std::string encode_pem(std::string_view label, std::string_view der) {
  std::string digits = base64(der);
  std::string out = cat(kBegin, label, kDashes, '\n');
  for (size_t i = 0; i < digits.size(); i += kLineLength) cat_to(out, std::string_view(digits).substr(i, kLineLength), '\n');
  cat_to(out, kEnd, label, kDashes, '\n');
  return out;
}

}  // namespace kobuk::codec
