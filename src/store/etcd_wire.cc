// The etcd v3 API: api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto of the etcd project.
#include "store/etcd_wire.h"

#include "codec/protobuf.h"

namespace kobuk::store::etcd {
namespace {

using codec::each_field;
using codec::ProtobufField;
using codec::ProtobufWriter;

const std::string kEverything(1, '\0');

void write_range(ProtobufWriter& out, const KeySpace& keys, const KeyRange& range) {
  KeyRange outer = keys.outer(range);
  out.bytes(1, outer.key);
  if (!outer.end.empty()) out.bytes(2, outer.end);
}

void write_compare(ProtobufWriter& out, const KeySpace& keys, const Compare& compare) {
  int64_t result = 0;
  switch (compare.op) {
    case Compare::Op::kEqual: result = 0; break;
    case Compare::Op::kGreater: result = 1; break;
    case Compare::Op::kLess: result = 2; break;
    case Compare::Op::kNotEqual: result = 3; break;
  }
  out.integer(1, result);
  out.bytes(3, keys.outer_key(compare.key));
  switch (compare.target) {
    case Compare::Target::kVersion:
      out.integer(2, 0);
      out.integer(4, compare.number);
      break;
    case Compare::Target::kCreateRevision:
      out.integer(2, 1);
      out.integer(5, compare.number);
      break;
    case Compare::Target::kModRevision:
      out.integer(2, 2);
      out.integer(6, compare.number);
      break;
    case Compare::Target::kValue:
      out.integer(2, 3);
      out.bytes(7, compare.value);
      break;
  }
}

void write_operation(ProtobufWriter& out, const KeySpace& keys, const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kRange:
      out.message(1, [&](ProtobufWriter& range) {
        write_range(range, keys, operation.range);
        range.integer(3, operation.limit);
      });
      break;
    case Operation::Kind::kPut:
      out.message(2, [&](ProtobufWriter& put) {
        put.bytes(1, keys.outer_key(operation.range.key));
        put.bytes(2, *operation.value);
        put.integer(3, operation.lease);
      });
      break;
    case Operation::Kind::kDelete: out.message(3, [&](ProtobufWriter& erase) { write_range(erase, keys, operation.range); }); break;
  }
}

Result<KeyValue> read_key_value(const KeySpace& keys, std::string_view message) {
  static const SharedBytes kEmpty = share("");
  KeyValue out;
  out.value = kEmpty;
  std::string_view key;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: key = field.bytes; break;
      case 2: out.create_revision = field.as_int64(); break;
      case 3: out.mod_revision = field.as_int64(); break;
      case 4: out.version = field.as_int64(); break;
      case 5: out.value = share(std::string(field.bytes)); break;
      case 6: out.lease = field.as_int64(); break;
      default: break;
    }
    return {};
  }));
  KOBUK_TRY(out.key, keys.inner_key(key));
  return out;
}

Result<Event> read_event(const KeySpace& keys, std::string_view message) {
  Event out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.deleted = field.value == 1;
    if (field.number == 2) {
      KOBUK_TRY(out.kv, read_key_value(keys, field.bytes));
    }
    if (field.number == 3) {
      KOBUK_TRY(KeyValue previous, read_key_value(keys, field.bytes));
      out.previous = previous.value;
      out.previous_revision = previous.mod_revision;
    }
    return {};
  }));
  if (out.kv.value == nullptr) return fail(Code::kDataLoss, "etcd: an event without a key");
  return out;
}

Result<Revision> read_header(std::string_view message) {
  Revision out = 0;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 3) out = field.as_int64();
    return {};
  }));
  return out;
}

Result<OperationResult> read_operation(const KeySpace& keys, std::string_view message) {
  OperationResult out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) {
      KOBUK_TRY(out.range, decode_range(keys, field.bytes));
    }
    if (field.number == 3) {
      KOBUK_CHECK(each_field(field.bytes, [&](const ProtobufField& inner) -> Result<void> {
        if (inner.number == 2) out.deleted = inner.as_int64();
        return {};
      }));
    }
    return {};
  }));
  return out;
}

}  // namespace

KeyRange KeySpace::outer(const KeyRange& range) const {
  KeyRange out{outer_key(range.key), range.end};
  if (range.end == kEverything) {
    out.end = with_prefix(prefix_).end;
  } else if (!range.end.empty()) {
    out.end = outer_key(range.end);
  }
  if (out.key.empty()) out.key = kEverything;  // the least key that etcd knows
  return out;
}

