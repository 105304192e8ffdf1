// Command-line options of one sub-command: declared once, parsed, and printed by --help.
//
//   Options options("kobuk start", "Start a cluster");
//   options.text("profile", 'p', "NAME", "which cluster", &profile);
//   options.number("cpus", 0, "N", "cores of the node", &cpus);
//   KOBUK_TRY(std::vector<std::string> rest, options.parse(arguments));
//
// `--name value`, `--name=value`, `-n value`, `-nvalue`, `--flag`; `--` ends the options. An unknown option is an
// error that names the nearest known one. The pointers must outlive parse().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::app {

class Options {
 public:
  Options(std::string usage, std::string summary) : usage_(std::move(usage)), summary_(std::move(summary)) {}

  void flag(std::string name, char letter, std::string help, bool* to);
  void text(std::string name, char letter, std::string value_name, std::string help, std::string* to);
  void list(std::string name, char letter, std::string value_name, std::string help, std::vector<std::string>* to);
  void number(std::string name, char letter, std::string value_name, std::string help, int64_t* to);
  void example(std::string line) { examples_.push_back(std::move(line)); }
  // Stops at the first argument that is no option: for commands that hand the rest on (`kobuk docker run …`).
  void stop_at_first_argument() { stop_early_ = true; }

  // What is left after the options. kInvalid with a remedy otherwise. --help sets help_wanted().
  Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments);
  bool help_wanted() const { return help_wanted_; }
  std::string help() const;

 private:
  enum class Kind { kFlag, kText, kList, kNumber };
  struct Option {
    Kind kind;
    std::string name;
    char letter;
    std::string value_name, help;
    void* to;
  };
  const Option* find(std::string_view name) const;
  const Option* find(char letter) const;
  Error unknown(std::string_view given) const;
  Result<void> store(const Option& option, std::string_view value) const;
  // Handles arguments[i], moves i past a value that it took.
  Result<void> parse_long(const std::vector<std::string>& arguments, size_t& i);
  Result<void> parse_short(const std::vector<std::string>& arguments, size_t& i);

  std::string usage_, summary_;
  std::vector<Option> options_;
  std::vector<std::string> examples_;
  bool stop_early_ = false, help_wanted_ = false;
};

// The candidate that is at most two edits away from `given`, or empty: for "did you mean".
std::string nearest(std::string_view given, const std::vector<std::string>& candidates);

}  // namespace kobuk::app
