// meta.k8s.io/v1 Table and PartialObjectMetadata (KEP "Server-side printing"), and the ages that they show.
#include "api/table.h"

#include "api/table_cells.h"
#include "base/strings.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

constexpr Column kNameAndAge[] = {{"Name", "string", "name", 0, ""}, {"Age", "string", "", 0, ""}};

std::span<const Column> columns_of(const KindInfo& kind) {
  return kind.columns.empty() ? std::span<const Column>(kNameAndAge) : kind.columns;
}

Value column_definitions(const KindInfo& kind, Arena& arena) {
  Value out = Value::array();
  for (const Column& column : columns_of(kind)) {
    Value definition = Value::object();
    definition.add_unchecked(arena, "name", Value::string_view(column.name));
    definition.add_unchecked(arena, "type", Value::string_view(column.type));
    definition.add_unchecked(arena, "format", Value::string_view(column.format));
    definition.add_unchecked(arena, "description", Value::string_view(""));
    definition.add_unchecked(arena, "priority", Value::integer(column.priority));
    out.push(arena, definition);
  }
  return out;
}

}  // namespace

Value partial_metadata(const Value& object, Arena& arena) {
  Value out = Value::object();
  out.add_unchecked(arena, "kind", Value::string_view("PartialObjectMetadata"));
  out.add_unchecked(arena, "apiVersion", Value::string_view("meta.k8s.io/v1"));
  out.add_unchecked(arena, "metadata", object["metadata"]);
  return out;
}

Value make_table(const Value& list_metadata, std::span<const Value> objects, const KindInfo& kind, const TableOptions& options,
                 Arena& arena) {
  Value metadata = Value::object();
  for (auto name : {"resourceVersion", "continue", "remainingItemCount"})
    if (const Value* value = list_metadata.find(name)) metadata.add_unchecked(arena, name, *value);
  Value rows = Value::array();
  for (const Value& object : objects) {
    Value row = Value::object();
    row.add_unchecked(arena, "cells", table_cells(object, kind, options.now, arena));
    if (options.include == TableInclude::kMetadata) row.add_unchecked(arena, "object", partial_metadata(object, arena));
    if (options.include == TableInclude::kObject) row.add_unchecked(arena, "object", object);
    rows.push(arena, row);
  }
  Value table = Value::object();
  table.add_unchecked(arena, "kind", Value::string_view("Table"));
  table.add_unchecked(arena, "apiVersion", Value::string_view("meta.k8s.io/v1"));
  table.add_unchecked(arena, "metadata", metadata);
  table.add_unchecked(arena, "columnDefinitions", options.columns ? column_definitions(kind, arena) : Value::array());
  table.add_unchecked(arena, "rows", rows);
  return table;
}

std::string human_duration(Duration elapsed) {
  using std::chrono::duration_cast;
  int64_t seconds = duration_cast<std::chrono::seconds>(elapsed).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return cat(seconds, "s");
  // Two units while the larger one is small, then one.
  auto two = [](int64_t large, std::string_view large_unit, int64_t small, std::string_view small_unit) {
    return small == 0 ? cat(large, large_unit) : cat(large, large_unit, small, small_unit);
  };
  int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return cat(minutes, "m");
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return cat(hours, "h");
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 365 * 2) return cat(days, "d");
  if (days < 365 * 8) return two(days / 365, "y", days % 365, "d");
  return cat(days / 365, "y");
}

std::string age_since(const Value& time, WallTime now) {
  auto when = parse_rfc3339(time.as_string());
  return when ? human_duration(now - *when) : "<unknown>";
}

}  // namespace kobuk::api
