// Writes the C++ structs (headers, light), and one .cc a package with their field tables and how they are copied.
#include <algorithm>
#include <functional>
#include <set>

#include "base/strings.h"
#include "gen/model.h"

namespace kobuk::gen {
namespace {

using Shape = TypeRef::Shape;

std::string cpp_namespace(const std::string& package) {  // "apps.v1" -> "apps::v1"
  std::string out;
  for (char c : package) c == '.' ? out += "::" : out += c;
  return out;
}

std::string cpp_type_name(const std::string& qualified, const std::string& package) {
  if (qualified.starts_with(package + ".")) return qualified.substr(package.size() + 1);
  return cat("api::", cpp_namespace(qualified));
}

std::string scalar_type(const std::string& base) {
  if (base == "bool") return "bool";
  if (base == "int32") return "int32_t";
  if (base == "int64") return "int64_t";
  if (base == "double") return "double";
  if (base == "int-or-string") return "IntOrString";
  return "std::string";
}

bool is_text(const std::string& base) { return scalar_type(base) == "std::string"; }

std::string cpp_type(const FieldDef& f, const std::string& package) {
  std::string element = f.type.is_struct ? cpp_type_name(f.type.base, package) : scalar_type(f.type.base);
  switch (f.type.shape) {
    case Shape::kList: return cat("std::vector<", element, ">");
    case Shape::kMap: return cat("std::map<std::string, ", element, ">");
    case Shape::kPlain: break;
  }
  if (f.type.is_struct) return f.presence ? cat("Opt<", element, ">") : element;
  return f.presence && !is_text(f.type.base) ? cat("std::optional<", element, ">") : element;
}

std::string storage(const FieldDef& f) {
  const std::string& b = f.type.base;
  bool json = b == "json" || b == "fields";
  if (f.type.shape == Shape::kMap) return b == "bytes" ? "kBytesMap" : json ? "kJsonMap" : "kStringMap";
  if (f.type.shape == Shape::kList) {
    if (f.type.is_struct) return "kStructList";
    return json ? "kJsonList" : b == "int32" ? "kInt32List" : b == "int64" ? "kInt64List" : "kStringList";
  }
  if (f.type.is_struct) return f.presence ? "kOptStruct" : "kStruct";
  std::string opt = f.presence ? "kOpt" : "k";
  if (b == "bool") return opt + "Bool";
  if (b == "int32") return opt + "Int32";
  if (b == "int64") return opt + "Int64";
  if (b == "double") return opt + "Double";
  if (b == "int-or-string") return opt + "IntOrString";
  return json ? "kJson" : b == "bytes" ? "kBytes" : "kString";
}

const KindDef* kind_of(const Model& model, const TypeDef& t) {
  for (const KindDef& k : model.kinds)
    if (k.package == t.package && k.name == t.name) return &k;
  return nullptr;
}

std::string api_version_of(const Model& model, const TypeDef& t) {
  if (const KindDef* k = kind_of(model, t)) return k->api_version;
  const Package& p = model.package(t.package);
  return p.group.empty() ? p.version : cat(p.group, "/", p.version);
}

// A struct that holds others is copied, moved and ended by functions of its package's .cc: inline they would be compiled
// again in every file that touches a pod. The others stay aggregates.
bool holds_structs(const TypeDef& t) {
  return std::ranges::any_of(t.fields, [](const FieldDef& f) { return f.type.is_struct; });
}

void write_struct(std::string& out, const Model& model, const TypeDef& t) {
  cat_to(out, "struct ", t.name, " {\n");
  if (t.has_type_meta)
    cat_to(out, "  static constexpr std::string_view kApiVersion = \"", api_version_of(model, t), "\", kKind = \"", t.name,
           "\";\n");
  if (const KindDef* k = kind_of(model, t); k && !k->plural.empty()) {
    const Package& p = model.package(t.package);
    cat_to(out, "  static constexpr std::string_view kGroup = \"", p.group, "\", kVersion = \"", p.version, "\", kPlural = \"",
           k->plural, "\";\n  static constexpr bool kNamespaced = ", k->scope == "Namespaced", ";\n");
    if (!k->list.empty()) cat_to(out, "  using List = ", k->list, ";\n");
  }
  for (const FieldDef& f : t.fields) {
    std::string type = cpp_type(f, t.package);
    bool number = type == "bool" || type == "int32_t" || type == "int64_t" || type == "double";
    cat_to(out, "  ", type, " ", member_name(f.name), type == "bool" ? " = false" : number ? " = 0" : "", ";\n");
  }
  if (holds_structs(t)) {
    const std::string& n = t.name;
    cat_to(out, "  ", n, "();\n  ~", n, "();\n  ", n, "(const ", n, "&);\n  ", n, "(", n, "&&) noexcept;\n  ", n, "& operator=(const ", n,
           "&);\n  ", n, "& operator=(", n, "&&) noexcept;\n");
  }
  cat_to(out, "  static const StructTable kTable;\n};\n");
}

void write_special_members(std::string& out, const TypeDef& t) {
  const std::string &n = t.name, scope = cat(n, "::", n);
  cat_to(out, scope, "() = default;\n", n, "::~", n, "() = default;\n", scope, "(const ", n, "&) = default;\n", scope, "(", n,
         "&&) noexcept = default;\n", n, "& ", n, "::operator=(const ", n, "&) = default;\n", n, "& ", n, "::operator=(", n,
         "&&) noexcept = default;\n");
}

// Types in an order in which each stands after those it contains by value; Opt and kind lists need a declaration only.
std::vector<const TypeDef*> by_dependency(const Model& model, const std::string& package) {
  std::vector<const TypeDef*> out;
  std::set<const TypeDef*> seen;
  std::function<void(const TypeDef&)> visit = [&](const TypeDef& t) {
    if (t.package != package || !seen.insert(&t).second) return;
    for (const FieldDef& f : t.fields)
      if (f.type.is_struct && !(f.presence && f.type.shape == Shape::kPlain)) visit(*model.find_type(f.type.base));
    out.push_back(&t);
  };
  for (const TypeDef& t : model.types) visit(t);
  return out;
}

std::set<std::string> used_packages(const Model& model, const std::string& package) {
  std::set<std::string> out;
  for (const TypeDef& t : model.types)
    if (t.package == package)
      for (const FieldDef& f : t.fields)
        if (f.type.is_struct) out.insert(f.type.base.substr(0, f.type.base.rfind('.')));
  out.erase(package);
  return out;
}

std::string header(const Model& model, const Package& p) {
  std::string out = cat("// Generated by tools/gen from schemas/", p.file, ".schema.\n#pragma once\n\n#include <cstdint>\n"
                        "#include <map>\n#include <optional>\n#include <string>\n#include <string_view>\n#include <vector>\n\n"
                        "#include \"api/int_or_string.h\"\n#include \"api/opt.h\"\n");
  for (const auto& used : used_packages(model, p.name)) cat_to(out, "#include \"api/types/", model.package(used).file, ".h\"\n");
  cat_to(out, "\nnamespace kobuk::api {\nstruct StructTable;\n}\n\nnamespace kobuk::api::", cpp_namespace(p.name), " {\n\n");
  auto types = by_dependency(model, p.name);
  for (const TypeDef* t : types) cat_to(out, "struct ", t->name, ";\n");
  for (const TypeDef* t : types) {
    out += '\n';
    write_struct(out, model, *t);
  }
  cat_to(out, "\n}  // namespace kobuk::api::", cpp_namespace(p.name), "\n");
  return out;
}

void write_table(std::string& out, const Model& model, const TypeDef& t) {
  std::string type = cat(cpp_namespace(t.package), "::", t.name);
  std::string fields = cat("k", t.name, "Fields");
  if (!t.fields.empty()) {
    cat_to(out, "constexpr StructField ", fields, "[] = {\n");
    for (const FieldDef& f : t.fields) {
      std::string element = f.type.is_struct ? cpp_namespace(f.type.base) : "";
      std::string access = !f.type.is_struct ? "{nullptr}"
                           : f.type.shape == Shape::kList ? cat("{.list = &kListAccess<", element, ">}")
                           : f.presence                   ? cat("{.opt = &kOptAccess<", element, ">}")
                                                          : "{nullptr}";
      cat_to(out, "    {\"", f.name, "\", offsetof(", type, ", ", member_name(f.name), "), Storage::", storage(f), ", ", f.always,
             ", ", f.type.is_struct ? cat("&", element, "::kTable") : "nullptr", ", ", access, "},\n");
    }
    out += "};\n";
  }
  cat_to(out, "}  // namespace\nconst StructTable ", type, "::kTable = {\"", t.name, "\", \"",
         t.has_type_meta ? api_version_of(model, t) : "", "\", \"", t.has_type_meta ? t.name : "", "\", {",
         t.fields.empty() ? "" : fields, "}};\nnamespace {\n");
}

std::string tables(const Model& model, const Package& p) {
  std::string out = cat("// Generated by tools/gen from schemas/", p.file, ".schema.\n#include \"api/types/", p.file,
                        ".h\"\n\n#include <cstddef>\n\n#include \"api/struct_access.h\"\n\n"
                        "#pragma clang diagnostic ignored \"-Winvalid-offsetof\"\n"
                        "#pragma clang diagnostic ignored \"-Wunused-const-variable\"\n\nnamespace kobuk::api {\nnamespace {\n");
  for (const TypeDef& t : model.types)
    if (t.package == p.name) write_table(out, model, t);
  cat_to(out, "}  // namespace\n\nnamespace ", cpp_namespace(p.name), " {\n");
  for (const TypeDef& t : model.types)
    if (t.package == p.name && holds_structs(t)) write_special_members(out, t);
  return cat(out, "}  // namespace ", cpp_namespace(p.name), "\n}  // namespace kobuk::api\n");
}

}  // namespace

std::vector<Output> write_structs(const Model& model) {
  std::vector<Output> out;
  std::string all = "// Generated by tools/gen: every struct of the built-in kinds.\n#pragma once\n\n";
  for (const Package& p : model.packages) {
    out.push_back({cat("api/types/", p.file, ".h"), header(model, p)});
    out.push_back({cat("api/types/", p.file, ".cc"), tables(model, p)});
    cat_to(all, "#include \"api/types/", p.file, ".h\"\n");
  }
  out.push_back({"api/types.h", all});
  return out;
}

}  // namespace kobuk::gen
