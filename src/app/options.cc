#include "app/options.h"

#include <algorithm>
#include <numeric>

namespace kobuk::app {
namespace {

// Insertions, deletions, replacements, and swaps of two neighbours, each counted once (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view given, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = 3;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(given, candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

void Options::flag(std::string name, char letter, std::string help, bool* to) {
  options_.push_back({Kind::kFlag, std::move(name), letter, "", std::move(help), to});
}
void Options::text(std::string name, char letter, std::string value_name, std::string help, std::string* to) {
  options_.push_back({Kind::kText, std::move(name), letter, std::move(value_name), std::move(help), to});
}
void Options::list(std::string name, char letter, std::string value_name, std::string help,
                   std::vector<std::string>* to) {
  options_.push_back({Kind::kList, std::move(name), letter, std::move(value_name), std::move(help), to});
}
void Options::number(std::string name, char letter, std::string value_name, std::string help, int64_t* to) {
  options_.push_back({Kind::kNumber, std::move(name), letter, std::move(value_name), std::move(help), to});
}

const Options::Option* Options::find(std::string_view name) const {
  auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.name == name; });
  return found == options_.end() ? nullptr : &*found;
}
const Options::Option* Options::find(char letter) const {
  auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.letter == letter; });
  return found == options_.end() ? nullptr : &*found;
}

Error Options::unknown(std::string_view given) const {
  std::vector<std::string> names;
  for (const Option& option : options_) names.push_back(option.name);
  std::string close = given.starts_with("--") ? nearest(given.substr(2), names) : "";
  std::string hint = close.empty() ? ". " : cat(", did you mean --", close, "? ");
  return Error(Code::kInvalid, cat("unknown option ", given, hint, "See '", usage_, " --help'"));
}

Result<void> Options::store(const Option& option, std::string_view value) const {
  switch (option.kind) {
    case Kind::kFlag: {
      if (value != "true" && value != "false") {
        return fail(Code::kInvalid, "--", option.name, " takes true or false, not ", go_quote(value));
      }
      *static_cast<bool*>(option.to) = value == "true";
      return {};
    }
    case Kind::kText: *static_cast<std::string*>(option.to) = value; return {};
    case Kind::kList: static_cast<std::vector<std::string>*>(option.to)->emplace_back(value); return {};
    case Kind::kNumber: {
      auto number = parse_int(value);
      if (!number) return fail(Code::kInvalid, "--", option.name, " takes a whole number, not ", go_quote(value));
      *static_cast<int64_t*>(option.to) = *number;
      return {};
    }
  }
  return {};
}

Result<void> Options::parse_long(const std::vector<std::string>& arguments, size_t& i) {
  std::string_view argument = std::string_view(arguments[i]).substr(2);
  size_t equals = argument.find('=');
  std::string_view name = argument.substr(0, equals);
  if (name == "help") {
    help_wanted_ = true;
    return {};
  }
  const Option* option = find(name);
  if (option == nullptr) return fail(unknown(cat("--", name)));
  if (equals != std::string_view::npos) return store(*option, argument.substr(equals + 1));
  if (option->kind == Kind::kFlag) return store(*option, "true");
  if (i + 1 == arguments.size()) return fail(Code::kInvalid, "--", name, " needs a value: --", name, " ", option->value_name);
  return store(*option, arguments[++i]);
}

Result<void> Options::parse_short(const std::vector<std::string>& arguments, size_t& i) {
  std::string_view letters = std::string_view(arguments[i]).substr(1);
  for (size_t at = 0; at < letters.size(); ++at) {
    const Option* option = find(letters[at]);
    if (option == nullptr && letters[at] == 'h') {
      help_wanted_ = true;
      continue;
    }
    if (option == nullptr) return fail(unknown(cat('-', letters[at])));
    if (option->kind == Kind::kFlag) {
      KOBUK_CHECK(store(*option, "true"));
      continue;
    }
    std::string_view value = letters.substr(at + 1);
    if (!value.empty()) return store(*option, value.starts_with('=') ? value.substr(1) : value);
    if (i + 1 == arguments.size()) return fail(Code::kInvalid, "-", letters[at], " needs a value: ", option->value_name);
    return store(*option, arguments[++i]);
  }
  return {};
}

Result<std::vector<std::string>> Options::parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> rest;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    bool option = argument.size() > 1 && argument[0] == '-' && (stop_early_ ? rest.empty() : true);
    if (argument == "--" && option) {
      rest.insert(rest.end(), arguments.begin() + static_cast<ptrdiff_t>(i) + 1, arguments.end());
      return rest;
    }
    if (!option) {
      rest.emplace_back(argument);
    } else if (argument.starts_with("--")) {
      KOBUK_CHECK(parse_long(arguments, i));
    } else {
      KOBUK_CHECK(parse_short(arguments, i));
    }
  }
  return rest;
}

std::string Options::help() const {
  std::string out = cat(summary_, "\n\nUsage:\n  ", usage_, options_.empty() ? "" : " [options]", "\n");
  if (!options_.empty()) out += "\nOptions:\n";
  size_t width = 0;
  std::vector<std::string> left;
  for (const Option& option : options_) {
    std::string text = option.letter != 0 ? cat("-", option.letter, ", --", option.name) : cat("    --", option.name);
    if (!option.value_name.empty()) cat_to(text, ' ', option.value_name);
    width = std::max(width, text.size());
    left.push_back(std::move(text));
  }
  for (size_t i = 0; i < options_.size(); ++i) {
    cat_to(out, "  ", left[i], std::string(width - left[i].size() + 3, ' '), options_[i].help, '\n');
  }
  if (!examples_.empty()) out += "\nExamples:\n";
  for (const std::string& example : examples_) cat_to(out, "  ", example, '\n');
  return out;
}

}  // namespace kobuk::app
