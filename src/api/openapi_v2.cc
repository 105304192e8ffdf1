// OpenAPI 2.0 (https://spec.openapis.org/oas/v2.0), made of the 3.0 documents, and its protobuf form (gnostic,
// openapiv2/OpenAPIv2.proto).
#include "api/openapi_v2.h"

#include "api/openapi.h"
#include "api/version.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/protobuf.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::ProtobufWriter;
using codec::Value;

constexpr std::string_view kOldRefs = "#/components/schemas/", kRefs = "#/definitions/";
constexpr std::string_view kMethods[] = {"get", "put", "post", "delete", "patch"};

class Converter {
 public:
  void add(std::string_view document) {
    auto parsed = codec::parse_json(document, arena_);
    if (!parsed) return;
    for (const auto& member : (*parsed)["components"]["schemas"].members())
      definitions_.set(arena_, member.key, schema(member.value));
    for (const auto& member : (*parsed)["paths"].members()) paths_.set(arena_, member.key, path(member.value));
  }

  std::string text() {
    Value out = Value::object(), info = Value::object();
    set(out, "swagger", "2.0");
    set(info, "title", "Kubernetes");
    set(info, "version", kKubernetesVersion);
    out.set(arena_, "info", info);
    out.set(arena_, "paths", paths_);
    out.set(arena_, "definitions", definitions_);
    return codec::to_json(out);
  }

 private:
  void set(Value& object, std::string_view key, std::string_view text) { object.set(arena_, key, Value::string(arena_, text)); }

  Value reference(const Value& ref) {
    Value out = Value::object();
    std::string_view name = ref.as_string();
    if (name.starts_with(kOldRefs)) name.remove_prefix(kOldRefs.size());
    set(out, "$ref", cat(kRefs, name));
    return out;
  }

  Value schema(const Value& from) {
    if (const Value* ref = from.find("$ref")) return reference(*ref);
    if (const Value* all = from.find("allOf")) return schema(all->at(0));  // what stands beside a $ref does not count here
    Value out = Value::object();
    if (from.find("oneOf")) set(out, "type", "string");  // 2.0 has no alternatives: quantities, int-or-string
    for (const auto& member : from.members()) {
      if (member.key == "oneOf") continue;
      bool nested = member.key == "items" || (member.key == "additionalProperties" && member.value.is_object());
      out.set(arena_, member.key, nested ? schema(member.value) : member.key == "properties" ? properties(member.value) : member.value);
    }
    return out;
  }

  Value properties(const Value& from) {
    Value out = Value::object();
    for (const auto& member : from.members()) out.set(arena_, member.key, schema(member.value));
    return out;
  }

  // {name, in, schema: {type, uniqueItems}} has the schema's members beside its own.
  Value parameters(const Value& from) {
    Value out = Value::array();
    for (const Value& one : from.items()) {
      Value parameter = Value::object();
      for (const auto& member : one.members())
        if (member.key != "schema") parameter.set(arena_, member.key, member.value);
      for (const auto& member : one["schema"].members()) parameter.set(arena_, member.key, member.value);
      out.push(arena_, parameter);
    }
    return out;
  }

  Value media_types(const Value& content) {
    Value out = Value::array();
    for (const auto& member : content.members()) out.push(arena_, Value::string(arena_, member.key));
    return out;
  }

  static const Value& first_schema(const Value& content) { return content.members().begin()->value["schema"]; }

  Value operation(const Value& from) {
    Value out = Value::object(), all = parameters(from["parameters"]), responses = Value::object();
    for (const auto& member : from.members())
      if (member.key == "tags" || member.key == "operationId" || member.key.starts_with("x-")) out.set(arena_, member.key, member.value);
    if (const Value& content = from["requestBody"]["content"]; !content.empty()) {
      out.set(arena_, "consumes", media_types(content));
      Value body = Value::object();
      set(body, "name", "body");
      set(body, "in", "body");
      body.set(arena_, "schema", schema(first_schema(content)));
      all.push(arena_, body);
    }
    for (const auto& member : from["responses"].members()) {
      Value response = Value::object();
      set(response, "description", "OK");
      if (const Value& content = member.value["content"]; !content.empty()) {
        out.set(arena_, "produces", media_types(content));
        response.set(arena_, "schema", schema(first_schema(content)));
      }
      responses.set(arena_, member.key, response);
    }
    if (!all.empty()) out.set(arena_, "parameters", all);
    out.set(arena_, "responses", responses);
    return out;
  }

  Value path(const Value& from) {
    Value out = Value::object();
    for (auto method : kMethods)
      if (const Value* one = from.find(method)) out.set(arena_, method, operation(*one));
    out.set(arena_, "parameters", parameters(from["parameters"]));
    return out;
  }

  Arena arena_;
  Value paths_ = Value::object(), definitions_ = Value::object();
};

void put_text(ProtobufWriter& out, uint32_t number, const Value& text) {
  if (!text.as_string().empty()) out.bytes(number, text.as_string());
}
void put_texts(ProtobufWriter& out, uint32_t number, const Value& list) {
  for (const Value& one : list.items()) out.bytes(number, one.as_string());
}
// Any: its value as YAML, which JSON is.
void put_any(ProtobufWriter& out, uint32_t number, const Value& value) {
  out.message(number, [&](ProtobufWriter& any) { any.bytes(2, codec::to_json(value)); });
}
template <class Put>
void put_named(ProtobufWriter& out, uint32_t number, std::string_view name, Put put) {
  out.message(number, [&](ProtobufWriter& named) {
    named.bytes(1, name);
    named.message(2, put);
  });
}
void put_extensions(ProtobufWriter& out, uint32_t number, const Value& object) {
  for (const auto& member : object.members())
    if (member.key.starts_with("x-"))
      put_named(out, number, member.key, [&](ProtobufWriter& any) { any.bytes(2, codec::to_json(member.value)); });
}

