// JSON written as it goes, commas included: what answers are made of.
//
//   JsonText out;
//   out.open_object().field("Id", id).key("Ports").open_array().close_array().close_object();
//   return std::move(out).take();
#pragma once

#include <concepts>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::engine {

class JsonText {
 public:
  JsonText& open_object() { return open('{'); }
  JsonText& close_object() { return close('}'); }
  JsonText& open_array() { return open('['); }
  JsonText& close_array() { return close(']'); }
  JsonText& key(std::string_view name) {
    comma();
    codec::append_json_string(text_, name);
    text_.push_back(':');
    after_value_ = false;
    return *this;
  }
  JsonText& value(std::string_view text) {
    comma();
    codec::append_json_string(text_, text);
    return *this;
  }
  JsonText& value(const char* text) { return value(std::string_view(text)); }
  JsonText& value(const std::string& text) { return value(std::string_view(text)); }
  template <class T>
    requires std::integral<T> || std::floating_point<T>
  JsonText& value(T number) {
    return raw(cat(number));
  }
  JsonText& value(const std::vector<std::string>& items) {
    open_array();
    for (const std::string& item : items) value(item);
    return close_array();
  }
  JsonText& value(const std::map<std::string, std::string>& map) {
    open_object();
    for (const auto& [name, text] : map) field(name, text);
    return close_object();
  }
  JsonText& value(const codec::Value& json) { return raw(codec::to_json(json)); }
  JsonText& null() { return raw("null"); }
  JsonText& raw(std::string_view json) {
    comma();
    text_ += json;
    return *this;
  }
  template <class T>
  JsonText& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  JsonText& null_field(std::string_view name) { return key(name).null(); }
  std::string take() && { return std::move(text_); }

 private:
  JsonText& open(char bracket) {
    comma();
    text_.push_back(bracket);
    after_value_ = false;
    return *this;
  }
  JsonText& close(char bracket) {
    text_.push_back(bracket);
    after_value_ = true;
    return *this;
  }
  void comma() {
    if (after_value_) text_.push_back(',');
    after_value_ = true;
  }
  std::string text_;
  bool after_value_ = false;
};

}  // namespace kobuk::engine
