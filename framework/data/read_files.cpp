#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include <bitwright/core/digest.h>
#include <bitwright/core/error.h>
#include <bitwright/data/archive.h>
#include <bitwright/data/data_files.h>

#include "data/gunzip.h"
#include "data/search.h"
#include "data/verified.h"

namespace bitwright {

namespace {

// Both digests of what passes through.
struct Digests {
  Digest sha256{Digest::Kind::sha256}, md5{Digest::Kind::md5};
  void update(const void* data, std::size_t bytes) {
    sha256.update(data, bytes);
    md5.update(data, bytes);
  }
};

// Counts the bytes of another stream and hashes them when there are `digests`.
class Watched : public ByteStream {
 public:
  Watched(ByteStream& from, Digests* digests)
      : ByteStream(from.name()), from_(from), digests_(digests) {}

  std::size_t read(void* to, std::size_t bytes) override {
    const std::size_t got = from_.read(to, bytes);
    if (digests_ != nullptr) digests_->update(to, got);
    bytes_ += got;
    return got;
  }
  std::uint64_t bytes() const { return bytes_; }

  // What the visitor left: packing is only known to be whole at its end.
  void drain() {
    std::array<char, 1 << 16> block;
    while (read(block.data(), block.size()) > 0) {
    }
  }

 private:
  ByteStream& from_;
  Digests* digests_;
  std::uint64_t bytes_ = 0;
};

using Visit = std::function<void(const FileRole&, ByteStream&)>;

// Reads the files of one copy and compares them with the official ones.
class CopyReader {
 public:
  CopyReader(const DataCopy& copy, const DataRoot& root, const DataLayout& layout,
             const ReadOptions& options, const Visit& visit)
      : copy_(copy), root_(root), layout_(layout), options_(options), visit_(visit) {}

  std::vector<ReadFile> run() {
    if (copy_.archive)
      read_archive();
    else
      read_folder();
    return std::move(files_);
  }

 private:
  const WantedFile& wanted(const FileRole& role) const {
    return layout_.forms[role.form].files[role.file];
  }

  std::optional<HashesByName> recall(const FileState& state) const {
    return root_.verify_again ? std::nullopt : state.recall(root_.cache);
  }

  void read_folder() {
    files_.resize(copy_.files.size());
    for (std::size_t i = 0; i < copy_.files.size(); ++i) read_one(copy_.files[i], {copy_.form, i});
  }

  void read_one(const std::string& path, const FileRole& role) {
    const FileState state(path);
    const auto known = recall(state);
    HashesByName hashes;
    if (is_gzip(path))
      hashes = take_gzip(role, *open_file(path), known);
    else
      hashes = take(role, *open_unpacked(path), known);
    if (!known) state.remember(root_.cache, hashes);
  }

  void read_archive() {
    const FileState state(copy_.path);
    const auto known = recall(state);
    HashesByName hashes;
    std::optional<std::size_t> form;
    std::size_t left = 0;
    for_each_member(copy_.path, [&](const std::string& member, ByteStream& bytes) {
      const auto role = role_of(member, form);
      if (!role) return true;
      if (!form) {
        form = role->form;
        left = layout_.forms[*form].files.size();
        files_.resize(left);
      }
      if (!files_[role->file].name.empty()) return true;  // raw and .gz side by side
      hashes.merge(member.ends_with(".gz") ? take_gzip(*role, bytes, known)
                                           : take(*role, bytes, known));
      return --left > 0;
    });
    if (!form || left > 0) throw missing_members(form);
    if (!known) state.remember(root_.cache, hashes);
  }

  // Members are known by the last part of their path, in whatever folder they lie.
  std::optional<FileRole> role_of(const std::string& member,
                                  std::optional<std::size_t> form) const {
    const std::string name = member.substr(member.rfind('/') + 1);
    const auto is = [&](const WantedFile& file, const std::string& spelling) {
      return name == spelling || (file.may_be_gzip && name == spelling + ".gz");
    };
    for (std::size_t f = 0; f < layout_.forms.size(); ++f) {
      if (form && f != *form) continue;
      const auto& files = layout_.forms[f].files;
      for (std::size_t i = 0; i < files.size(); ++i)
        for (const std::string& spelling : files[i].names)
          if (is(files[i], spelling)) return FileRole{f, i};
    }
    return {};
  }

  // Hands the bytes to the visitor, judges the file, and returns its hashes.
  HashesByName take(const FileRole& role, ByteStream& bytes,
                    const std::optional<HashesByName>& known) {
    Hashes h = pass_on(role, bytes, known);
    judge(role, bytes.name(), h);
    return {{wanted(role).names.front(), std::move(h)}};
  }

