#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <exception>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/data/archive.h>

#include "data/gunzip.h"

namespace bitwright {

namespace {

using Handle = std::unique_ptr<archive, int (*)(archive*)>;

Error damaged(const std::string& name, archive* handle) {
  const char* const why = archive_error_string(handle);
  return data_error(name,
                    fmt::format("the archive is damaged or cut off ({})",
                                why ? why : "the library gives no reason"),
                    "a whole tar (gz, xz, bz2, zst) or zip file", "fetch the archive again");
}

// libarchive does not check the CRC-32 of gzip, so gzip is unpacked here. Exceptions must not pass
// through its C frames: they wait in `failure`.
struct GzipFeed {
  std::unique_ptr<ByteStream> stream;
  std::array<char, 1 << 16> block;
  std::exception_ptr failure;

  static la_ssize_t next(archive* handle, void* self, const void** block) {
    auto& feed = *static_cast<GzipFeed*>(self);
    *block = feed.block.data();
    try {
      return static_cast<la_ssize_t>(feed.stream->read(feed.block.data(), feed.block.size()));
    } catch (...) {
      feed.failure = std::current_exception();
      archive_set_error(handle, EIO, "gzip");
      return ARCHIVE_FATAL;
    }
  }
};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), handle_(make()) {
    int status = ARCHIVE_OK;
    if (is_gzip(path)) {
      feed_.stream = gunzip(open_file(path));
      status = archive_read_open(handle_.get(), &feed_, nullptr, &GzipFeed::next, nullptr);
    } else {
      status = archive_read_open_filename(handle_.get(), path.c_str(), 1 << 16);
    }
    check(status, path);
  }

  // The next entry, or null at the end.
  archive_entry* next() {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(handle_.get(), &entry);
    if (status == ARCHIVE_EOF) return nullptr;
    // A warning is about what does not matter here, such as a file name that is no valid text.
    if (status != ARCHIVE_WARN) check(status, path_);
    return entry;
  }

  std::size_t read(void* to, std::size_t bytes, const std::string& name) {
    std::size_t done = 0;
    while (done < bytes) {
      const la_ssize_t got =
          archive_read_data(handle_.get(), static_cast<char*>(to) + done, bytes - done);
      if (got == 0) break;
      if (got < 0) check(ARCHIVE_FATAL, name);
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  // Named one by one: "all" would include those that run external programs.
  static Handle make() {
    Handle handle(archive_read_new(), &archive_read_free);
    require(handle != nullptr, "libarchive gives no reader");
    for (auto* support : {&archive_read_support_filter_xz, &archive_read_support_filter_lzma,
                          &archive_read_support_filter_bzip2, &archive_read_support_filter_zstd,
                          &archive_read_support_format_tar, &archive_read_support_format_zip})
      support(handle.get());
    return handle;
  }

  void check(int status, const std::string& name) {
    if (feed_.failure) std::rethrow_exception(feed_.failure);
    if (status != ARCHIVE_OK) throw damaged(name, handle_.get());
  }

  std::string path_;
  GzipFeed feed_;  // before the handle, which uses it until it is freed
  Handle handle_;
};

class MemberStream : public ByteStream {
 public:
  MemberStream(std::string name, Reader& reader) : ByteStream(std::move(name)), reader_(reader) {}
  std::size_t read(void* to, std::size_t bytes) override { return reader_.read(to, bytes, name()); }

 private:
  Reader& reader_;
};

}  // namespace

bool is_archive_name(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array endings{".zip",  ".tar",      ".tar.gz", ".tgz", ".tar.xz",
                               ".txz",  ".tar.bz2",  ".tbz2",   ".tbz", ".tar.zst",
                               ".tzst", ".tar.lzma", ".tlz"};
  return std::any_of(endings.begin(), endings.end(),
                     [&](const char* ending) { return lower.ends_with(ending); });
}

void for_each_member(const std::string& archive,
                     const std::function<bool(const std::string& path, ByteStream& bytes)>& visit) {
  Reader reader(archive);
  while (archive_entry* const entry = reader.next()) {
    const char* const raw = archive_entry_pathname(entry);
    if (archive_entry_filetype(entry) != AE_IFREG || raw == nullptr) continue;
    if (archive_entry_hardlink(entry) != nullptr) continue;  // has no bytes of its own
    std::string path(raw);
    while (path.starts_with("./")) path.erase(0, 2);
    MemberStream bytes(fmt::format("{}({})", archive, path), reader);
    if (!visit(path, bytes)) return;
  }
}

}  // namespace bitwright
