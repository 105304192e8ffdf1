// What an exec writes, to its end: of its outputs, or of the process. A child that it left in the background may hold
// the outputs for ever, so once the process has ended they are waited for as long as dockerd does, and no longer.
//
//   class Kept : public OutputSink { … };
//   auto end = co_await read_outputs(loop, exec, std::make_shared<Kept>());   // exec's outputs are closed then
#pragma once

#include <memory>
#include <string>

#include "io/loop.h"
#include "runtime/container.h"

namespace kobuk::engine {

class OutputSink {
 public:
  virtual ~OutputSink() = default;
  // false: nobody takes more. The rest is read all the same and dropped, since the process would wait for ever to write
  // it. The two outputs come side by side, the pieces of one after another.
  virtual io::Task<bool> take(bool is_stderr, std::string bytes) = 0;
};

// Loop thread only. An error is that of Exec::wait().
io::Task<Result<runtime::ExitStatus>> read_outputs(io::Loop& loop, std::shared_ptr<runtime::Exec> exec, std::shared_ptr<OutputSink> to);

}  // namespace kobuk::engine
