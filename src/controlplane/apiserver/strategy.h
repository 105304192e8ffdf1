// Strategy: what a schema can't say about a kind. The only code of the server that knows single kinds.
//
// Values are changed in place, in `arena`. Order of a write: defaults, ownership of fields, prepare_*, validation,
// claim, the transaction.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/field_error.h"
#include "codec/value.h"
#include "controlplane/apiserver/status.h"
#include "io/task.h"
#include "store/store.h"

namespace kobuk::controlplane::apiserver {

struct Core;

// What goes into the store in the same transaction as the object, and on what conditions.
struct Claims {
  std::vector<store::Compare> compares;
  std::vector<store::Operation> operations;
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual void prepare_create(codec::Value& object, codec::Arena& arena) const;
  // `subresource`: "", "status", "scale", "finalize", …
  virtual void prepare_update(codec::Value& object, const codec::Value& old, std::string_view subresource, codec::Arena& arena) const;
  // What the kind's validation in the room api does not know.
  virtual void validate_update(const codec::Value& object, const codec::Value& old, std::string_view subresource,
                               api::FieldErrors& errors) const;
  // Does the change count as a new generation? Kinds without generations: never.
  virtual bool has_generation() const { return false; }
  virtual bool new_generation(const codec::Value& object, const codec::Value& old) const;
  virtual bool keeps_status_on_create() const { return false; }
  virtual bool returns_deleted() const { return false; }
  virtual bool update_creates() const { return false; }  // PUT of what is not there creates it
  // 403 for what may never be deleted.
  virtual Answer<void> check_delete(const codec::Value& object) const;
  // How long a deletion waits for somebody to confirm it (by deleting with 0), in seconds; 0: not at all.
  virtual int64_t grace_seconds(const codec::Value& object, std::optional<int64_t> asked) const;
  // Beside metadata.finalizers: what keeps a deleted object.
  virtual bool held(const codec::Value& object) const;
  virtual void mark_deleted(codec::Value& object, codec::Arena& arena) const;
  // Takes what must be unique (addresses, ports) and gives back what is no longer used. `object` null: it goes; `old`
  // null: it is new. May change `object`. Called again when the transaction found that somebody else was faster.
  virtual io::Task<Answer<Claims>> claim(Core& core, codec::Value& object, const codec::Value& old, codec::Arena& arena) const;
  // Seconds after which the object goes by itself; 0: never.
  virtual int64_t time_to_live() const { return 0; }
};

const Strategy& strategy_of(std::string_view group, std::string_view kind);

}  // namespace kobuk::controlplane::apiserver
