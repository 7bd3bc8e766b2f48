#pragma once
// Reads the pickles of the CIFAR files, and nothing else. A pickle is a program for a small stack
// machine that can name and call any Python object; here it can build numbers, strings, lists,
// tuples, dictionaries and NumPy arrays of bytes, and every other instruction or name is refused.
// Nothing is ever called. Protocols 2 to 5, as Python 2, Python 3 and NumPy 1 and 2 write them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitwright::cifar {

/// A value in a Pickle; others are referred to by their index.
struct PickleValue {
  enum class Kind { none, boolean, integer, text, list, tuple, dictionary, name, dtype, array };
  using Ref = std::uint32_t;

  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< also of a boolean; of an array: its rows
  std::int64_t columns = 0;  ///< of an array [rows][columns]
  std::string_view text;     ///< bytes or string; "module name"; the bytes of an array
  std::vector<Ref> items;    ///< of a list or tuple; of a dictionary key, value, key, value ...
};

/// What a pickle holds. Views point into the bytes that were parsed.
struct Pickle {
  std::vector<PickleValue> values;
  PickleValue::Ref root = 0;

  const PickleValue& at(PickleValue::Ref ref) const { return values[ref]; }
};

/// Throws a data error at `file` that names the byte where the pickle is cut off, damaged, or does
/// what these files never do. Time and memory stay in proportion to the number of bytes.
Pickle parse_pickle(std::string_view bytes, const std::string& file);

}  // namespace bitwright::cifar
