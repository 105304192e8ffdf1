// Signals as a descriptor, so that a Loop can wait for them.
#pragma once

#include <initializer_list>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

// Blocks the signals in this thread and all that it starts from now on (call it before the first), and returns a
// descriptor that is readable when one has come.
Result<UniqueFd> watch_signals(std::initializer_list<int> signals);
// The next signal that has come; 0 when there is none.
int next_signal(int fd);

}  // namespace kobuk::sys
