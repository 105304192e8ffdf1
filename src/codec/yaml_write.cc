// YAML 1.1 text in the form that `kubectl get -o yaml` gives it: libyaml's emitter (which go-yaml's is a port of), with
// go-yaml v2's choice of styles and order of keys.
#include <yaml.h>

#include <charconv>
#include <cmath>
#include <list>

#include "codec/utf8.h"
#include "codec/yaml.h"
#include "codec/yaml_resolve.h"

namespace kobuk::codec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Characters above ASCII count as letters.
bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? true : static_cast<uint8_t>(c) >= 0x80; }

// go-yaml's natural order: digits by their value, other characters before letters.
bool key_less(std::string_view a, std::string_view b) {
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  if (i == a.size() || i == b.size()) return a.size() < b.size();
  auto left = static_cast<uint8_t>(a[i]), right = static_cast<uint8_t>(b[i]);
  bool left_letter = is_letter(a[i]), right_letter = is_letter(b[i]);
  if (left_letter && right_letter) return left < right;
  if (left_letter || right_letter) return right_letter;
  uint64_t left_number = 0, right_number = 0;
  if (a[i] == '0' || b[i] == '0') {  // in the middle of a number, a zero weighs
    for (size_t j = i; j-- > 0 && is_digit(a[j]);) {
      if (a[j] != '0') {
        left_number = right_number = 1;
        break;
      }
    }
  }
  size_t left_end = i, right_end = i;
  for (; left_end < a.size() && is_digit(a[left_end]); ++left_end) {
    left_number = left_number * 10 + static_cast<uint64_t>(a[left_end] - '0');
  }
  for (; right_end < b.size() && is_digit(b[right_end]); ++right_end) {
    right_number = right_number * 10 + static_cast<uint64_t>(b[right_end] - '0');
  }
  if (left_number != right_number) return left_number < right_number;
  if (left_end != right_end) return left_end < right_end;
  return left < right;
}

// Shortest form, with an exponent below 1e-4 and from 1e21 on (Go's 'g' over what JSON wrote).
std::string float_text(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? ".nan" : value > 0 ? ".inf" : "-.inf";
  char buffer[32];
  double magnitude = std::abs(value);
  bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e6);
  auto form = plain ? std::chars_format::fixed : std::chars_format::scientific;
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, form).ptr;
  return std::string(buffer, end);
}

class Emitter {
 public:
  explicit Emitter(std::string& out) {
    if (!yaml_emitter_initialize(&raw_)) std::abort();  // only without memory
    yaml_emitter_set_output(&raw_, append, &out);
    yaml_emitter_set_unicode(&raw_, 1);
  }
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;
  ~Emitter() { yaml_emitter_delete(&raw_); }

  void document(const Value& root) {
    yaml_event_t event;
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    emit(event);
    yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
    emit(event);
    value(root);
    yaml_document_end_event_initialize(&event, 1);
    emit(event);
    yaml_emitter_flush(&raw_);
  }

 private:
  static int append(void* out, unsigned char* bytes, size_t size) {
    static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(bytes), size);
    return 1;
  }

  void emit(yaml_event_t& event) {
    if (!yaml_emitter_emit(&raw_, &event)) std::abort();  // only without memory: texts are made valid before
  }

  void scalar(std::string_view text, const char* tag, yaml_scalar_style_t style) {
    if (text.empty()) text = "";  // libyaml wants a pointer
    yaml_event_t event;
    bool implicit = tag == nullptr;
    yaml_scalar_event_initialize(&event, nullptr, reinterpret_cast<const yaml_char_t*>(tag),
                                 reinterpret_cast<const yaml_char_t*>(text.data()), static_cast<int>(text.size()),
                                 implicit, implicit, style);
    emit(event);
  }

  void string(std::string_view text) {
    if (!is_utf8(text)) {
      scalar(base64(text), "tag:yaml.org,2002:binary", YAML_DOUBLE_QUOTED_SCALAR_STYLE);
      return;
    }
    bool plain = resolve_plain_scalar(text).tag == YamlTag::kString && !is_base60_number(text);
    scalar(text, nullptr,
           text.contains('\n') ? YAML_LITERAL_SCALAR_STYLE
           : plain             ? YAML_PLAIN_SCALAR_STYLE
                               : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
  }

  void value(const Value& value) {
    switch (value.kind()) {
      case Kind::kNull: return scalar("null", nullptr, YAML_PLAIN_SCALAR_STYLE);
      case Kind::kBool: return scalar(value.as_bool() ? "true" : "false", nullptr, YAML_PLAIN_SCALAR_STYLE);
      case Kind::kInt: return scalar(cat(value.as_int()), nullptr, YAML_PLAIN_SCALAR_STYLE);
      case Kind::kDouble: return scalar(float_text(value.as_double()), nullptr, YAML_PLAIN_SCALAR_STYLE);
      case Kind::kString: return string(value.as_string());
      case Kind::kArray: return array(value);
      case Kind::kObject: return object(value);
    }
  }

  void array(const Value& value) {
    yaml_event_t event;
    yaml_sequence_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_SEQUENCE_STYLE);
    emit(event);
    for (const Value& item : value.items()) this->value(item);
    yaml_sequence_end_event_initialize(&event);
    emit(event);
  }

  void object(const Value& value) {
    // A list's sort is a merge: it stays in bounds even where this natural order is not transitive.
    std::list<const Member*> order;
    for (const Member& member : value.members()) order.push_back(&member);
    order.sort([](const Member* a, const Member* b) { return key_less(a->key, b->key); });
    yaml_event_t event;
    yaml_mapping_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_MAPPING_STYLE);
    emit(event);
    for (const Member* member : order) {
      string(member->key);
      this->value(member->value);
    }
    yaml_mapping_end_event_initialize(&event);
    emit(event);
  }

  yaml_emitter_t raw_;
};

}  // namespace

std::string to_yaml(const Value& value) {
  std::string out;
  Emitter(out).document(value);
  return out;
}

}  // namespace kobuk::codec
