// The text of `kubectl describe`, and the parts of it that single kinds add.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/value.h"

namespace kobuk::app::kubectl {

// Titled lines whose values stand in one column, sections that are indented, and tables.
class Description {
 public:
  // An empty title continues the line above.
  void line(std::string_view title, std::string_view value);
  void section(std::string_view title);  // what follows is indented
  void end_section();
  void table_row(std::vector<std::string> cells) { table_.push_back(std::move(cells)); }
  void end_table();
  void yaml(std::string_view title, const codec::Value& value);
  void text(std::string_view text);
  std::string take();

 private:
  struct Line {
    size_t depth;
    std::string title, value;
  };
  void flush();
  std::string out_;
  std::vector<Line> lines_;  // not written yet: their column is not known
  std::vector<std::vector<std::string>> table_;
  size_t depth_ = 0;
};

void describe_pod_head(const codec::Value& pod, Description& out);
void describe_pod(const codec::Value& pod, Description& out);
void describe_workload(std::string_view kind, const codec::Value& object, Description& out);
void describe_service(const codec::Value& service, Description& out);
void describe_node(const codec::Value& node, Description& out);

}  // namespace kobuk::app::kubectl
