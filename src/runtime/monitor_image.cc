#include "runtime/monitor_image.h"

asm(".pushsection .rodata\n"
    ".global kobuk_monitor_begin\n"
    ".global kobuk_monitor_end\n"
    "kobuk_monitor_begin:\n"
    ".incbin \"" KOBUK_MONITOR_FILE
    "\"\n"
    "kobuk_monitor_end:\n"
    ".popsection\n");

extern "C" const char kobuk_monitor_begin[];
extern "C" const char kobuk_monitor_end[];

namespace kobuk::runtime {

std::string_view monitor_image() {
  return {kobuk_monitor_begin, static_cast<size_t>(kobuk_monitor_end - kobuk_monitor_begin)};
}

}  // namespace kobuk::runtime
