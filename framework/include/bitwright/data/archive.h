#pragma once
// Archives are read as they lie, without unpacking them to disk: tar (plain, gzip, xz, bzip2, zstd,
// lzma) and zip.

#include <functional>
#include <string>
#include <string_view>

#include <bitwright/data/byte_stream.h>

namespace bitwright {

/// Whether a file of this name is taken for an archive: .zip, .tar, .tar.gz, .tgz, .tar.xz ...
bool is_archive_name(std::string_view name);

/// Calls `visit(path, bytes)` for every regular file in the archive, in the archive's order. `path`
/// is as the archive has it, without a leading "./". `visit` may leave bytes unread; it returns
/// false to stop. Throws a data error that names the archive and the member when it is truncated
/// or damaged; the check sums of gzip, xz, bzip2, zstd and of zip members are checked.
void for_each_member(const std::string& archive,
                     const std::function<bool(const std::string& path, ByteStream& bytes)>& visit);

}  // namespace bitwright
