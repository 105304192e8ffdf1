#include "codec/tar.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "codec/tar_format.h"

namespace kobuk::codec {
namespace {

// Keeps what a reader says; files with their holes filled in.
struct Recorder : TarHandler {
  struct Item {
    TarEntry entry;
    std::string content;
    uint64_t stored = 0;
  };
  std::vector<Item> items;
  bool open = false;

  Result<void> begin_entry(const TarEntry& entry) override {
    EXPECT_FALSE(open);
    open = true;
    items.push_back({entry, std::string(std::min<uint64_t>(entry.size, 64u << 20), '\0')});
    return {};
  }
  Result<void> content(uint64_t offset, std::string_view bytes) override {
    EXPECT_TRUE(open);
    EXPECT_LE(offset + bytes.size(), items.back().entry.size);
    items.back().content.replace(offset, bytes.size(), bytes);
    items.back().stored += bytes.size();
    return {};
  }
  Result<void> end_entry() override {
    EXPECT_TRUE(open);
    open = false;
    return {};
  }
  const Item* find(std::string_view name) const {
    for (const Item& item : items) {
      if (item.entry.name == name) return &item;
    }
    return nullptr;
  }
};

Result<std::vector<Recorder::Item>> read(std::string_view archive, size_t piece = 1 << 20, TarLimits limits = {}) {
  Recorder recorder;
  TarReader reader(recorder, limits);
  for (size_t i = 0; i < archive.size(); i += piece) KOBUK_CHECK(reader.feed(archive.substr(i, piece)));
  KOBUK_CHECK(reader.finish());
  return std::move(recorder.items);
}

std::string error_of(std::string_view archive, TarLimits limits = {}) {
  auto items = read(archive, 1 << 20, limits);
  return items ? "no error" : items.error().message();
}

class Archive {
 public:
  Archive() : writer_([this](std::string_view bytes) -> Result<void> { return text_.append(bytes), Result<void>(); }) {}
  Archive& add(const TarEntry& entry, std::string_view content = {}) {
    auto added = writer_.add(entry, content);
    EXPECT_TRUE(added) << added.error().message();
    return *this;
  }
  std::string finished() {
    EXPECT_TRUE(writer_.finish());
    return text_;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  TarWriter writer_;
};

void fix_checksum(std::string& archive, size_t header) {
  archive.replace(header + 148, 8, "        ");
  unsigned sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += static_cast<uint8_t>(archive[header + i]);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  archive.replace(header + 148, 8, std::string(text, 7) + " ");
}

// A header block with a type flag and a size, made from what the writer writes.
std::string raw_header(char type, std::string_view name, uint64_t size) {
  std::string block = Archive().add({.name = std::string(name)}).text();
  block[156] = type;
  char text[13];
  std::snprintf(text, sizeof text, "%011llo", static_cast<unsigned long long>(size));
  block.replace(124, 11, text, 11);
  fix_checksum(block, 0);
  return block;
}

std::string padded(std::string_view content) {
  return std::string(content) + std::string(tar::padding_of(content.size()), '\0');
}

std::string record(std::string_view text) {
  std::string rest = cat(' ', text, '\n');
  size_t length = rest.size() + 1;
  while (cat(length).size() + rest.size() != length) ++length;
  return cat(length, rest);
}

std::string with_pax(std::string_view records, char type = 'x') {
  return raw_header(type, "pax", records.size()) + padded(records);
}

TEST(Tar, RoundTripsEveryFieldInAnyPieces) {
  std::string long_name = "d/" + std::string(120, 'n') + "/" + std::string(150, 'f');
  std::string split_name = std::string(90, 'p') + "/" + std::string(99, 'f');
  std::vector<std::pair<TarEntry, std::string>> cases = {
      {{.name = "plain", .mode = 04755, .uid = 1000, .gid = 100, .uname = "joe", .gname = "users", .mtime = 1700000000}, "hello"},
      {{.name = split_name}, std::string(512, 'x')},
      {{.name = long_name, .mtime = 1, .mtime_nanos = 500}, std::string(70000, 'y')},
      {{.name = "ünicode", .uid = 3000000000, .gid = 4294967295}, ""},
      {{.name = "old", .mtime = -5, .mtime_nanos = 250000000}, "1"},
      {{.name = "x", .xattrs = {{"security.capability", std::string("\1\0\0\n=\2", 6)}, {"user.a", "b"}}}, "2"},
      {{.type = TarType::kDirectory, .name = "dir/", .mode = 01777}, ""},
      {{.type = TarType::kSymlink, .name = "link", .linkname = std::string(200, 't')}, ""},
      {{.type = TarType::kHardLink, .name = "hard", .linkname = "plain"}, ""},
      {{.type = TarType::kCharDevice, .name = "null", .devmajor = 1, .devminor = 3}, ""},
      {{.type = TarType::kBlockDevice, .name = "sda", .devmajor = 8}, ""},
      {{.type = TarType::kFifo, .name = "fifo"}, ""},
  };
  Archive archive;
  for (auto& [entry, content] : cases) archive.add(entry, content);
  std::string text = archive.finished();
  for (size_t piece : {1u, 7u, 511u, 512u, 513u, 1000000u}) {
    auto items = read(text, piece);
    ASSERT_TRUE(items) << items.error().message();
    ASSERT_EQ(items->size(), cases.size());
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto& [want, content] = cases[i];
      const TarEntry& got = items->at(i).entry;
      EXPECT_EQ(items->at(i).content, content);
      EXPECT_EQ(got.type, want.type) << want.name;
      EXPECT_EQ(got.name, want.name);
      EXPECT_EQ(got.linkname, want.linkname);
      EXPECT_EQ(got.mode, want.mode);
      EXPECT_EQ(got.uid, want.uid);
      EXPECT_EQ(got.gid, want.gid);
      EXPECT_EQ(got.uname, want.uname);
      EXPECT_EQ(got.gname, want.gname);
      EXPECT_EQ(got.size, content.size());
      EXPECT_EQ(got.mtime, want.mtime);
      EXPECT_EQ(got.mtime_nanos, want.mtime_nanos);
      EXPECT_EQ(got.devmajor, want.devmajor);
      EXPECT_EQ(got.devminor, want.devminor);
      EXPECT_EQ(got.xattrs, want.xattrs);
    }
  }
}

TEST(Tar, DirectoriesGetTheirSlash) {
  auto items = read(Archive().add({.type = TarType::kDirectory, .name = "a/b"}).finished());
  ASSERT_TRUE(items);
  EXPECT_EQ(items->at(0).entry.name, "a/b/");
}

TEST(Tar, WriterHoldsToTheSize) {
  TarWriter writer([](std::string_view) -> Result<void> { return {}; });
  ASSERT_TRUE(writer.begin_entry({.name = "a", .size = 3}));
  EXPECT_FALSE(writer.content("1234"));
  ASSERT_TRUE(writer.content("12"));
  EXPECT_FALSE(writer.end_entry());
  EXPECT_FALSE(writer.begin_entry({.name = ""}));
  EXPECT_FALSE(writer.begin_entry({.type = TarType::kFifo, .name = "a", .size = 1}));
  EXPECT_FALSE(writer.begin_entry({.name = std::string("a\0b", 3)}));
  EXPECT_FALSE(writer.begin_entry({.name = "a", .xattrs = {{"user.a=b", "c"}}}));
}

TEST(Tar, SizesAbove8GiBTravelInARecord) {
  std::string text;
  TarWriter writer([&](std::string_view bytes) -> Result<void> { return text.append(bytes), Result<void>(); });
  ASSERT_TRUE(writer.begin_entry({.name = "big", .size = 9ull << 30}));
  Recorder recorder;
  TarReader reader(recorder);
  ASSERT_TRUE(reader.feed(text));
  ASSERT_EQ(recorder.items.size(), 1u);
  EXPECT_EQ(recorder.items[0].entry.size, 9ull << 30);
}

TEST(Tar, GnuLongNamesApplyOnce) {
  std::string name(300, 'n'), link(300, 'l');
  std::string text = raw_header('L', "././@LongLink", name.size() + 1) + padded(name + std::string(1, '\0')) +
                     raw_header('K', "././@LongLink", link.size() + 1) + padded(link + std::string(1, '\0')) +
                     raw_header('2', "short", 0) + raw_header('0', "next", 0);
  auto items = read(text);
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(items->at(0).entry.name, name);
  EXPECT_EQ(items->at(0).entry.linkname, link);
  EXPECT_EQ(items->at(1).entry.name, "next");
}

TEST(Tar, GlobalHeadersHoldUntilOverridden) {
  std::string text = with_pax(record("uid=4242") + record("gname=staff"), 'g') + raw_header('0', "a", 0) +
                     with_pax(record("uid=7")) + raw_header('0', "b", 0) + with_pax(record("uid=")) + raw_header('0', "c", 0);
  auto items = read(text);
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(items->at(0).entry.uid, 4242u);
  EXPECT_EQ(items->at(0).entry.gname, "staff");
  EXPECT_EQ(items->at(1).entry.uid, 7u);
  EXPECT_EQ(items->at(2).entry.uid, 0u);
}

TEST(Tar, Base256NumbersAreRead) {
  std::string text = Archive().add({.name = "a"}).text();
  text.replace(108, 8, std::string("\x80\0\0\0\xb2\xd0\x5e\0", 8));     // 3000000000
  text.replace(136, 12, std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12));  // -2
  fix_checksum(text, 0);
  auto items = read(text);
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(items->at(0).entry.uid, 3000000000u);
  EXPECT_EQ(items->at(0).entry.mtime, -2);
  text.replace(124, 12, std::string("\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12));
  fix_checksum(text, 0);
  EXPECT_EQ(error_of(text), "tar: invalid size in a header");
}

TEST(Tar, OldFormatsNameDirectoriesByTheirSlash) {
  std::string text = raw_header('\0', "olddir/", 0);
  auto items = read(text);
  ASSERT_TRUE(items);
  EXPECT_EQ(items->at(0).entry.type, TarType::kDirectory);
}

TEST(Tar, UnknownTypesAreSkippedWithTheirContent) {
  std::string text = raw_header('V', "label", 0) + raw_header('Z', "vendor", 600) + padded(std::string(600, 'z')) +
                     raw_header('0', "a", 0);
  auto items = read(text, 100);
  ASSERT_TRUE(items) << items.error().message();
  ASSERT_EQ(items->size(), 1u);
  EXPECT_EQ(items->at(0).entry.name, "a");
}

TEST(Tar, LinksHaveNoContentWhateverTheirSizeSays) {
  auto items = read(raw_header('1', "hard", 600) + raw_header('0', "a", 0));
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(items->size(), 2u);
  EXPECT_EQ(items->at(0).entry.size, 0u);
}

TEST(Tar, WhatFollowsTheEndMarkIsIgnored) {
  std::string text = Archive().add({.name = "a"}).finished() + "garbage" + std::string(10000, 'x');
  auto items = read(text);
  ASSERT_TRUE(items);
  EXPECT_EQ(items->size(), 1u);
  EXPECT_TRUE(read(""));
}

TEST(Tar, MalformedArchivesAreRefused) {
  std::string good = Archive().add({.name = "a"}, "content").finished();
  EXPECT_EQ(error_of(good.substr(0, 600)), "no error");  // only padding and the end mark are missing
  EXPECT_EQ(error_of(good.substr(0, 515)), "tar: unexpected end of the archive");
  EXPECT_EQ(error_of(good.substr(0, 100)), "tar: unexpected end of the archive");
  std::string bad = good;
  bad[0] = 'b';
  EXPECT_EQ(error_of(bad), "tar: invalid header (wrong checksum)");
  EXPECT_EQ(error_of(with_pax("10 uid=x\n") + good), "tar: malformed PAX header");
  EXPECT_EQ(error_of(with_pax(record("uid=x")) + good), "tar: invalid PAX record \"uid\"");
  EXPECT_EQ(error_of(with_pax("99 uid=1\n") + good), "tar: malformed PAX header");
  EXPECT_EQ(error_of(with_pax("0 uid=1\n") + good), "tar: malformed PAX header");
  EXPECT_EQ(error_of(with_pax(std::string_view("11 path=a\0\n", 11)) + good), "tar: malformed PAX header");
  EXPECT_EQ(error_of(with_pax("7 uid=1\n")), "tar: malformed PAX header");
  EXPECT_EQ(error_of(with_pax(record("uid=1"))), "tar: unexpected end of the archive");
  EXPECT_EQ(error_of(with_pax(record("mtime=1e10")) + good), "tar: invalid PAX record \"mtime\"");
  EXPECT_EQ(error_of(with_pax(record("uid=4294967296")) + good), "tar: invalid PAX record \"uid\"");
}

TEST(Tar, LimitsHold) {
  std::string good = Archive().add({.name = "a"}, "content").add({.name = "b"}, "content").finished();
  EXPECT_EQ(error_of(good, {.max_entries = 1}), "tar: more than 1 entries");
  EXPECT_EQ(error_of(good, {.max_content = 13}), "tar: content exceeds the limit of 13 bytes");
  EXPECT_EQ(error_of(good, {.max_content = 14}), "no error");
  EXPECT_EQ(error_of(raw_header('x', "p", 2 << 20)), "tar: a header of 2097152 bytes, the limit is 1048576");
  EXPECT_EQ(error_of(raw_header('L', "p", 2 << 20)), "tar: a header of 2097152 bytes, the limit is 1048576");
}

TEST(Tar, ErrorsOfTheHandlerComeThrough) {
  struct Failing : Recorder {
    Result<void> content(uint64_t, std::string_view) override { return fail(Code::kResourceExhausted, "disk full"); }
  } handler;
  TarReader reader(handler);
  auto fed = reader.feed(Archive().add({.name = "a"}, "x").finished());
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().message(), "disk full");
}

TEST(TarSparse, Pax01And00) {
  std::string content = "AAAABB";
  std::string map01 = with_pax(record("GNU.sparse.size=100") + record("GNU.sparse.map=0,4,50,2") +
                               record("GNU.sparse.name=real.txt"));
  std::string map00 =
      with_pax(record("GNU.sparse.size=100") + record("GNU.sparse.offset=0") + record("GNU.sparse.numbytes=4") +
               record("GNU.sparse.offset=50") + record("GNU.sparse.numbytes=2"));
  for (const std::string& pax : {map01, map00}) {
    auto items = read(pax + raw_header('0', "GNUSparseFile.1/x", content.size()) + padded(content), 3);
    ASSERT_TRUE(items) << items.error().message();
    const Recorder::Item& item = items->at(0);
    EXPECT_EQ(item.entry.size, 100u);
    EXPECT_EQ(item.stored, 6u);
    EXPECT_EQ(item.content, "AAAA" + std::string(46, '\0') + "BB" + std::string(48, '\0'));
  }
}

TEST(TarSparse, BadMapsAreRefused) {
  auto error_of_map = [](std::string_view map, uint64_t size) {
    return error_of(with_pax(record("GNU.sparse.size=100") + record(cat("GNU.sparse.map=", map))) + raw_header('0', "x", size) + padded(std::string(size, 'x')));
  };
  EXPECT_EQ(error_of_map("0,4,50,2", 6), "no error");
  EXPECT_EQ(error_of_map("0,4,50,2", 7), "tar: malformed sparse map");    // content too long
  EXPECT_EQ(error_of_map("0,4,2,2", 6), "tar: malformed sparse map");     // overlap
  EXPECT_EQ(error_of_map("0,4,99,2", 6), "tar: malformed sparse map");    // past the end
  EXPECT_EQ(error_of_map("0,4,50", 4), "tar: malformed sparse map");      // odd
  EXPECT_EQ(error_of_map("0,4,-1,2", 6), "tar: malformed sparse map");
  EXPECT_EQ(error_of_map("0,9223372036854775807,9223372036854775807,9", 6), "tar: malformed sparse map");
}

// GNU tar on this machine makes the archive; we read it back in every format it knows.
class GnuTar : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("tar --version 2>/dev/null | grep -q 'GNU tar'") != 0) GTEST_SKIP() << "GNU tar is not installed";
    char path[] = "/tmp/kobuk_tar_test.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
  }
  void TearDown() override {
    if (!directory_.empty()) run("rm -rf " + directory_);
  }
  void run(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }
  std::string slurp(const std::string& name) {
    std::stringstream out;
    out << std::ifstream(directory_ + "/" + name, std::ios::binary).rdbuf();
    return out.str();
  }
  std::string directory_;
};

