// Reads the schema format described in schemas/README.md.
#include <array>
#include <cctype>

#include "base/strings.h"
#include "gen/model.h"

namespace kobuk::gen {
namespace {

constexpr std::array kBuiltins = {"string", "bool",      "int32",         "int64", "double", "bytes",
                                  "quantity", "int-or-string", "time", "microtime", "json",  "fields"};

bool is_builtin(std::string_view name) {
  for (std::string_view b : kBuiltins)
    if (b == name) return true;
  return false;
}

std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> out;
  for (auto piece : split(line, ' '))
    if (!piece.empty()) out.emplace_back(piece);
  return out;
}

std::vector<std::string> list_of(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (auto piece : split(text, separator)) out.emplace_back(piece == "\"\"" ? std::string_view() : piece);
  return out;
}

class Parser {
 public:
  Parser(const std::string& path, Model& model) : path_(path), model_(model) {
    auto start = path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1;
    package_.file = path.substr(start, path.rfind('.') - start);
  }

  Result<void> parse(std::string_view text) {
    for (auto line : split(text, '\n')) {
      ++line_;
      if (auto hash = line.find('#'); hash != line.npos) line = line.substr(0, hash);
      auto w = words(line);
      if (!w.empty()) KOBUK_CHECK(statement(w, line.front() == ' '));
    }
    model_.packages.push_back(package_);
    return {};
  }

 private:
  std::unexpected<Error> bad(std::string_view what) { return fail(Code::kInvalid, path_, ":", line_, ": ", what); }

  Result<void> statement(const std::vector<std::string>& w, bool indented) {
    if (indented) return in_type_ ? field(w) : kind_line(w);
    if (w.size() < 2) return bad("a statement needs a name");
    if (w[0] == "package") package_.name = w[1];
    else if (w[0] == "group") package_.group = w[1] == "-" ? "" : w[1];
    else if (w[0] == "version") package_.version = w[1];
    else if (w[0] == "openapi") package_.openapi = w[1];
    else if (w[0] == "type") return type(w);
    else if (w[0] == "kind") return kind(w);
    else return bad("expected package, group, version, openapi, type or kind");
    return {};
  }

  Result<void> type(const std::vector<std::string>& w) {
    in_type_ = true;
    TypeDef& t = model_.types.emplace_back();
    t.package = package_.name;
    t.name = w[1];
    for (size_t i = 2; i < w.size(); ++i) {
      if (w[i] == "object") t.has_type_meta = true;
      else if (w[i] == "atomic") t.atomic = true;
      else return bad("unknown word after the type's name");
    }
    return {};
  }

  Result<void> kind(const std::vector<std::string>& w) {
    in_type_ = false;
    KindDef& k = model_.kinds.emplace_back();
    k.package = package_.name;
    k.name = w[1];
    k.api_version = package_.group.empty() ? package_.version : cat(package_.group, "/", package_.version);
    for (size_t i = 2; i < w.size(); ++i) {
      auto eq = w[i].find('=');
      std::string key = w[i].substr(0, eq), value = eq == std::string::npos ? "" : w[i].substr(eq + 1);
      if (key == "plural") k.plural = value;
      else if (key == "singular") k.singular = value;
      else if (key == "list") k.list = value;
      else if (key == "scope") k.scope = value;
      else if (key == "short") k.short_names = list_of(value, ',');
      else if (key == "categories") k.categories = list_of(value, ',');
      else if (key == "apiVersion") k.api_version = value;
      else if (key == "common") k.common = true;
      else return bad(cat("unknown attribute of a kind: ", key));
    }
    return {};
  }

  Result<void> kind_line(const std::vector<std::string>& w) {
    if (model_.kinds.empty()) return bad("a line of a kind before the first kind");
    KindDef& k = model_.kinds.back();
    if (w[0] == "verbs") k.verbs.assign(w.begin() + 1, w.end());
    else if (w[0] == "select") k.select.assign(w.begin() + 1, w.end());
    else if (w[0] == "sub" && w.size() > 1) {
      SubresourceDef& s = k.subresources.emplace_back();
      s.name = w[1];
      for (size_t i = 2; i < w.size(); ++i) {
        if (!w[i].starts_with("kind=")) {
          s.verbs.push_back(w[i]);
          continue;
        }
        auto dot = w[i].rfind('.');
        if (dot == std::string::npos) return bad("kind= needs group/version.Kind");
        s.group_version = w[i].substr(5, dot - 5);
        s.kind = w[i].substr(dot + 1);
      }
    } else if (w[0] == "column" && w.size() > 2) {
      ColumnDef& c = k.columns.emplace_back();
      c.name = w[1];
      for (char& ch : c.name)
        if (ch == '_') ch = ' ';
      c.type = w[2];
      for (size_t i = 3; i < w.size(); ++i) (w[i] == "wide" ? (void)(c.wide = true) : (void)(c.format = w[i]));
    } else {
      return bad("expected verbs, sub, select or column");
    }
    return {};
  }

  Result<void> number(std::string_view text, FieldDef& f) {
    if (text == "-") return {};
    auto dot = text.find('.');
    auto outer = parse_int(text.substr(0, dot));
    auto inner = dot == text.npos ? std::optional<int64_t>(0) : parse_int(text.substr(dot + 1));
    if (!outer || !inner) return bad("a field starts with its number");
    f.number = static_cast<int>(*outer);
    f.inner = static_cast<int>(*inner);
    return {};
  }

