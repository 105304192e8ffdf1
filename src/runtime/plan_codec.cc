// The binary form of a Plan (runtime/wire.h). fields() lists each struct's members once, for both directions.
#include "runtime/plan.h"
#include "runtime/wire.h"

namespace kobuk::runtime {
namespace {

constexpr uint32_t kVersion = 2;
constexpr size_t kMaxPlan = 8u << 20;

// An archive that writes, and one that reads; fields() below runs on either.
struct Writer {
  Encoder out;
  template <class T>
  void operator()(const T& value);
};
struct Reader {
  Decoder in;
  template <class T>
  void operator()(T& value);
};

template <class A, class T, class... More>
void all(A& a, T& first, More&... more) {
  a(first);
  (a(more), ...);
}

// clang-format off
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, SetPropagation> { all(a, v.flags); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, RootOverlay> { all(a, v.lower, v.upper, v.work, v.lowerdir_plus); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, RootDirectory> { all(a, v.path); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, sys::MountOption> { all(a, v.key, v.value); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, sys::MountChange> { all(a, v.set, v.clear, v.propagation, v.recursive); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, NewMount> { all(a, v.target, v.type, v.source, v.options, v.change); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, BindMount> { all(a, v.target, v.source, v.recursive, v.changes, v.optional); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, ChangeMount> { all(a, v.target, v.change); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, MakeNode> { all(a, v.path, v.mode, v.major, v.minor, v.uid, v.gid); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, MakeLink> { all(a, v.path, v.target); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, SetHostname> { all(a, v.name, v.domain); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, SetSysctl> { all(a, v.path, v.value); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, MaskPath> { all(a, v.path); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, ReadonlyPath> { all(a, v.path); }
template <class A, class T> void fields(A&, T&) requires std::is_empty_v<std::remove_const_t<T>> {}
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, JoinNamespace> { all(a, v.kind, v.path); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, Rlimit> { all(a, v.resource, v.soft, v.hard); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, ConsoleSize> { all(a, v.columns, v.rows); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, LogConfig> { all(a, v.format, v.path, v.max_bytes, v.max_files); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, sys::CapabilitySets> { all(a, v.bounding, v.effective, v.inheritable, v.permitted, v.ambient); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, sys::CgroupWrite> { all(a, v.file, v.value, v.optional); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, sys::DeviceRule> { all(a, v.type, v.major, v.minor, v.access); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, sys::CgroupPlan> { all(a, v.path, v.directories, v.delegations, v.cpusets, v.limits, v.born_in, v.join, v.devices_in, v.devices); }
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, ProcessPlan> {
  all(a, v.args, v.env, v.cwd, v.uid, v.gid, v.groups, v.user, v.capabilities, v.no_new_privileges, v.rlimits,
      v.set_oom_score, v.oom_score_adj, v.umask, v.terminal, v.console, v.seccomp_filter);
}
template <class A, class T> void fields(A& a, T& v) requires std::is_same_v<std::remove_const_t<T>, Plan> {
  all(a, v.id, v.clone_flags, v.joins, v.cgroup, v.steps, v.pause, v.process, v.stdin_open, v.stdin_once, v.log,
      v.kill_rest, v.memory_events);
}
// clang-format on

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
void Writer::operator()(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, std::string>) {
    out.put(value);
  } else if constexpr (IsVector<T>::value) {
    out.put_all(value, [this](const auto& item) { (*this)(item); });
  } else if constexpr (std::is_same_v<T, Step>) {
    out.put(static_cast<uint8_t>(value.index()));
    std::visit([this](const auto& step) { fields(*this, step); }, value);
  } else {
    fields(*this, value);
  }
}

// Makes the alternative of that index; false when there is none.
template <size_t I = 0>
bool emplace_step(Step& step, size_t index) {
  if constexpr (I < std::variant_size_v<Step>) {
    if (index == I) return step.emplace<I>(), true;
    return emplace_step<I + 1>(step, index);
  } else {
    return false;
  }
}

template <class T>
void Reader::operator()(T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, std::string>) {
    in.get(value);
  } else if constexpr (IsVector<T>::value) {
    in.get_all(value, [this](auto& item) { (*this)(item); });
  } else if constexpr (std::is_same_v<T, Step>) {
    uint8_t index = 0;
    in.get(index);
    if (!emplace_step(value, index)) in = Decoder({}), in.get(index);  // fails
    std::visit([this](auto& step) { fields(*this, step); }, value);
  } else {
    fields(*this, value);
  }
}

template <class T>
std::string encode(const T& value) {
  Writer writer;
  writer(kVersion);
  writer(value);
  return writer.out.take();
}

template <class T>
Result<T> decode(std::string_view bytes, std::string_view what) {
  if (bytes.size() > kMaxPlan) return fail(Code::kTooLarge, "a ", what, " of ", bytes.size(), " bytes");
  Reader reader{Decoder(bytes)};
  uint32_t version = 0;
  reader(version);
  if (version != kVersion) return fail(Code::kDataLoss, "a ", what, " of another version: ", version);
  T value;
  reader(value);
  if (!reader.in.at_end()) return fail(Code::kDataLoss, "a malformed ", what);
  return value;
}

}  // namespace

std::string encode_plan(const Plan& plan) { return encode(plan); }
Result<Plan> decode_plan(std::string_view bytes) { return decode<Plan>(bytes, "plan"); }
std::string encode_process(const ProcessPlan& process) { return encode(process); }
Result<ProcessPlan> decode_process(std::string_view bytes) {
  return decode<ProcessPlan>(bytes, "process plan");
}

}  // namespace kobuk::runtime