void put_schema(ProtobufWriter& out, const Value& schema) {
  auto nested = [&](uint32_t number, const Value& of) {
    out.message(number, [&](ProtobufWriter& item) { item.message(1, [&](ProtobufWriter& inner) { put_schema(inner, of); }); });
  };
  put_text(out, 1, schema["$ref"]);
  put_text(out, 2, schema["format"]);
  if (const Value* value = schema.find("default")) put_any(out, 5, *value);
  if (const Value* most = schema.find("maximum")) out.number(7, most->as_double());
  if (const Value* least = schema.find("minimum")) out.number(9, least->as_double());
  if (const Value* most = schema.find("maxLength")) out.integer(11, most->as_int());
  put_text(out, 13, schema["pattern"]);
  put_texts(out, 19, schema["required"]);
  for (const Value& one : schema["enum"].items()) put_any(out, 20, one);
  if (const Value* values = schema.find("additionalProperties")) nested(21, *values);
  if (const Value* type = schema.find("type")) out.message(22, [&](ProtobufWriter& item) { item.bytes(1, type->as_string()); });
  if (const Value* items = schema.find("items")) nested(23, *items);
  if (const Value* properties = schema.find("properties"))
    out.message(25, [&](ProtobufWriter& list) {
      for (const auto& member : properties->members())
        put_named(list, 1, member.key, [&](ProtobufWriter& inner) { put_schema(inner, member.value); });
    });
  put_extensions(out, 31, schema);
}

// ParametersItem{Parameter{BodyParameter}} or {Parameter{NonBodyParameter{QueryParameterSubSchema or PathParameterSubSchema}}}.
void put_parameter(ProtobufWriter& out, const Value& parameter) {
  std::string_view in = parameter["in"].as_string();
  auto body = [&](ProtobufWriter& item) {
    item.bytes(2, parameter["name"].as_string());
    item.bytes(3, in);
    item.message(5, [&](ProtobufWriter& schema) { put_schema(schema, parameter["schema"]); });
  };
  bool query = in == "query";
  auto other = [&](ProtobufWriter& item) {
    if (parameter["required"].as_bool()) item.boolean(1, true);
    item.bytes(2, in);
    item.bytes(4, parameter["name"].as_string());
    item.bytes(query ? 6 : 5, parameter["type"].as_string());
    if (parameter["uniqueItems"].as_bool()) item.boolean(query ? 20 : 19, true);
  };
  out.message(1, [&](ProtobufWriter& one) {
    if (in == "body") return one.message(1, body);
    one.message(2, [&](ProtobufWriter& non_body) { non_body.message(query ? 3 : 4, other); });
  });
}

void put_response(ProtobufWriter& out, const Value& response) {
  out.message(1, [&](ProtobufWriter& one) {
    put_text(one, 1, response["description"]);
    if (const Value* schema = response.find("schema"))
      one.message(2, [&](ProtobufWriter& item) { item.message(1, [&](ProtobufWriter& inner) { put_schema(inner, *schema); }); });
  });
}

void put_operation(ProtobufWriter& out, const Value& operation) {
  put_texts(out, 1, operation["tags"]);
  put_text(out, 5, operation["operationId"]);
  put_texts(out, 6, operation["produces"]);
  put_texts(out, 7, operation["consumes"]);
  for (const Value& one : operation["parameters"].items()) out.message(8, [&](ProtobufWriter& item) { put_parameter(item, one); });
  out.message(9, [&](ProtobufWriter& responses) {
    for (const auto& member : operation["responses"].members())
      put_named(responses, 1, member.key, [&](ProtobufWriter& value) { put_response(value, member.value); });
  });
  put_extensions(out, 13, operation);
}

void put_path(ProtobufWriter& out, const Value& path) {
  constexpr uint32_t kNumbers[] = {2, 3, 4, 5, 8};  // of kMethods
  for (size_t i = 0; i < std::size(kMethods); ++i)
    if (const Value* one = path.find(kMethods[i])) out.message(kNumbers[i], [&](ProtobufWriter& inner) { put_operation(inner, *one); });
  for (const Value& one : path["parameters"].items()) out.message(9, [&](ProtobufWriter& item) { put_parameter(item, one); });
}

}  // namespace

std::string openapi_v2_document(const KindRegistry& kinds, const Served& served) {
  Converter converter;
  for (const std::string& path : openapi_paths(kinds, served))
    if (auto document = openapi_document(kinds, served, path)) converter.add(*document);
  return converter.text();
}

Result<std::string> openapi_v2_protobuf(std::string_view document) {
  KOBUK_TRY(codec::Document parsed, codec::parse_json(document));
  const Value& root = parsed.root;
  ProtobufWriter out;
  put_text(out, 1, root["swagger"]);
  out.message(2, [&](ProtobufWriter& info) {
    put_text(info, 1, root["info"]["title"]);
    put_text(info, 2, root["info"]["version"]);
  });
  out.message(8, [&](ProtobufWriter& paths) {
    for (const auto& member : root["paths"].members())
      put_named(paths, 2, member.key, [&](ProtobufWriter& path) { put_path(path, member.value); });
  });
  out.message(9, [&](ProtobufWriter& definitions) {
    for (const auto& member : root["definitions"].members())
      put_named(definitions, 1, member.key, [&](ProtobufWriter& schema) { put_schema(schema, member.value); });
  });
  return out.take();
}

}  // namespace kobuk::api