  Result<void> type_ref(std::string text, FieldDef& f) {
    if (text.ends_with('?')) f.presence = true, text.pop_back();
    else if (text.ends_with('!')) f.always = true, text.pop_back();
    if (text.starts_with("[]")) f.type.shape = TypeRef::Shape::kList, text.erase(0, 2);
    else if (text.starts_with("map<") && text.ends_with('>'))
      f.type.shape = TypeRef::Shape::kMap, text = text.substr(4, text.size() - 5);
    f.type.is_struct = !is_builtin(text);
    f.type.base = f.type.is_struct && text.find('.') == std::string::npos ? cat(package_.name, ".", text) : text;
    return {};
  }

  Result<void> field(const std::vector<std::string>& w) {
    if (w.size() < 3) return bad("a field is: number name type");
    FieldDef f;
    KOBUK_CHECK(number(w[0], f));
    f.name = w[1];
    KOBUK_CHECK(type_ref(w[2], f));
    for (size_t i = 3; i < w.size(); ++i) {
      auto eq = w[i].find('=');
      std::string key = w[i].substr(0, eq), value = eq == std::string::npos ? "" : w[i].substr(eq + 1);
      if (key == "required") f.required = true;
      else if (key == "default") f.has_default = true, f.default_text = value;
      else if (key == "list") f.list_type = value;
      else if (key == "key") f.keys = list_of(value, ',');
      else if (key == "map") f.map_type = value;
      else if (key == "patch") f.patch = value;
      else if (key == "patchKey") f.patch_key = value;
      else if (key == "enum") f.enums = list_of(value, '|');
      else if (key == "pattern") f.pattern = value;
      else if (key == "format") f.format = value;
      else if (key == "min" || key == "max" || key == "minLength" || key == "maxLength" || key == "maxItems")
        f.bounds[key] = value;
      else return bad(cat("unknown attribute of a field: ", key));
    }
    model_.types.back().fields.push_back(std::move(f));
    return {};
  }

  std::string path_;
  Model& model_;
  Package package_;
  int line_ = 0;
  bool in_type_ = false;
};

constexpr std::string_view kReserved[] = {
    "alignas", "alignof", "and",     "asm",      "auto",      "bool",     "break",   "case",     "catch",   "char",
    "class",   "concept", "const",   "continue", "decltype",  "default",  "delete",  "do",       "double",  "else",
    "enum",    "explicit", "export", "extern",   "false",     "float",    "for",     "friend",   "goto",    "if",
    "inline",  "int",     "linux",   "long",     "mutable",   "namespace", "new",    "not",      "operator", "or",
    "private", "protected", "public", "register", "requires", "return",   "short",   "signed",   "sizeof",  "static",
    "struct",  "switch",  "template", "this",    "throw",     "true",     "try",     "typedef",  "typeid",  "typename",
    "union",   "unix",    "unsigned", "using",   "virtual",   "void",     "volatile", "while",   "xor"};

}  // namespace

const Package& Model::package(const std::string& name) const {
  for (const Package& p : packages)
    if (p.name == name) return p;
  return packages.front();
}

const TypeDef* Model::find_type(const std::string& qualified) const {
  for (const TypeDef& t : types)
    if (qualified.size() == t.package.size() + 1 + t.name.size() && qualified.starts_with(t.package) &&
        qualified.ends_with(t.name) && qualified[t.package.size()] == '.')
      return &t;
  return nullptr;
}

Result<void> parse_schema(const std::string& path, std::string_view text, Model& model) {
  return Parser(path, model).parse(text);
}

Result<void> check_references(const Model& model) {
  for (const TypeDef& t : model.types)
    for (const FieldDef& f : t.fields)
      if (f.type.is_struct && !model.find_type(f.type.base))
        return fail(Code::kInvalid, t.package, ".", t.name, ".", f.name, ": no type ", f.type.base);
      else if (f.type.is_struct && f.type.shape == TypeRef::Shape::kMap)
        return fail(Code::kInvalid, t.package, ".", t.name, ".", f.name, ": maps hold scalars or json, not objects");
  for (const KindDef& k : model.kinds) {
    if (!model.find_type(cat(k.package, ".", k.name))) return fail(Code::kInvalid, "kind ", k.name, " has no type");
    if (!k.list.empty() && !model.find_type(cat(k.package, ".", k.list)))
      return fail(Code::kInvalid, "kind ", k.name, ": no type ", k.list);
  }
  return {};
}

std::string member_name(std::string_view json_name) {
  std::string out;
  auto upper = [&](size_t i) { return i < json_name.size() && std::isupper(static_cast<unsigned char>(json_name[i])); };
  auto lower = [&](size_t i) { return i < json_name.size() && std::islower(static_cast<unsigned char>(json_name[i])); };
  for (size_t i = 0; i < json_name.size(); ++i) {
    // A word starts where a capital follows a small letter, or where a run of capitals ends ("httpGet", "DNSPolicy"),
    // but not at the plural of an abbreviation ("clusterIPs").
    bool plural = i + 1 < json_name.size() && json_name[i + 1] == 's' && !lower(i + 2);
    if (i > 0 && upper(i) && (!upper(i - 1) || (lower(i + 1) && !plural))) out += '_';
    char c = json_name[i];
    out += c == '-' || c == '.' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  for (auto reserved : kReserved)
    if (out == reserved) return out + "_";
  return out;
}

}  // namespace kobuk::gen
