# The monitor of a container: one small static program, embedded into kobuk_runtime, so that whatever links the room
# can start containers without any file beside it. Its sources are compiled once more: for size, and without the
# sanitizers of the rest, which no static program of this size could carry.
file(GLOB monitor_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/runtime/monitor/*.cc)
list(FILTER monitor_sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
# What runs only at the start of a container comes first, what runs ever after last, together: pages are mapped by
# neighbourhood.
set(hot_sources ${monitor_sources})
set(monitor_sources "")
foreach(source sys/capability sys/cgroup sys/cgroup_plan sys/device_filter sys/seccomp_check sys/real_kernel sys/rooted runtime/init runtime/init_steps runtime/pause
        runtime/plan_codec runtime/plan_describe runtime/user base/random base/strings base/error base/clock sys/file
        sys/process sys/packet runtime/state runtime/protocol)
  list(APPEND monitor_sources ${CMAKE_SOURCE_DIR}/src/${source}.cc)
endforeach()
add_executable(kobuk-monitor ${monitor_sources} ${hot_sources})
set_target_properties(kobuk-monitor PROPERTIES
  COMPILE_OPTIONS "-Wall;-Wextra;-Wno-missing-field-initializers;-Wno-missing-designated-field-initializers;-Os;-g0;-fno-exceptions;-fno-rtti;-D_GLIBCXX_EXTERN_TEMPLATE=0;-fno-threadsafe-statics;-fno-stack-protector;-fno-pic;-fno-asynchronous-unwind-tables;-fomit-frame-pointer;-ffunction-sections;-fdata-sections;-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=;-iquote${CMAKE_SOURCE_DIR}/src"
  LINK_OPTIONS "-static;-fuse-ld=mold;-Wl,--gc-sections;-Wl,--icf=safe;-s"
  POSITION_INDEPENDENT_CODE OFF
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/monitor)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/runtime/monitor_image.cc PROPERTIES
  OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/monitor/kobuk-monitor
  COMPILE_DEFINITIONS KOBUK_MONITOR_FILE="${CMAKE_BINARY_DIR}/monitor/kobuk-monitor")
