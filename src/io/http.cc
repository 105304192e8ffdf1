// HTTP semantics shared by every version: RFC 9110; query strings: the URL standard, x-www-form-urlencoded.
#include "io/http.h"

#include <algorithm>

namespace kobuk::io::http {

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equals_ignore_case(key, name)) return value;
  }
  return {};
}
bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const auto& f) { return equals_ignore_case(f.first, name); });
}
std::vector<std::string_view> Headers::get_all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : fields_) {
    if (equals_ignore_case(key, name)) out.push_back(value);
  }
  return out;
}
void Headers::set(std::string_view name, std::string_view value) {
  erase(name);
  add(name, value);
}
void Headers::add(std::string_view name, std::string_view value) {
  std::string clean(value);
  // A value made from somebody's input must not start a header of its own.
  for (char& c : clean) {
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  }
  fields_.emplace_back(name, std::move(clean));
}
void Headers::erase(std::string_view name) {
  std::erase_if(fields_, [&](const auto& f) { return equals_ignore_case(f.first, name); });
}

void Body::add(SharedBytes piece) {
  if (!piece->empty()) pieces_.push_back(std::move(piece));
}
size_t Body::size() const {
  size_t total = 0;
  for (const SharedBytes& piece : pieces_) total += piece->size();
  return total;
}
std::optional<uint64_t> Body::length() const { return source_ ? length_ : size(); }
Task<Result<std::string>> Body::next() {
  if (next_piece_ < pieces_.size()) co_return std::string(*pieces_[next_piece_++]);
  if (!source_) co_return std::string();
  auto piece = co_await source_->next();
  co_return piece;
}
Task<Result<std::string>> Body::read_all(size_t max) {
  std::string all;
  while (true) {
    KOBUK_CO_TRY(std::string piece, co_await next());
    if (piece.empty()) co_return all;
    if (piece.size() > max - all.size()) co_return fail(Code::kTooLarge, "the body is larger than ", max, " bytes");
    all += piece;
  }
}

std::string_view Request::path() const { return std::string_view(target).substr(0, target.find('?')); }
std::string_view Request::query() const {
  size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

Response text_response(int status, std::string body, std::string_view content_type) {
  Response out;
  out.status = status;
  out.headers.set("Content-Type", content_type);
  out.body = Body(std::move(body));
  return out;
}
Response json_response(int status, std::string body) { return text_response(status, std::move(body), "application/json"); }

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      auto byte = unhex(text.substr(i + 1, 2));
      if (!byte) return std::nullopt;
      out += *byte;
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
                 c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      cat_to(out, '%', hex(std::string_view(&c, 1)));
    }
  }
  return out;
}

Result<Query> parse_query(std::string_view query) {
  Query out;
  for (std::string_view part : split(query, '&')) {
    if (part.empty()) continue;
    if (out.size() >= 1000) return fail(Code::kTooLarge, "the query has more than 1,000 parameters");
    size_t equals = part.find('=');
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1), true);
    if (!name || !value) return fail(Code::kInvalid, "the query holds a '%' that no two hexadecimal digits follow");
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}
std::string_view query_value(const Query& query, std::string_view name) {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}
bool query_has(const Query& query, std::string_view name) {
  return std::any_of(query.begin(), query.end(), [&](const auto& parameter) { return parameter.first == name; });
}

}  // namespace kobuk::io::http
