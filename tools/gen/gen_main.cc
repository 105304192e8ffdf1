// gen <output folder> <schema files…>: schemas/ to C++. Built and run first by the build (cmake/generate.cmake).
// A file whose text has not changed is left alone, so that nothing is compiled again for it.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gen/model.h"

namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool write(const std::filesystem::path& path, const std::string& text) {
  if (std::filesystem::exists(path) && read(path) == text) return true;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  return out.good();
}

kobuk::Result<void> run(const std::filesystem::path& folder, const std::vector<std::string>& files) {
  kobuk::gen::Model model;
  for (const auto& file : files) KOBUK_CHECK(kobuk::gen::parse_schema(file, read(file), model));
  KOBUK_CHECK(kobuk::gen::check_references(model));
  for (auto outputs : {kobuk::gen::write_structs(model), kobuk::gen::write_schemas(model)})
    for (const auto& output : outputs)
      if (!write(folder / output.path, output.text))
        return kobuk::fail(kobuk::Code::kInternal, "cannot write ", (folder / output.path).string());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: gen <output folder> <schema files...>\n");
    return 2;
  }
  if (auto done = run(argv[1], {argv + 2, argv + argc}); !done) {
    std::fprintf(stderr, "gen: %s\n", done.error().message().c_str());
    return 1;
  }
  return 0;
}