class GnuTarFormat : public GnuTar, public testing::WithParamInterface<std::string> {};

TEST_P(GnuTarFormat, IsRead) {
  std::string long_name(GetParam().contains("v7") || GetParam().contains("ustar") ? 90 : 240, 'n');
  run("cd " + directory_ + " && mkdir in && cd in && printf hello > " + long_name + " && ln -s hello sym && ln " +
      long_name + " zhard && mkdir d && touch -d @1234567890 d/f && mkfifo d/p && printf start > sparse"
      " && for i in 1 2 3 4 5 6 7 8 9; do printf middle$i | dd of=sparse bs=1 seek=${i}00000 conv=notrunc status=none; done"
      " && truncate -s 1000000 sparse && tar " + GetParam() + " -cf ../a.tar *");
  auto items = read(slurp("a.tar"), 1000);
  ASSERT_TRUE(items) << items.error().message();
  Recorder seen;
  seen.items = std::move(*items);
  ASSERT_TRUE(seen.find(long_name));
  EXPECT_EQ(seen.find(long_name)->content, "hello");
  ASSERT_TRUE(seen.find("zhard"));
  EXPECT_EQ(seen.find("zhard")->entry.type, TarType::kHardLink);
  EXPECT_EQ(seen.find("zhard")->entry.linkname, long_name);
  ASSERT_TRUE(seen.find("sym"));
  EXPECT_EQ(seen.find("sym")->entry.linkname, "hello");
  ASSERT_TRUE(seen.find("d/"));
  ASSERT_TRUE(seen.find("d/f"));
  EXPECT_EQ(seen.find("d/f")->entry.mtime, 1234567890);
  ASSERT_TRUE(seen.find("sparse"));
  EXPECT_EQ(seen.find("sparse")->content, slurp("in/sparse"));
  if (GetParam().contains("-S")) EXPECT_LT(seen.find("sparse")->stored, 500000u);
}

