#include "experiment/deployed_network.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include <bitwright/core/error.h>
#include <bitwright/quant/bit_stream.h>

#include "experiment/assembly.h"

namespace bitwright {
namespace {

// Numbers of a header. `kind` 0: f32 values; 1: codes, and how many scales, offsets and numbers of
// a code book there are.
enum Header { kind, bits, first, scales, offsets, numbers, header_size };

Tensor of_floats(const std::vector<float>& values) {
  if (values.empty()) return {};
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

std::vector<float> floats_of(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {tensor.values().begin(), tensor.values().end()};
}

Tensor floats(std::int32_t count) {
  return count == 0 ? Tensor() : Tensor::empty(Shape{std::int64_t{count}});
}

// No storage has zero bytes: a tensor whose codes are all one has no stream.
Tensor bytes(std::size_t count) {
  return count == 0 ? Tensor() : Tensor::empty({{static_cast<std::int64_t>(count)}, DType::u8});
}

class ByteCounter final : public StateVisitor {
 public:
  std::int64_t total = 0;
  void tensor(std::string_view, Tensor& value) override {
    if (value.defined()) total += static_cast<std::int64_t>(value.bytes());
  }
  void integer(std::string_view, std::int64_t&) override { total += 8; }
  void real(std::string_view, double&) override { total += 8; }
  void text(std::string_view, std::string& value) override {
    total += static_cast<std::int64_t>(value.size());
  }
  void enter(std::string_view) override {}
  void leave() override {}
};

}  // namespace

StoredWeight::StoredWeight(const Parameter& parameter)
    : name_(parameter.name),
      shape_(parameter.value.shape()),
      header_(Tensor::empty({{header_size}, DType::i32})) {
  std::fill_n(header_.i32(), header_size, 0);
}

StoredWeight::StoredWeight(const Parameter& parameter, const MethodStack& methods)
    : StoredWeight(parameter) {
  Tensor hard = Tensor::empty(shape_);
  methods.write_deployed(parameter, Deployment::hard, hard);
  const std::optional<Coded> coded = methods.coded(parameter);
  if (!coded) {
    value_ = hard;
    return;
  }
  const auto count = [](const auto& list) { return static_cast<std::int32_t>(list.size()); };
  std::int32_t* const header = header_.i32();
  header[kind] = 1;
  header[bits] = coded->bits;
  header[first] = coded->first;
  header[scales] = count(coded->scale);
  header[offsets] = count(coded->offset);
  header[numbers] = count(coded->book);
  const auto packed = pack_codes(coded->codes, coded->first, coded->bits);
  codes_ = bytes(packed.size());
  if (!packed.empty()) std::copy(packed.begin(), packed.end(), codes_.u8());
  scale_ = of_floats(coded->scale);
  offset_ = of_floats(coded->offset);
  book_ = of_floats(coded->book);
  const Tensor back = decoded();
  require(std::equal(back.values().begin(), back.values().end(), hard.values().begin()),
          "the codes of '" + name_ + "' do not stand for its deployed weight");
}

void StoredWeight::visit(StateVisitor& visitor) {
  const StateScope scope(visitor, name_);
  visitor.tensor("header", header_);
  fit();
  if (header_.i32()[kind] == 0) return visitor.tensor("value", value_);
  visitor.tensor("codes", codes_);
  visitor.tensor("scale", scale_);
  visitor.tensor("offset", offset_);
  visitor.tensor("book", book_);
}

void StoredWeight::fit() {
  const std::int32_t* const h = header_.i32();
  const std::int64_t n = shape_.numel();
  if (h[kind] == 0) {
    if (!value_.defined()) value_ = Tensor::empty(shape_);
    return;
  }
  const bool by_book = h[numbers] > 0;
  const bool by_scale =
      h[scales] > 0 && n % h[scales] == 0 && (h[offsets] == 0 || h[offsets] == h[scales]);
  if (h[kind] != 1 || h[bits] < 0 || h[bits] > 32 || h[numbers] < 0 || h[numbers] > 65536 ||
      h[scales] < 0 || h[scales] > n || h[offsets] < 0 || h[offsets] > n || !(by_book || by_scale))
    throw std::invalid_argument(fmt::format("the header of weight '{}' fits no weight", name_));
  const std::size_t stream = packed_bytes(static_cast<std::size_t>(n), h[bits]);
  const auto elements = [](const Tensor& t) { return t.defined() ? t.numel() : 0; };
  if (elements(codes_) != static_cast<std::int64_t>(stream)) codes_ = bytes(stream);
  if (elements(scale_) != h[scales]) scale_ = floats(h[scales]);
  if (elements(offset_) != h[offsets]) offset_ = floats(h[offsets]);
  if (elements(book_) != h[numbers]) book_ = floats(h[numbers]);
}

Coded StoredWeight::unpacked() const {
  const std::int32_t* const h = header_.i32();
  Coded coded;
  coded.bits = h[bits];
  coded.first = h[first];
  coded.scale = floats_of(scale_);
  coded.offset = floats_of(offset_);
  coded.book = floats_of(book_);
  coded.codes.resize(static_cast<std::size_t>(shape_.numel()));
  std::span<const std::uint8_t> packed;
  if (codes_.defined()) packed = {codes_.u8(), static_cast<std::size_t>(codes_.numel())};
  unpack_codes(packed, coded.first, coded.bits, coded.codes);
  return coded;
}

Tensor StoredWeight::decoded() const {
  if (header_.i32()[kind] == 0) return value_;
  const Coded coded = unpacked();
  const auto known = static_cast<std::int32_t>(coded.book.size());
  if (known > 0)
    for (const std::int32_t code : coded.codes)
      if (code < 0 || code >= known)
        throw std::invalid_argument(
            fmt::format("weight '{}' has the code {}, which its code book lacks", name_, code));
  Tensor out = Tensor::empty(shape_);
  coded.decode(out.values());
  return out;
}

void visit_payload(StateVisitor& visitor, Network& network, MethodStack& methods,
                   std::vector<StoredWeight>& weights) {
  {
    const StateScope scope(visitor, "weights");
    for (StoredWeight& weight : weights) weight.visit(visitor);
  }
  {
    const StateScope scope(visitor, "statistics");
    for (Buffer& buffer : network.buffers()) visitor.tensor(buffer.name, buffer.value);
  }
  const StateScope scope(visitor, "methods");
  methods.visit_deployed(visitor);
}

std::int64_t payload_bytes(Network& network, MethodStack& methods) {
  std::vector<StoredWeight> weights;
  for (const Parameter& p : network.parameters()) weights.emplace_back(p, methods);
  ByteCounter counter;
  visit_payload(counter, network, methods, weights);
  return counter.total;
}

// The numbers of steps only steer schedules, which no longer matter.
RebuiltNetwork::RebuiltNetwork(const Registries& registries, const Settings& config) {
  const auto& stages = config.sections("stages");
  const Settings& data = data_of(config, stages.front());
  network = build_network(registries, config,
                          input_of(*registries.datasets.make(data, data_root(data)), data));
  initialize(*network, static_cast<std::uint64_t>(config.integer("seed")));
  // Earlier stages only for what their methods hand over; the numbers in it are the file's.
  HandedOverByMethod left;
  for (const Settings& one : stages) {
    const StageInfo info{one.text("name"),
                         static_cast<std::uint64_t>(config.integer("seed")),
                         stage_steps(config, one, 1),
                         1,
                         false,
                         network.get()};
    methods = std::make_unique<MethodStack>(make_methods(registries, one), info,
                                            one.texts("freeze"), left);
    methods->leave(left);
  }
}

}  // namespace bitwright
