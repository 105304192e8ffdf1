#include "app/columns.h"
#include "app/kubectl/output.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

std::string cell_text(const codec::Value& cell) {
  if (cell.is_null()) return "<none>";
  return cell.is_string() ? std::string(cell.as_string()) : codec::to_json(cell);
}

std::string labels_text(const codec::Value& labels) {
  std::vector<std::string> parts;
  for (const codec::Member& label : labels.members()) parts.push_back(cat(label.key, "=", label.value.as_string()));
  return parts.empty() ? "<none>" : join(parts, ",");
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

}  // namespace

std::string format_table(const codec::Value& table, const TableStyle& style) {
  std::vector<size_t> shown;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> head;
  if (style.with_space) head.emplace_back("NAMESPACE");
  const codec::Value& columns = table["columnDefinitions"];
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!style.wide && columns.at(i)["priority"].as_int() > 0) continue;
    shown.push_back(i);
    head.push_back(upper(columns.at(i)["name"].as_string()));
  }
  if (style.show_labels) head.emplace_back("LABELS");
  if (style.headers && !shown.empty()) rows.push_back(std::move(head));
  for (const codec::Value& row : table["rows"].items()) {
    const codec::Value& metadata = row["object"]["metadata"];
    std::vector<std::string> cells;
    if (style.with_space) cells.emplace_back(metadata["namespace"].as_string());
    for (size_t i : shown) cells.push_back(i == 0 ? style.prefix + cell_text(row["cells"].at(i)) : cell_text(row["cells"].at(i)));
    if (style.show_labels) cells.push_back(labels_text(metadata["labels"]));
    rows.push_back(std::move(cells));
  }
  return align_columns(rows);
}

}  // namespace kobuk::app::kubectl
