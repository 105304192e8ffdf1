// What the files in schemas/ say (format: schemas/README.md), read into memory for the writers of this generator.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::gen {

struct TypeRef {
  enum class Shape { kPlain, kList, kMap } shape = Shape::kPlain;
  std::string base;  // a built-in name ("string"), or a qualified type ("core.v1.PodSpec")
  bool is_struct = false;
};

struct FieldDef {
  int number = 0, inner = 0;
  std::string name;  // in JSON
  TypeRef type;
  bool presence = false, always = false, required = false;
  bool has_default = false;
  std::string default_text;
  std::string list_type, map_type, patch, patch_key, pattern, format;
  std::vector<std::string> keys, enums;
  std::map<std::string, std::string> bounds;  // min, max, minLength, maxLength, maxItems
};

struct TypeDef {
  std::string package, name;
  bool has_type_meta = false, atomic = false;
  std::vector<FieldDef> fields;
};

struct SubresourceDef {
  std::string name, group_version, kind;
  std::vector<std::string> verbs;
};

struct ColumnDef {
  std::string name, type, format;
  bool wide = false;
};

struct KindDef {
  std::string package, name, api_version, plural, singular, list, scope;
  std::vector<std::string> short_names, categories, verbs, select;
  std::vector<SubresourceDef> subresources;
  std::vector<ColumnDef> columns;
  bool common = false;
};

struct Package {
  std::string name, group, version, openapi;  // name "apps.v1"
  std::string file;                           // "apps_v1"
};

struct Model {
  std::vector<Package> packages;
  std::vector<TypeDef> types;
  std::vector<KindDef> kinds;

  const Package& package(const std::string& name) const;
  const TypeDef* find_type(const std::string& qualified) const;  // "apps.v1.DeploymentSpec"
};

// Adds a file; its name without folder and ending becomes Package::file. Errors: kInvalid "file:line: …".
Result<void> parse_schema(const std::string& path, std::string_view text, Model& model);
// After all files: every reference names a type, every kind has one.
Result<void> check_references(const Model& model);

// "podIP" -> "pod_ip", "clusterIPs" -> "cluster_ips", "namespace" -> "namespace_".
std::string member_name(std::string_view json_name);

// A text of a file below the output folder.
struct Output {
  std::string path, text;
};
std::vector<Output> write_structs(const Model& model);  // api/types/*.h, *.cc and api/types.h
std::vector<Output> write_schemas(const Model& model);  // api/builtin_schemas.cc

}  // namespace kobuk::gen
