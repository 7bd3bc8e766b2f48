#include <algorithm>
#include <bit>
#include <functional>
#include <queue>
#include <stdexcept>
#include <utility>

#include <bitwright/core/error.h>
#include <bitwright/quant/huffman.h>

namespace bitwright {
namespace {

constexpr int kLongest = 32;  // of a word; longer ones need more than 5 million values

int width_of(std::int64_t number) { return std::bit_width(static_cast<std::uint64_t>(number)); }

// Depths of the leaves of Huffman's tree. Of equally heavy nodes the older one is taken first, and
// leaves come before inner nodes: that makes the tree the flattest one, and the lengths definite.
std::vector<int> tree_depths(const std::vector<std::int64_t>& weights) {
  using Node = std::pair<std::int64_t, std::size_t>;  // weight, number
  std::priority_queue<Node, std::vector<Node>, std::greater<>> heap;
  const std::size_t leaves = weights.size();
  for (std::size_t i = 0; i < leaves; ++i) heap.emplace(weights[i], i);
  std::vector<std::size_t> parent(2 * leaves - 1, 0);
  for (std::size_t next = leaves; heap.size() > 1; ++next) {
    const Node a = heap.top();
    heap.pop();
    const Node b = heap.top();
    heap.pop();
    parent[a.second] = parent[b.second] = next;
    heap.emplace(a.first + b.first, next);
  }
  std::vector<int> depth(parent.size(), 0);
  for (std::size_t i = parent.size() - 1; i-- > 0;) depth[i] = depth[parent[i]] + 1;
  depth.resize(leaves);
  return depth;
}

}  // namespace

HuffmanCode HuffmanCode::of(std::span<const std::int64_t> counts) {
  std::vector<std::size_t> symbols;
  std::vector<std::int64_t> weights;
  for (std::size_t s = 0; s < counts.size(); ++s)
    if (counts[s] > 0) {
      symbols.push_back(s);
      weights.push_back(counts[s]);
    }
  std::vector<int> lengths(counts.size(), 0);
  if (symbols.size() < 2)
    return {std::move(lengths), symbols.empty() ? 0 : static_cast<std::int32_t>(symbols[0])};
  std::vector<int> depth = tree_depths(weights);
  // Rare symbols beyond the longest word count for more, until the tree is flat enough.
  while (std::ranges::max(depth) > kLongest) {
    for (std::int64_t& w : weights) w = std::max<std::int64_t>(1, w / 2);
    depth = tree_depths(weights);
  }
  for (std::size_t i = 0; i < symbols.size(); ++i) lengths[symbols[i]] = depth[i];
  return {std::move(lengths), 0};
}

HuffmanCode::HuffmanCode(std::vector<int> lengths, std::int32_t only)
    : lengths_(std::move(lengths)), only_(only), words_(lengths_.size(), 0) {
  of_length_.assign(kLongest + 1, 0);
  for (std::size_t s = 0; s < lengths_.size(); ++s)
    if (lengths_[s] > 0) {
      by_word_.push_back(static_cast<std::int32_t>(s));
      ++of_length_[static_cast<std::size_t>(lengths_[s])];
    }
  const auto length = [&](std::int32_t s) { return lengths_[static_cast<std::size_t>(s)]; };
  std::stable_sort(by_word_.begin(), by_word_.end(),
                   [&](std::int32_t a, std::int32_t b) { return length(a) < length(b); });
  std::uint64_t word = 0;
  int before = 0;
  for (const std::int32_t s : by_word_) {
    word <<= length(s) - before;
    before = length(s);
    words_[static_cast<std::size_t>(s)] = static_cast<std::uint32_t>(word++);
  }
}

std::int64_t HuffmanCode::bits(std::span<const std::int64_t> counts) const {
  require(counts.size() == lengths_.size(), "a count for each symbol");
  std::int64_t total = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) total += counts[s] * lengths_[s];
  return total;
}

void HuffmanCode::write_table(BitWriter& out) const {
  const int longest = lengths_.empty() ? 0 : std::ranges::max(lengths_);
  const auto symbols = static_cast<std::int64_t>(lengths_.size());
  out.put(static_cast<std::uint32_t>(longest), 6);
  if (longest == 0) return out.put(static_cast<std::uint32_t>(only_), width_of(symbols - 1));
  for (const int length : lengths_) out.put(static_cast<std::uint32_t>(length), width_of(longest));
}

std::int64_t HuffmanCode::table_bits() const {
  BitWriter out;
  write_table(out);
  return out.bits();
}

HuffmanCode HuffmanCode::read_table(BitReader& in, std::int64_t symbols) {
  if (symbols < 1) throw std::invalid_argument("a code of no symbols");
  const auto longest = static_cast<int>(in.get(6));
  std::vector<int> lengths(static_cast<std::size_t>(symbols), 0);
  if (longest == 0) {
    const std::uint32_t only = in.get(width_of(symbols - 1));
    if (only >= symbols) throw std::invalid_argument("the only symbol is none of the code's");
    return {std::move(lengths), static_cast<std::int32_t>(only)};
  }
  // Kraft's sum of a complete code is 1.
  std::uint64_t sum = 0;
  for (int& length : lengths) {
    length = static_cast<int>(in.get(width_of(longest)));
    if (length > kLongest) throw std::invalid_argument("a word is too long");
    if (length > 0) sum += std::uint64_t{1} << (kLongest - length);
  }
  if (sum != std::uint64_t{1} << kLongest)
    throw std::invalid_argument("the lengths of the words are those of no code");
  return {std::move(lengths), 0};
}

void HuffmanCode::encode(std::span<const std::int32_t> symbols, BitWriter& out) const {
  for (const std::int32_t symbol : symbols) {
    require(symbol >= 0 && static_cast<std::size_t>(symbol) < lengths_.size(), "no such symbol");
    const auto s = static_cast<std::size_t>(symbol);
    require(lengths_[s] > 0 || (by_word_.empty() && symbol == only_), "a symbol without a word");
    out.put(words_[s], lengths_[s]);
  }
}

// Words of one length are consecutive numbers: a prefix is a word when it lies among them.
void HuffmanCode::decode(BitReader& in, std::span<std::int32_t> symbols) const {
  if (by_word_.empty()) return std::fill(symbols.begin(), symbols.end(), only_);
  for (std::int32_t& symbol : symbols) {
    std::int64_t prefix = 0, first = 0, before = 0;
    for (int length = 1;; ++length) {
      if (length > kLongest) throw std::invalid_argument("no word of the code");
      prefix = prefix << 1 | in.get(1);
      const std::int64_t count = of_length_[static_cast<std::size_t>(length)];
      if (prefix - first < count) {
        symbol = by_word_[static_cast<std::size_t>(before + prefix - first)];
        break;
      }
      before += count;
      first = (first + count) << 1;
    }
  }
}

}  // namespace bitwright
