// passwd(5): name:password:uid:gid:comment:home:shell. group(5): name:password:gid:member,member.
// The rules of "user[:group]" are those of Docker and containerd: a name wins over a number; a number without
// an entry is taken as it is, with group 0; supplementary groups count only when no group was named.
#include "runtime/user.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace kobuk::runtime {
namespace {

constexpr uint64_t kMaxId = 0x7fffffff;

std::optional<uint32_t> id_of(std::string_view text) {
  auto number = parse_uint(text);
  if (!number || *number > kMaxId) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

// Calls visit(fields) for each well-formed line until it returns true.
template <class F>
void each_entry(std::string_view file, size_t least_fields, F&& visit) {
  while (!file.empty()) {
    size_t end = file.find('\n');
    std::string_view line = trim(file.substr(0, end));
    file = end == file.npos ? std::string_view() : file.substr(end + 1);
    if (line.empty() || line[0] == '#') continue;
    auto fields = split(line, ':');
    if (fields.size() >= least_fields && visit(fields)) return;
  }
}

struct Entry {
  std::string name, home;
  uint32_t uid = 0, gid = 0;
};

std::optional<Entry> find_user(std::string_view passwd, std::string_view name,
                               std::optional<uint32_t> number) {
  std::optional<Entry> by_name, by_number;
  each_entry(passwd, 4, [&](const auto& f) {
    auto uid = id_of(f[2]), gid = id_of(f[3]);
    if (!uid || !gid) return false;
    Entry entry{std::string(f[0]), f.size() > 5 ? std::string(f[5]) : std::string(), *uid, *gid};
    if (!by_number && number && *uid == *number) by_number = entry;
    if (!name.empty() && f[0] == name) by_name = std::move(entry);
    return by_name.has_value();
  });
  return by_name ? by_name : by_number;
}

Result<uint32_t> find_group(std::string_view group, std::string_view name) {
  std::optional<uint32_t> found;
  each_entry(group, 3, [&](const auto& f) {
    if (f[0] == name) found = id_of(f[2]);
    return found.has_value();
  });
  if (!found) found = id_of(name);
  if (!found)
    return fail(Code::kNotFound, "unable to find group ", name, ": no matching entries in group file");
  return *found;
}

}  // namespace

Result<Identity> look_up_user(std::string_view user, std::string_view passwd, std::string_view group) {
  size_t colon = user.find(':');
  std::string_view name = user.substr(0, colon);
  std::string_view group_name = colon == user.npos ? std::string_view() : user.substr(colon + 1);
  auto number = name.empty() ? std::optional<uint32_t>(0) : id_of(name);
  auto entry = find_user(passwd, name, number);
  if (!entry && !number)
    return fail(Code::kNotFound, "unable to find user ", name, ": no matching entries in passwd file");
  Identity identity;
  if (entry) {
    identity.uid = entry->uid;
    identity.gid = entry->gid;
    if (!entry->home.empty()) identity.home = entry->home;
  } else {
    identity.uid = *number;
  }
  if (!group_name.empty()) {
    KOBUK_TRY(identity.gid, find_group(group, group_name));
    return identity;
  }
  if (!entry) return identity;
  each_entry(group, 4, [&](const auto& f) {
    auto members = split(f[3], ',');
    auto gid = id_of(f[2]);
    if (gid && std::find(members.begin(), members.end(), entry->name) != members.end())
      identity.groups.push_back(*gid);
    return false;
  });
  return identity;
}

std::string home_of(uint32_t uid, std::string_view passwd) {
  auto entry = find_user(passwd, "", uid);
  return entry && !entry->home.empty() ? entry->home : "/";
}

}  // namespace kobuk::runtime
