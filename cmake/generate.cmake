# schemas/ -> C++ in ${CMAKE_BINARY_DIR}/gen: tools/gen is built first, then run. See schemas/README.md.
add_executable(kobuk_gen ${CMAKE_SOURCE_DIR}/tools/gen/gen_main.cc ${CMAKE_SOURCE_DIR}/tools/gen/parse.cc
               ${CMAKE_SOURCE_DIR}/tools/gen/write_structs.cc ${CMAKE_SOURCE_DIR}/tools/gen/write_schemas.cc)
target_include_directories(kobuk_gen PRIVATE ${CMAKE_SOURCE_DIR}/tools)
target_link_libraries(kobuk_gen PRIVATE kobuk_base)

file(GLOB schema_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schemas/kubernetes/*.schema)
list(SORT schema_files)
set(generated ${CMAKE_BINARY_DIR}/gen/api/types.h ${CMAKE_BINARY_DIR}/gen/api/builtin_schemas.cc)
foreach(file ${schema_files})
  get_filename_component(package ${file} NAME_WE)
  list(APPEND generated ${CMAKE_BINARY_DIR}/gen/api/types/${package}.h ${CMAKE_BINARY_DIR}/gen/api/types/${package}.cc)
endforeach()
# The stamp is what dates the rule; unchanged outputs keep their age.
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/gen/api/stamp
                   BYPRODUCTS ${generated}
                   COMMAND kobuk_gen ${CMAKE_BINARY_DIR}/gen ${schema_files}
                   COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/gen/api/stamp
                   DEPENDS kobuk_gen ${schema_files}
                   COMMENT "schemas to C++")
add_custom_target(kobuk_generated DEPENDS ${CMAKE_BINARY_DIR}/gen/api/stamp)
set(generated_sources ${generated})
list(FILTER generated_sources INCLUDE REGEX "\\.cc$")
target_sources(kobuk_api PRIVATE ${generated_sources})
add_dependencies(kobuk_api kobuk_generated)