Result<std::string> KeySpace::inner_key(std::string_view key) const {
  if (!key.starts_with(prefix_)) return fail(Code::kDataLoss, "etcd: the key ", go_quote(key), " is not below ", go_quote(prefix_));
  return std::string(key.substr(prefix_.size()));
}

std::string encode_range(const KeySpace& keys, const RangeRequest& request) {
  ProtobufWriter out;
  write_range(out, keys, request.range);
  out.integer(3, request.limit);
  out.integer(4, request.revision);
  if (request.keys_only) out.boolean(8, true);
  if (request.count_only) out.boolean(9, true);
  return out.take();
}

std::string encode_txn(const KeySpace& keys, const TxnRequest& request) {
  ProtobufWriter out;
  for (const Compare& compare : request.compares) out.message(1, [&](ProtobufWriter& inner) { write_compare(inner, keys, compare); });
  for (const Operation& operation : request.then) out.message(2, [&](ProtobufWriter& inner) { write_operation(inner, keys, operation); });
  for (const Operation& operation : request.otherwise) out.message(3, [&](ProtobufWriter& inner) { write_operation(inner, keys, operation); });
  return out.take();
}

std::string encode_watch(const KeySpace& keys, const WatchRequest& request) {
  ProtobufWriter out;
  out.message(1, [&](ProtobufWriter& create) {
    write_range(create, keys, request.range);
    create.integer(3, request.start);
    create.boolean(4, true);  // tells now and then how far a quiet watch has come
    if (request.previous) create.boolean(6, true);
    create.boolean(8, true);  // large revisions come in parts
  });
  return out.take();
}

std::string encode_compact(Revision revision) {
  ProtobufWriter out;
  out.integer(1, revision);
  return out.take();
}
std::string encode_grant(int64_t seconds) {
  ProtobufWriter out;
  out.integer(1, seconds);
  return out.take();
}
std::string encode_lease(LeaseId lease) {
  ProtobufWriter out;
  out.integer(1, lease);
  return out.take();
}

Result<RangeResult> decode_range(const KeySpace& keys, std::string_view message) {
  RangeResult out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) {
      KOBUK_TRY(out.revision, read_header(field.bytes));
    } else if (field.number == 2) {
      KOBUK_TRY(KeyValue kv, read_key_value(keys, field.bytes));
      out.kvs.push_back(std::move(kv));
    } else if (field.number == 3) {
      out.more = field.as_bool();
    } else if (field.number == 4) {
      out.count = field.as_int64();
    }
    return {};
  }));
  return out;
}

Result<TxnResult> decode_txn(const KeySpace& keys, std::string_view message) {
  TxnResult out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) {
      KOBUK_TRY(out.revision, read_header(field.bytes));
    } else if (field.number == 2) {
      out.succeeded = field.as_bool();
    } else if (field.number == 3) {
      KOBUK_TRY(OperationResult result, read_operation(keys, field.bytes));
      out.results.push_back(std::move(result));
    }
    return {};
  }));
  for (OperationResult& result : out.results) result.range.revision = out.revision;
  return out;
}

Result<WatchAnswer> decode_watch(const KeySpace& keys, std::string_view message) {
  WatchAnswer out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: {
        KOBUK_TRY(out.revision, read_header(field.bytes));
        break;
      }
      case 3: out.created = field.as_bool(); break;
      case 4: out.cancelled = field.as_bool(); break;
      case 5: out.compacted = field.as_int64(); break;
      case 6: out.reason = field.bytes; break;
      case 7: out.fragment = field.as_bool(); break;
      case 11: {
        KOBUK_TRY(Event event, read_event(keys, field.bytes));
        out.events.push_back(std::move(event));
        break;
      }
      default: break;
    }
    return {};
  }));
  return out;
}

Result<LeaseAnswer> decode_lease(std::string_view message) {
  LeaseAnswer out;
  KOBUK_CHECK(each_field(message, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) {
      KOBUK_TRY(out.revision, read_header(field.bytes));
    }
    if (field.number == 2) out.id = field.as_int64();
    if (field.number == 3) out.seconds = field.as_int64();
    return {};
  }));
  return out;
}

Result<Revision> decode_revision(std::string_view message) {
  KOBUK_TRY(LeaseAnswer answer, decode_lease(message));  // the header stands at the same place in every answer
  return answer.revision;
}

}  // namespace kobuk::store::etcd
