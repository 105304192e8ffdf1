// Deployments and ReplicaSets. Rules: Kubernetes apps/v1.
#include "api/selector.h"
#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kAlways[] = {"Always"};
constexpr std::string_view kStrategies[] = {"Recreate", "RollingUpdate"};

// The selector, and a template that it selects and whose pods run until they are deleted.
void selector_and_template(const Path& spec_path, const Value& spec, FieldErrors& errors) {
  Path selector_path = spec_path.child("selector"), template_path = spec_path.child("template");
  const Value& selector = spec["selector"];
  if (selector.is_null()) {
    errors.required(selector_path);
  } else {
    label_selector(selector_path, selector, errors);
    if (selector["matchLabels"].empty() && selector["matchExpressions"].empty())
      errors.invalid(selector_path, selector, "empty selector is invalid for deployment");
  }
  auto parsed = LabelSelector::from_value(selector);
  if (!parsed) return errors.invalid(selector_path, selector, "invalid label selector");
  const Value& pod_labels = spec["template"]["metadata"]["labels"];
  Path meta = template_path.child("metadata");
  if (!selector.is_null() && !parsed->everything() && !parsed->matches(pod_labels)) {
    Value shown = pod_labels.is_null() ? Value::object() : pod_labels;
    errors.invalid(meta.child("labels"), shown, "`selector` does not match template `labels`");
  }
  pod_template(template_path, spec["template"], errors);
  Path pod = template_path.child("spec");
  const Value& policy = spec["template"]["spec"]["restartPolicy"];
  if (std::string_view text = policy.as_string("Always"); text != "Always" && !text.empty())
    errors.not_supported(pod.child("restartPolicy"), text, kAlways);
  if (!spec["template"]["spec"]["activeDeadlineSeconds"].is_null())
    errors.forbidden(pod.child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicaSet is not Supported");
}

// A number, or a percentage; -1 when it is neither.
int64_t int_or_percent(const Path& path, const Value& value, bool capped, FieldErrors& errors) {
  if (value.is_int()) {
    not_negative(path, value, errors);
    return value.as_int();
  }
  std::string_view text = value.as_string();
  auto number = text.ends_with('%') ? parse_uint(text.substr(0, text.size() - 1)) : std::nullopt;
  if (!number) {
    errors.invalid(path, text,
                   "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used "
                   "for validation is '[0-9]+%')");
    return -1;
  }
  if (capped && *number > 100) errors.invalid(path, text, "must not be greater than 100%");
  return static_cast<int64_t>(*number);
}

void strategy(const Path& path, const Value& strategy, FieldErrors& errors) {
  std::string_view type = strategy["type"].as_string();
  const Value& rolling = strategy["rollingUpdate"];
  Path rolling_path = path.child("rollingUpdate");
  if (type == "Recreate") {
    if (!rolling.is_null()) errors.forbidden(rolling_path, "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (type != "RollingUpdate") return choice(path, strategy["type"], kStrategies, errors);
  if (rolling.is_null()) return errors.required(rolling_path, "this should be defaulted and never be nil");
  int64_t unavailable = int_or_percent(rolling_path.child("maxUnavailable"), rolling["maxUnavailable"], true, errors);
  int64_t surge = int_or_percent(rolling_path.child("maxSurge"), rolling["maxSurge"], false, errors);
  if (unavailable == 0 && surge == 0)
    errors.invalid(rolling_path.child("maxUnavailable"), rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0");
}

}  // namespace

void deployment(const Value& object, FieldErrors& errors) {
  Path path("spec");
  const Value& spec = object["spec"];
  not_negative(path.child("replicas"), spec["replicas"], errors);
  selector_and_template(path, spec, errors);
  strategy(path.child("strategy"), spec["strategy"], errors);
  for (auto name : {"minReadySeconds", "revisionHistoryLimit"}) not_negative(path.child(name), spec[name], errors);
  if (const Value& deadline = spec["progressDeadlineSeconds"]; !deadline.is_null()) {
    not_negative(path.child("progressDeadlineSeconds"), deadline, errors);
    if (deadline.as_int() <= spec["minReadySeconds"].as_int())
      errors.invalid(path.child("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds");
  }
}

void deployment_update(const Value& object, const Value& old, FieldErrors& errors) {
  Path path("spec");
  immutable(path.child("selector"), object["spec"]["selector"], old["spec"]["selector"], errors);
}

void replica_set(const Value& object, FieldErrors& errors) {
  Path path("spec");
  const Value& spec = object["spec"];
  for (auto name : {"replicas", "minReadySeconds"}) not_negative(path.child(name), spec[name], errors);
  selector_and_template(path, spec, errors);
}

void replica_set_update(const Value& object, const Value& old, FieldErrors& errors) {
  deployment_update(object, old, errors);
}

}  // namespace kobuk::api::validation
