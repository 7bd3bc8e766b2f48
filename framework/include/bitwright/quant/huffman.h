#pragma once
// Canonical Huffman codes (Huffman 1952; Schwartz and Kallick 1964): among the shortest prefix
// codes, the one that the lengths of its words determine.

#include <cstdint>
#include <span>
#include <vector>

#include <bitwright/quant/bit_stream.h>

namespace bitwright {

/// A prefix code for symbols 0 .. n - 1 of which those that occur have a word.
///   const auto code = HuffmanCode::of(counts);
///   BitWriter out;
///   code.write_table(out);
///   code.encode(symbols, out);
class HuffmanCode {
 public:
  /// The shortest code for symbols that occur this often. Words follow the order of the symbols
  /// among those of one length. A symbol that does not occur gets no word; one that is alone gets
  /// the empty word, because nothing needs to be said about it.
  static HuffmanCode of(std::span<const std::int64_t> counts);

  /// Bits of each symbol's word; 0 for symbols without one.
  const std::vector<int>& lengths() const { return lengths_; }
  /// Bits of all words of symbols that occur this often.
  std::int64_t bits(std::span<const std::int64_t> counts) const;

  /// The code itself, as whoever decodes needs it: the longest length in 6 bits, then each symbol's
  /// length in as many bits as the longest one takes; where that is 0, the one symbol instead, in
  /// as many bits as n - 1 takes.
  void write_table(BitWriter& out) const;
  std::int64_t table_bits() const;
  /// Throws std::invalid_argument for what is no table of n symbols.
  static HuffmanCode read_table(BitReader& in, std::int64_t symbols);

  /// All symbols must have words.
  void encode(std::span<const std::int32_t> symbols, BitWriter& out) const;
  /// Throws std::out_of_range when the stream ends early, std::invalid_argument where it holds no
  /// word.
  void decode(BitReader& in, std::span<std::int32_t> symbols) const;

 private:
  HuffmanCode(std::vector<int> lengths, std::int32_t only);
  std::vector<int> lengths_;
  std::int32_t only_ = 0;                // the symbol of a code with the empty word
  std::vector<std::uint32_t> words_;     // by symbol
  std::vector<std::int32_t> by_word_;    // symbols with words, in the order of these
  std::vector<std::int64_t> of_length_;  // words of each length
};

}  // namespace bitwright
