#include "results/memory_file.h"

#include <cstdlib>
#include <cstring>

namespace bitwright::results {

// H5Fget_file_image would be simpler, but it clears the mark of an open file after the superblock's
// checksum was made, and the image does not open (seen in 1.10.8). So we take the buffer of the
// core driver when the file is closed.
struct MemoryCallbacks {
  static void* allocate(std::size_t size, H5FD_file_image_op_t, void*) { return std::malloc(size); }
  static void* copy(void* to, const void* from, std::size_t size, H5FD_file_image_op_t, void*) {
    return std::memcpy(to, from, size);
  }
  static void* resize(void* old, std::size_t size, H5FD_file_image_op_t, void* owner) {
    static_cast<MemoryFile*>(owner)->size_ = size;
    return std::realloc(old, size);
  }
  static herr_t release(void* buffer, H5FD_file_image_op_t operation, void* owner) {
    auto* file = static_cast<MemoryFile*>(owner);
    if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
      file->bytes_.assign(static_cast<const char*>(buffer), file->size_);
    std::free(buffer);
    return 0;
  }
  static void* same_owner(void* owner) { return owner; }
  static herr_t keep_owner(void*) { return 0; }
};

/// The format is 1.8's, whatever library writes: all its metadata is checksummed, and every HDF5
/// since reads it.
static h5::Handle memory_access() {
  constexpr std::size_t increment = 4096;
  h5::Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access, increment, false);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  return access;
}

MemoryFile::MemoryFile(const h5::File& file) : file_(file) {
  const h5::Handle access = memory_access();
  H5FD_file_image_callbacks_t callbacks = {MemoryCallbacks::allocate,
                                           MemoryCallbacks::copy,
                                           MemoryCallbacks::resize,
                                           MemoryCallbacks::release,
                                           MemoryCallbacks::same_owner,
                                           MemoryCallbacks::keep_owner,
                                           this};
  file_.check(H5Pset_file_image_callbacks(access, &callbacks), "make a file in memory");
  handle_ = file_.own(H5Fcreate("file in memory", H5F_ACC_TRUNC, h5::file_properties(), access),
                      "make a file in memory");
}

h5::Handle MemoryFile::root() const {
  return file_.own(H5Gopen2(handle_, "/", H5P_DEFAULT), "make a file in memory");
}

std::string MemoryFile::close() {
  file_.check(H5Fclose(handle_.release()), "make a file in memory");
  return std::move(bytes_);
}

h5::Handle open_image(const h5::File& file, const std::string& image) {
  const h5::Handle access = memory_access();
  // HDF5 copies the buffer that it is given here. It refuses a name that exists.
  file.check(H5Pset_file_image(access, const_cast<char*>(image.data()), image.size()),
             "read the checkpoint");
  return file.own(H5Fopen("/dev/null/file in memory", H5F_ACC_RDONLY, access),
                  "read the checkpoint");
}

}  // namespace bitwright::results