  HashesByName take_gzip(const FileRole& role, ByteStream& packed,
                         const std::optional<HashesByName>& known) {
    Digests digests;
    const auto unpacked =
        gunzip(std::make_unique<Watched>(packed, remembered(role, known) ? nullptr : &digests));
    Hashes h = pass_on(role, *unpacked, known);
    if (!remembered(role, known)) {
      h.gzip_sha256 = digests.sha256.hex();
      h.gzip_md5 = digests.md5.hex();
    }
    judge(role, packed.name(), h);
    return {{wanted(role).names.front(), std::move(h)}};
  }

  const Hashes* remembered(const FileRole& role, const std::optional<HashesByName>& known) const {
    if (!known) return nullptr;
    const auto at = known->find(wanted(role).names.front());
    return at == known->end() ? nullptr : &at->second;
  }

  Hashes pass_on(const FileRole& role, ByteStream& bytes,
                 const std::optional<HashesByName>& known) {
    const Hashes* const before = remembered(role, known);
    Digests digests;
    Watched watched(bytes, before ? nullptr : &digests);
    visit_(role, watched);
    watched.drain();
    if (before) return *before;
    return {watched.bytes(), digests.sha256.hex(), digests.md5.hex(), {}, {}};
  }

  void judge(const FileRole& role, const std::string& path, const Hashes& h) {
    const OfficialFile& official = wanted(role).official;
    ReadFile file{wanted(role).names.front(), path, h.sha256, h.bytes, verdict(official, h)};
    refuse_stranger(path, h);
    if (file.verdict == ReadFile::Verdict::changed && options_.refuse_changed)
      throw data_error(path,
                       fmt::format("the file is damaged or was changed: its SHA-256 is {}, its "
                                   "MD5 {}",
                                   h.sha256, h.md5),
                       fmt::format("the official {} with {}", file.name,
                                   fmt::format("{}", fmt::join(official.digests, " or "))),
                       fmt::format("get it again (scripts/fetch-data {}), or set "
                                   "data.official=false when the change is meant",
                                   layout_.fetch));
    files_[role.file] = std::move(file);
  }

  static bool contains(const std::vector<std::string>& digests, const std::string& digest) {
    return !digest.empty() && std::find(digests.begin(), digests.end(), digest) != digests.end();
  }

  static ReadFile::Verdict verdict(const OfficialFile& official, const Hashes& h) {
    using Verdict = ReadFile::Verdict;
    if (contains(official.digests, h.sha256) || contains(official.digests, h.md5) ||
        contains(official.gzip_digests, h.gzip_sha256) ||
        contains(official.gzip_digests, h.gzip_md5))
      return Verdict::official;
    if (official.bytes == 0) return Verdict::unknown;
    if (h.bytes != official.bytes) return Verdict::other_size;
    return official.digests.empty() ? Verdict::unknown : Verdict::changed;
  }

  void refuse_stranger(const std::string& path, const Hashes& h) const {
    for (const std::string& digest : {h.sha256, h.md5, h.gzip_sha256, h.gzip_md5})
      if (const auto at = layout_.strangers.find(digest); at != layout_.strangers.end())
        throw data_error(path, fmt::format("this is a file of {}", at->second),
                         fmt::format("a file of {}", layout_.set),
                         "choose the data set by data.name, or correct data.root");
  }

  Error missing_members(std::optional<std::size_t> form) const {
    std::vector<std::string> missing;
    const DataForm& wanted_form = layout_.forms[form.value_or(0)];
    for (std::size_t i = 0; i < wanted_form.files.size(); ++i)
      if (!form || files_[i].name.empty()) missing.push_back(wanted_form.files[i].names.front());
    return data_error(
        copy_.path,
        form ? fmt::format("the archive lacks {}", enumerate(missing))
             : fmt::format("the archive holds no file of {}", layout_.set),
        fmt::format("an archive with {}", form ? "all of its files" : enumerate(missing)),
        fmt::format("get it again (scripts/fetch-data {})", layout_.fetch));
  }

  const DataCopy& copy_;
  const DataRoot& root_;
  const DataLayout& layout_;
  const ReadOptions& options_;
  const Visit& visit_;
  std::vector<ReadFile> files_;
};

}  // namespace

std::vector<ReadFile> read_copy(const DataCopy& copy, const DataRoot& root,
                                const DataLayout& layout, const ReadOptions& options,
                                const Visit& visit) {
  return CopyReader(copy, root, layout, options, visit).run();
}

}  // namespace bitwright
