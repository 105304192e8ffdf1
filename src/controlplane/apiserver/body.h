// Request bodies: JSON, YAML or protobuf into objects of a kind, with the field validation that the client asks for.
#pragma once

#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

enum class FieldValidation : uint8_t { kIgnore, kWarn, kStrict };
Answer<FieldValidation> field_validation(const Call& call);
// dryRun and fieldManager of any write.
Answer<void> check_write_options(const Call& call);

// The whole body; 413 past kMaxBodyBytes, 504 when it takes more than a minute.
io::Task<Answer<std::string>> read_body(Core& core, Call& call);

// An object of `kind`: types checked, unknown members refused, warned of, or dropped. apiVersion and kind are set.
Answer<codec::Document> decode_object(Call& call, std::string_view body, const api::KindInfo& kind);

// What normalize() reports, as the client wants it: warnings, or one text. `duplicates`: paths.
std::string strict_errors(Call& call, FieldValidation validation, const std::vector<std::string>& unknown,
                          const std::vector<std::string>& duplicates);

// DeleteOptions, from the body or from the query; a null value when there are none.
Answer<codec::Document> decode_delete_options(Call& call, std::string_view body);

}  // namespace kobuk::controlplane::apiserver
