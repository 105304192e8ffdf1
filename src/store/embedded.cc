// The embedded store: LMDB holds one record a change, by (revision, key), and is read once, at the start; reads are
// answered from memory. Format of a record, all numbers little-endian:
//   key    8 bytes revision (big-endian, so that records lie in their order), then the key
//   value  1 byte kind (1 put, 2 deletion), 8 create revision, 8 version, 8 lease, then the value
// Database "meta": "format" = "kobuk-store-1", "compacted" = 8 bytes. Database "leases": 8 bytes id → 8 bytes seconds.
#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store/local_store.h"
#include "store/record.h"

namespace kobuk::store {
namespace {

constexpr std::string_view kFormat = "kobuk-store-1";

Error lmdb_error(int code, std::string_view what) {
  Code canonical = code_of_errno(code);
  std::string remedy;
  if (code == MDB_MAP_FULL) {
    canonical = Code::kResourceExhausted;
    remedy = "; the store has reached its largest size: compact it or open it with a larger bound";
  } else if (code == MDB_CORRUPTED || code == MDB_INVALID || code == MDB_VERSION_MISMATCH || code == MDB_PAGE_NOTFOUND) {
    canonical = Code::kDataLoss;
    remedy = "; the file is damaged or not a store of kobuk: restore it from a backup, or start with an empty folder";
  }
  return Error(canonical, cat(what, ": ", mdb_strerror(code), remedy), code > 0 ? code : 0);
}

MDB_val view(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view text(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

class Database {
 public:
  ~Database() {
    if (env_ != nullptr) mdb_env_close(env_);
    if (lock_ >= 0) close(lock_);
  }

  Result<void> open(const std::string& path, int64_t max_bytes) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, cat("make the folder ", path));
    // LMDB's own lock allows several processes; two API servers on one file would each miss the other's changes.
    path_ = path;
    max_bytes_ = static_cast<size_t>(max_bytes);
    lock_ = ::open(cat(path, "/in-use").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0) return fail_errno(errno, cat("open ", path, "/in-use"));
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      return fail(Code::kFailedPrecondition, "the store in ", path, " is open in another process: stop that one first");
    }
    int code = mdb_env_create(&env_);
    if (code == 0) code = mdb_env_set_maxdbs(env_, 4);
    if (code == 0) code = mdb_env_set_mapsize(env_, max_bytes_);
    if (code == 0) code = mdb_env_open(env_, path.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (code != 0) return fail(lmdb_error(code, cat("open the store in ", path)));
    return prepare();
  }

  Result<void> load(LocalStore& into) {
    MDB_txn* txn = nullptr;
    int code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
    if (code != 0) return fail(lmdb_error(code, "read the store"));
    auto done = load(txn, into);
    mdb_txn_abort(txn);
    return done;
  }

  // On a pool thread, one call at a time: a write transaction begins and ends on its thread.
  Result<void> commit(const CommitBatch& batch) {
    int code = try_commit(batch);
    bool grown = false;
    // Even forgetting needs room, for the new versions of pages: what only forgets may go beyond the bound, or a full
    // store could never be emptied.
    for (int i = 0; code == MDB_MAP_FULL && only_forgets(batch) && i < kDoublings; ++i) {
      MDB_envinfo info;
      code = mdb_env_info(env_, &info);
      if (code == 0) code = mdb_env_set_mapsize(env_, info.me_mapsize * 2);
      grown = true;
      if (code == 0) code = try_commit(batch);
    }
    if (grown) mdb_env_set_mapsize(env_, max_bytes_);  // or as much as is in use, if that is more
    if (code == ENOSPC || (code == EIO && disk_is_full())) {
      return fail(Error(Code::kResourceExhausted,
                        cat("write to the store: no space left on the disk of ", path_, "; make room there: nothing that was acknowledged is lost"), ENOSPC));
    }
    if (code != 0) return fail(lmdb_error(code, "write to the store"));
    return {};
  }

 private:
  // LMDB calls a write that the disk took only a part of an I/O error.
  bool disk_is_full() const {
    constexpr uint64_t kHardlyAnything = 64 << 10;
    struct statvfs disk{};
    return ::statvfs(path_.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < kHardlyAnything;
  }
  static constexpr int kDoublings = 2;
  static bool only_forgets(const CommitBatch& batch) {
    return std::all_of(batch.changes.begin(), batch.changes.end(), [](const Change& c) { return !c.kv.value; }) &&
           std::all_of(batch.leases.begin(), batch.leases.end(), [](const auto& lease) { return lease.second == 0; });
  }

  int try_commit(const CommitBatch& batch) {
    MDB_txn* txn = nullptr;
    int code = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (code != 0) return code;
    code = write(txn, batch);
    if (code == 0) return mdb_txn_commit(txn);  // with fdatasync
    mdb_txn_abort(txn);
    return code;
  }

  // LMDB keeps the names of databases as keys of a database without name: one of another program has others there.
  static int find_foreign(MDB_txn* txn, bool& foreign) {
    MDB_dbi names = 0, meta = 0;
    MDB_stat stat{};
    int code = mdb_dbi_open(txn, nullptr, 0, &names);
    if (code == 0) code = mdb_stat(txn, names, &stat);
    if (code != 0 || stat.ms_entries == 0) return code;
    code = mdb_dbi_open(txn, "meta", 0, &meta);
    MDB_val key = view("format"), found{};
    if (code == 0) code = mdb_get(txn, meta, &key, &found);
    foreign = code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE;
    return foreign ? 0 : code;
  }

  Result<void> prepare() {
    MDB_txn* txn = nullptr;
    bool other_program = false;
    int code = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (code == 0) code = find_foreign(txn, other_program);
    if (other_program) {
      mdb_txn_abort(txn);
      return fail(Code::kDataLoss, "the database is not a store of kobuk: choose another folder");
    }
    if (code == 0) code = mdb_dbi_open(txn, "changes", MDB_CREATE, &changes_);
    if (code == 0) code = mdb_dbi_open(txn, "meta", MDB_CREATE, &meta_);
    if (code == 0) code = mdb_dbi_open(txn, "leases", MDB_CREATE, &leases_);
    MDB_val key = view("format"), found{};
    if (code == 0) code = mdb_get(txn, meta_, &key, &found);
    bool fresh = code == MDB_NOTFOUND;
    bool foreign = code == 0 && text(found) != kFormat;
    if (fresh) {
      MDB_val format = view(kFormat);
      code = mdb_put(txn, meta_, &key, &format, 0);
    }
    if (code != 0 || foreign) {
      mdb_txn_abort(txn);
      if (foreign) return fail(Code::kDataLoss, "the store was written by a newer kobuk: use that version to open it");
      return fail(lmdb_error(code, "open the store"));
    }
    code = mdb_txn_commit(txn);
    if (code != 0) return fail(lmdb_error(code, "open the store"));
    return {};
  }

  Result<void> load(MDB_txn* txn, LocalStore& into) {
    MDB_val key = view("compacted"), value{};
    if (mdb_get(txn, meta_, &key, &value) == 0) {
      KOBUK_TRY(int64_t compacted, decode_number(text(value)));
      into.replay_compacted(compacted);
    }
    KOBUK_CHECK(each(txn, changes_, [&](std::string_view k, std::string_view v) -> Result<void> {
      KOBUK_TRY(Change change, decode_change(k, v));
      into.replay(std::move(change));
      return {};
    }));
    KOBUK_CHECK(each(txn, leases_, [&](std::string_view k, std::string_view v) -> Result<void> {
      KOBUK_TRY(int64_t id, decode_number(k));
      KOBUK_TRY(int64_t seconds, decode_number(v));
      into.replay_lease(id, seconds);
      return {};
    }));
    into.replay_done();
    return {};
  }

  template <class F>
  static Result<void> each(MDB_txn* txn, MDB_dbi dbi, F visit) {
    MDB_cursor* cursor = nullptr;
    int code = mdb_cursor_open(txn, dbi, &cursor);
    if (code != 0) return fail(lmdb_error(code, "read the store"));
    MDB_val key{}, value{};
    Result<void> done;
    while (done && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) done = visit(text(key), text(value));
    mdb_cursor_close(cursor);
    if (done && code != MDB_NOTFOUND) return fail(lmdb_error(code, "read the store"));
    return done;
  }

  int put(MDB_txn* txn, MDB_dbi dbi, std::string_view key, std::string_view value) {
    MDB_val k = view(key), v = view(value);
    return mdb_put(txn, dbi, &k, &v, 0);
  }
  int erase(MDB_txn* txn, MDB_dbi dbi, std::string_view key) {
    MDB_val k = view(key);
    int code = mdb_del(txn, dbi, &k, nullptr);
    return code == MDB_NOTFOUND ? 0 : code;
  }

  int write(MDB_txn* txn, const CommitBatch& batch) {
    int code = 0;
    for (const Change& change : batch.changes) {
      if (code == 0) code = put(txn, changes_, record_key(change.kv.mod_revision, change.kv.key), encode_change(change));
    }
    for (const auto& [key, revision] : batch.drops) {
      if (code == 0) code = erase(txn, changes_, record_key(revision, key));
    }
    if (code == 0 && batch.compacted > 0) code = put(txn, meta_, "compacted", encode_number(batch.compacted));
    for (const auto& [id, seconds] : batch.leases) {
      if (code != 0) break;
      code = seconds == 0 ? erase(txn, leases_, encode_number(id)) : put(txn, leases_, encode_number(id), encode_number(seconds));
    }
    return code;
  }

  MDB_env* env_ = nullptr;
  MDB_dbi changes_ = 0, meta_ = 0, leases_ = 0;
  std::string path_;
  size_t max_bytes_ = 0;
  int lock_ = -1;
};

class LmdbDurability final : public Durability {
 public:
  LmdbDurability(io::Loop& loop, std::shared_ptr<Database> database) : loop_(loop), database_(std::move(database)) {}
  io::Task<Result<void>> commit(CommitBatch batch) override {
    auto work = [database = database_, batch = std::move(batch)] { return database->commit(batch); };
    auto done = co_await loop_.offload("store commit", std::move(work));
    co_return done;
  }

 private:
  io::Loop& loop_;
  std::shared_ptr<Database> database_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_embedded_store(io::Loop& loop, std::string path, int64_t max_bytes) {
  auto database = std::make_shared<Database>();
  KOBUK_CHECK(database->open(path, max_bytes));
  auto store = std::make_unique<LocalStore>(loop, std::make_unique<LmdbDurability>(loop, database));
  KOBUK_CHECK(database->load(*store));
  return store;
}

}  // namespace kobuk::store