INSTANTIATE_TEST_SUITE_P(Formats, GnuTarFormat,
                         testing::Values("--format=v7 --exclude=d/p", "--format=ustar", "--format=oldgnu -S",
                                         "--format=gnu -S", "--format=pax", "--format=pax -S --sparse-version=0.0",
                                         "--format=pax -S --sparse-version=0.1", "--format=pax -S --sparse-version=1.0"),
                         [](const auto& info) { return cat("Format", info.index); });

TEST_F(GnuTar, ReadsWhatWeWrite) {
  std::string name = "dir/" + std::string(150, 'n') + "/" + std::string(120, 'm');
  Archive archive;
  archive.add({.type = TarType::kDirectory, .name = "dir", .mode = 0755});
  archive.add({.name = name, .mode = 0640, .mtime = 1234567890, .mtime_nanos = 5}, "content");
  archive.add({.name = "ü", .mode = 0640, .mtime = 1234567890}, std::string(10000, 'x'));
  archive.add({.type = TarType::kSymlink, .name = "s", .linkname = std::string(140, 'l')});
  std::ofstream(directory_ + "/a.tar", std::ios::binary) << archive.finished();
  run("cd " + directory_ + " && tar -xf a.tar && tar -df a.tar && test \"$(stat -c %Y ü)\" = 1234567890");
  EXPECT_EQ(slurp(name), "content");
}

}  // namespace
}  // namespace kobuk::codec
