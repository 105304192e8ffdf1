// Processes: birth by clone3(2), signals by pidfd, programs by spawn without a shell.
//
//   KOBUK_TRY(Spawned child, sys::spawn({.path = "/bin/tar", .args = {"tar", "x"}, .fds = {{pipe, 0}}}));
//   KOBUK_TRY(int status, sys::wait_for(child.pidfd.get()));
//
// A pidfd names one process for ever: a signal through it never reaches a later process with the same number.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

// clone3(2) without CLONE_VM: the child (pid 0 here) goes on with a copy of everything, as after fork. Only
// for single-threaded processes. cgroup: a descriptor of a v2 cgroup to be born in, or -1.
struct Cloned {
  pid_t pid = 0;
  UniqueFd pidfd;
};
Result<Cloned> clone_process(uint64_t flags, int cgroup = -1);
// The flags of Kernel::clone_sibling(): CLONE_PARENT | CLONE_PIDFD | SIGCHLD, for who asks a filter about them.
inline constexpr uint64_t kSiblingFlags = 0x8000 | 0x1000 | 17;

struct SpawnOptions {
  std::string path;
  std::vector<std::string> args;  // args[0] too
  std::vector<std::string> env;
  // {ours, theirs}: becomes descriptor `theirs` of the child. 0, 1 and 2 are /dev/null when not named; no
  // other descriptor is passed on.
  std::vector<std::pair<int, int>> fds;
  int executable = -1;  // run this descriptor instead of path
  bool new_session = false;
};
struct Spawned {
  pid_t pid = 0;
  UniqueFd pidfd;
};
// Any thread. The error of the child's exec is returned here.
Result<Spawned> spawn(const SpawnOptions& options);
// Blocks until the child ended; its status as of waitpid(2).
Result<int> wait_for(const Spawned& child);
// wait_for, and the exit code: 128 + signal when it was killed.
int exit_code_of(int wait_status);

Result<UniqueFd> open_pidfd(pid_t pid);           // kNotFound when it is gone
Result<void> send_signal(int pidfd, int signal);  // kNotFound when it is gone
bool is_alive(int pidfd);                         // false once it has ended, reaped or not
// Start time in clock ticks since boot (field 22 of /proc/<pid>/stat): with the pid it names a process for
// ever.
Result<uint64_t> start_time_of(pid_t pid);

// A sealed in-memory file with these bytes: nobody can ever change it. name shows in /proc/<pid>/exe.
Result<UniqueFd> sealed_memory(const char* name, std::string_view bytes, bool executable);

// Unix sockets that keep message boundaries (SOCK_SEQPACKET), close-on-exec, with descriptors in messages.
Result<std::pair<UniqueFd, UniqueFd>> packet_socket_pair();
// `directory` may be a long path: the socket is bound through its descriptor (sun_path holds 107 bytes).
Result<UniqueFd> listen_packet(const std::string& directory, const std::string& name);
Result<UniqueFd> connect_packet(const std::string& directory, const std::string& name);
inline constexpr size_t kMaxPacketFds = 4;
struct Packet {
  std::string bytes;  // empty: the other side closed
  std::vector<UniqueFd> fds;
  pid_t sender = 0;  // after learn_senders(): who sent it, in our pid namespace, on the kernel's word
};
// From now on receive_packet() on this socket tells the sender of what is sent.
Result<void> learn_senders(int socket);
// kUnavailable (EAGAIN) when it would block. Never raises SIGPIPE.
Result<void> send_packet(int socket, std::string_view bytes, const std::vector<int>& fds = {});
Result<Packet> receive_packet(int socket, size_t max);

Result<void> set_nonblocking(int fd);
// Closes every descriptor from 3 on that is not in `keep` (where -1 is skipped). For a process just born.
Result<void> close_all_but(std::vector<int> keep);
Result<std::pair<UniqueFd, UniqueFd>> make_pipe();  // {read end, write end}

}  // namespace kobuk::sys
