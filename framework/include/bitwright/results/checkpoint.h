#pragma once
// Checkpoints: complete state of a run as one HDF5 file. Equal state gives equal bytes. A SHA-256
// of everything before it ends the file, so damage and truncation are noticed before anything is
// restored. All failures are storage errors (exit status 5).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bitwright/core/error.h>
#include <bitwright/tensor/memory_state.h>

namespace bitwright {

/// A kind of file in this form.
struct StateFormat {
  const char* name;     ///< of the attribute `format`
  const char* noun;     ///< in messages
  const char* version;  ///< of the attribute `format_version`
  int major;            ///< newest that is read
};
inline constexpr StateFormat checkpoint_format{"bitwright checkpoint", "checkpoint", "1.0", 1};
inline constexpr StateFormat deployed_format{"bitwright deployed network", "exported network",
                                             "1.0", 1};

/// The bytes of a checkpoint file. Scopes become groups, tensors datasets of their shape in plain
/// layout, numbers and texts scalar datasets; a tensor that is undefined is an empty dataset.
std::string checkpoint_image(const VisitState& visit,
                             const StateFormat& format = checkpoint_format);

/// Writes checkpoint_image(visit) to `path` with write_atomically.
void save_checkpoint(const std::string& path, const VisitState& visit,
                     const StateFormat& format = checkpoint_format);

/// A checkpoint that was read and found whole.
class Checkpoint {
 public:
  /// Throws when the file is unreadable, truncated, damaged, or of a newer format.
  static Checkpoint open(const std::string& path, const StateFormat& format = checkpoint_format);

  /// Overwrites the visited state in place. Both sides must have the same names, types and shapes;
  /// the first entry that is missing, of another kind, or left over is named in the error. State
  /// visited before the error was found has been overwritten.
  void load(const VisitState& visit) const;
  /// Same for the entries of one scope, "network" or "network/conv1"; `visit` does not enter it.
  void load_scope(const std::string& scope, const VisitState& visit) const;

  const std::string& path() const { return path_; }
  const std::string& image() const { return *image_; }  ///< the HDF5 file, without its seal

 private:
  std::string path_;
  std::shared_ptr<const std::string> image_;
};

/// "checkpoint-00001200.h5"
std::string checkpoint_name(std::int64_t step);
/// The step in such a name; nothing for another name.
std::optional<std::int64_t> checkpoint_step(std::string_view file_name);
/// Paths of the checkpoints in a folder, newest (highest step) first; none without the folder.
std::vector<std::string> list_checkpoints(const std::string& folder);
/// The newest checkpoint that is whole. `unusable` is told about each newer one that is not.
std::optional<Checkpoint> newest_checkpoint(const std::string& folder,
                                            const std::function<void(const Error&)>& unusable);
/// Renames a checkpoint that cannot be used to NAME.unusable, so that it neither counts as one of
/// those to keep nor is mistaken for one.
void set_aside(const std::string& path);
/// Removes all checkpoints of a folder but the newest `keep` (at least 1).
void prune_checkpoints(const std::string& folder, int keep);

/// Writes a file so that at any moment, also after a kill or a power loss, `path` holds either its
/// earlier content or all of `bytes`: written beside, forced to the disk, renamed. When that fails
/// (disk full ...), nothing is left beside and `path` is as it was.
void write_atomically(const std::string& path, std::string_view bytes);

}  // namespace bitwright
