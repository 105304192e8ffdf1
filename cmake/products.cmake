# What is delivered: the kobuk binary.
if(EXISTS ${CMAKE_SOURCE_DIR}/src/app/kobuk_main.cc)
  add_executable(kobuk src/app/kobuk_main.cc)
  target_link_libraries(kobuk PRIVATE kobuk_app)
  set_target_properties(kobuk PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endif()
