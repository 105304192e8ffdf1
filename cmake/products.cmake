# What is delivered: the kobuk binary.
if(EXISTS ${CMAKE_SOURCE_DIR}/src/app/kobuk_main.cc)
  add_executable(kobuk src/app/kobuk_main.cc)
  target_link_libraries(kobuk PRIVATE kobuk_app)
  set_target_properties(kobuk PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endif()
# What `make bench` runs beside it.
add_executable(api_load EXCLUDE_FROM_ALL bench/api_load.cc)
target_link_libraries(api_load PRIVATE kobuk_app)
