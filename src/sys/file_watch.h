// Changes of files in a folder, told by the kernel: inotify(7). Who waits for them polls nothing.
#pragma once

#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

// Readable, and then to be drained, once something in `directory` was written, made, renamed or removed. Non-blocking.
Result<UniqueFd> watch_directory(const std::string& directory);
void drain_watch(int fd);

}  // namespace kobuk::sys
