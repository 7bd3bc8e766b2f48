#pragma once
// What all users of HDF5 here share: handles that close themselves, failures as one line, UTF-8
// strings of fixed length.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hdf5.h>

#include <bitwright/core/error.h>

namespace bitwright::h5 {

/// Remembers that an object could not be closed, for File::check_closed.
void note_failed_close();
/// Such as that of a file given up earlier.
void forget_failed_close();

/// Owns one reference to an HDF5 identifier of any kind.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() { reset(); }

  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }
  void reset() {
    if (valid() && H5Idec_ref(std::exchange(id_, H5I_INVALID_HID)) < 0) note_failed_close();
  }
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

/// Stops HDF5 from printing its error stack in this thread; failures are reported by File.
void silence();

/// The cause of the last failure: the system's message where there is one, else HDF5's innermost.
std::string last_cause();

/// A file name with the conversion of HDF5 failures into errors that name it: storage errors, of
/// files that the user brings data errors.
class File {
 public:
  explicit File(std::string name, ExitStatus status = ExitStatus::storage)
      : name_(std::move(name)), status_(status) {
    silence();
  }

  const std::string& name() const { return name_; }
  /// Takes ownership; throws "cannot DOING: CAUSE" when the call that made `id` failed.
  Handle own(hid_t id, std::string_view doing) const;
  /// Same for calls that return a status, a count or a truth value: negative is failure.
  void check(long long status, std::string_view doing) const;
  [[noreturn]] void fail(std::string_view doing) const;
  /// Throws when a handle of this thread failed to close since the last call. HDF5 writes small
  /// datasets only when they are closed, and handles close where nothing can be thrown.
  void check_closed(std::string_view doing) const;
  /// For content that HDF5 accepts and we do not.
  [[noreturn]] void damaged(std::string_view what) const;

  /// The attribute format_version, after checking that the file is one of ours ("bitwright run")
  /// and of a major version up to `newest`.
  std::string check_format(hid_t root, std::string_view format, int newest) const;

  Handle text_type(std::size_t bytes) const;
  void put_attribute(hid_t object, const char* name, std::string_view text) const;
  std::optional<std::string> attribute(hid_t object, const char* name) const;
  void put_text(hid_t parent, const char* name, std::string_view text, hid_t creation) const;
  std::string text(hid_t parent, const char* name) const;
  bool has_link(hid_t parent, const std::string& name) const;
  /// Whether the name leads to a group.
  bool is_group(hid_t parent, const std::string& name) const;
  /// Names of the links of a group in the order of their creation.
  std::vector<std::string> links(hid_t group) const;

 private:
  [[noreturn]] void fail(std::string_view doing, const std::string& innermost) const;

  std::string name_;
  ExitStatus status_;
};

/// Creation properties without timestamps: equal content gives equal bytes.
Handle dataset_properties();
/// Also keeps the order in which links are created.
Handle group_properties();
/// File creation properties to the same end (for the root group).
Handle file_properties();

}  // namespace bitwright::h5
