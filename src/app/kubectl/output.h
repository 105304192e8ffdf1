// What `kubectl get` prints: server-side tables, YAML, JSON, names, JSONPath.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/kubectl/session.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::app::kubectl {

// A meta.k8s.io/v1 Table as aligned columns. wide: columns of lower priority too. with_space: a NAMESPACE column in
// front, from the rows' metadata. prefix: before each name ("pod/"). headers: the first line.
struct TableStyle {
  bool wide = false, with_space = false, headers = true, show_labels = false;
  std::string prefix;
};
std::string format_table(const codec::Value& table, const TableStyle& style);

// kubectl's JSONPath templates: text with {.a.b}, {.items[*].metadata.name}, {.a[0]}, {"\n"}, {range .items[*]}…{end},
// {.metadata.labels.app\.kubernetes\.io/name}. kInvalid for what is none.
Result<std::string> format_jsonpath(std::string_view text, const codec::Value& root);

}  // namespace kobuk::app::kubectl
