#include "results/hdf5.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "results/folder.h"

namespace bitwright::h5 {

// Everything is closed by its owner. What is left when the process ends belongs to a file that
// could not be written, and crashes HDF5 when it tries to close it. Said before the library's first
// call.
[[maybe_unused]] static const bool nothing_closed_at_exit = H5dont_atexit() >= 0;

void silence() {
  thread_local const bool done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  (void)done;
}

/// HDF5's innermost message about the last failure.
static std::string innermost_cause() {
  std::string cause;
  const auto innermost = [](unsigned depth, const H5E_error2_t* entry, void* out) -> herr_t {
    if (depth == 0 && entry->desc) *static_cast<std::string*>(out) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, &cause);
  return cause;
}

/// errno of the system call that such a message tells of; 0 when it tells of none.
static int errno_in(const std::string& innermost) {
  constexpr std::string_view mark = "errno = ";
  int error = 0;
  if (const auto begin = innermost.find(mark); begin != std::string::npos)
    std::from_chars(innermost.data() + begin + mark.size(), innermost.data() + innermost.size(),
                    error);
  return error;
}

static std::string readable(const std::string& innermost) {
  constexpr std::string_view mark = "error message = '";
  if (const auto begin = innermost.find(mark); begin != std::string::npos) {
    const auto from = begin + mark.size();
    return innermost.substr(from, innermost.find('\'', from) - from);
  }
  return innermost.empty() ? "no cause given" : innermost;
}

std::string last_cause() { return readable(innermost_cause()); }

static thread_local std::optional<std::string> failed_close;

void note_failed_close() {
  if (!failed_close) failed_close = innermost_cause();
}

void forget_failed_close() { failed_close.reset(); }

Handle File::own(hid_t id, std::string_view doing) const {
  if (id < 0) fail(doing);
  return Handle(id);
}

void File::check(long long status, std::string_view doing) const {
  if (status < 0) fail(doing);
}

void File::fail(std::string_view doing) const { fail(doing, innermost_cause()); }

void File::fail(std::string_view doing, const std::string& innermost) const {
  const int error = errno_in(innermost);
  // Who may not read a file needs no other folder.
  const std::string_view remedy = error == EACCES ? "" : results::remedy(error);
  throw Error(status_, Place{name_}, fmt::format("cannot {}: {}", doing, readable(innermost)), {},
              remedy);
}

void File::check_closed(std::string_view doing) const {
  if (const auto cause = std::exchange(failed_close, std::nullopt)) fail(doing, *cause);
}

void File::damaged(std::string_view what) const {
  throw Error(status_, Place{name_}, fmt::format("damaged: {}", what));
}

std::string File::check_format(hid_t root, std::string_view format, int newest) const {
  const auto version = attribute(root, "format_version");
  if (attribute(root, "format") != format || !version)
    throw storage_error(name_, fmt::format("an HDF5 file, but not a {}", format));
  int major = 0;
  std::from_chars(version->data(), version->data() + version->size(), major);
  if (major < 1) damaged(fmt::format("format version '{}'", *version));
  if (major > newest)
    throw storage_error(name_, fmt::format("written in format version {}", *version),
                        fmt::format("this program reads up to {}.x", newest),
                        "use a newer bitwright");
  return *version;
}

Handle File::text_type(std::size_t bytes) const {
  Handle type = own(H5Tcopy(H5T_C_S1), "make a string type");
  check(H5Tset_size(type, std::max<std::size_t>(bytes, 1)), "make a string type");
  check(H5Tset_strpad(type, H5T_STR_NULLPAD), "make a string type");
  check(H5Tset_cset(type, H5T_CSET_UTF8), "make a string type");
  return type;
}

void File::put_attribute(hid_t object, const char* name, std::string_view text) const {
  const std::string doing = fmt::format("write attribute '{}'", name);
  const Handle type = text_type(text.size());
  const Handle space = own(H5Screate(H5S_SCALAR), doing);
  const Handle attribute =
      own(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), doing);
  const std::string value(text);  // ends in NUL, which stands for an empty text
  check(H5Awrite(attribute, type, value.c_str()), doing);
}

static std::string without_padding(std::string text) {
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

std::optional<std::string> File::attribute(hid_t object, const char* name) const {
  const std::string doing = fmt::format("read attribute '{}'", name);
  const htri_t there = H5Aexists(object, name);
  check(there, doing);
  if (!there) return std::nullopt;
  const Handle attribute = own(H5Aopen(object, name, H5P_DEFAULT), doing);
  const Handle type = own(H5Aget_type(attribute), doing);
  const Handle space = own(H5Aget_space(attribute), doing);
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) ||
      H5Sget_simple_extent_npoints(space) != 1)
    return std::nullopt;
  std::string text(H5Tget_size(type), '\0');
  check(H5Aread(attribute, text_type(text.size()), text.data()), doing);
  return without_padding(std::move(text));
}

void File::put_text(hid_t parent, const char* name, std::string_view text, hid_t creation) const {
  const std::string doing = fmt::format("write '{}'", name);
  const Handle type = text_type(text.size());
  const Handle space = own(H5Screate(H5S_SCALAR), doing);
  const Handle set =
      own(H5Dcreate2(parent, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT), doing);
  const std::string value(text);
  check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value.c_str()), doing);
}

std::string File::text(hid_t parent, const char* name) const {
  const std::string doing = fmt::format("read '{}'", name);
  const Handle set = own(H5Dopen2(parent, name, H5P_DEFAULT), doing);
  const Handle type = own(H5Dget_type(set), doing);
  const Handle space = own(H5Dget_space(set), doing);
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) ||
      H5Sget_simple_extent_npoints(space) != 1)
    damaged(fmt::format("'{}' is not one text of fixed length", name));
  std::string text(H5Tget_size(type), '\0');
  check(H5Dread(set, text_type(text.size()), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()), doing);
  return without_padding(std::move(text));
}

bool File::has_link(hid_t parent, const std::string& name) const {
  const htri_t there = H5Lexists(parent, name.c_str(), H5P_DEFAULT);
  check(there, fmt::format("look for '{}'", name));
  return there > 0;
}

bool File::is_group(hid_t parent, const std::string& name) const {
  const std::string doing = fmt::format("open '{}'", name);
  const Handle object = own(H5Oopen(parent, name.c_str(), H5P_DEFAULT), doing);
  return H5Iget_type(object) == H5I_GROUP;
}

std::vector<std::string> File::links(hid_t group) const {
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  std::vector<std::string> names;
  if (H5Literate(group, H5_INDEX_CRT_ORDER, H5_ITER_INC, nullptr, add, &names) >= 0) return names;
  names.clear();  // made by another program, without creation order
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), "list a group");
  return names;
}

Handle dataset_properties() {
  Handle properties(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(properties, false);
  return properties;
}

Handle group_properties() {
  Handle properties(H5Pcreate(H5P_GROUP_CREATE));
  H5Pset_obj_track_times(properties, false);
  H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  return properties;
}

Handle file_properties() {
  Handle properties(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(properties, false);
  H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  return properties;
}

}  // namespace bitwright::h5
