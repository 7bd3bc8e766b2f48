#include <algorithm>
#include <utility>

#include <bitwright/core/options.h>

namespace bitwright {

Options& Options::add(Option option) {
  require(find(option.name) == nullptr, "option '" + option.name + "' is declared twice");
  list_.push_back(std::move(option));
  return *this;
}

static Option make(std::string name, OptionType type, std::string doc,
                   std::optional<OptionValue> fallback = {}) {
  Option o;
  o.name = std::move(name);
  o.type = type;
  o.doc = std::move(doc);
  o.fallback = std::move(fallback);
  return o;
}

Options& Options::boolean(std::string name, bool fallback, std::string doc) {
  return add(make(std::move(name), OptionType::boolean, std::move(doc), fallback));
}
Options& Options::integer(std::string name, std::int64_t fallback, std::string doc) {
  return add(make(std::move(name), OptionType::integer, std::move(doc), fallback));
}
Options& Options::integer(std::string name, std::string doc) {
  return add(make(std::move(name), OptionType::integer, std::move(doc)));
}
Options& Options::real(std::string name, double fallback, std::string doc) {
  return add(make(std::move(name), OptionType::real, std::move(doc), fallback));
}
Options& Options::real(std::string name, std::string doc) {
  return add(make(std::move(name), OptionType::real, std::move(doc)));
}
Options& Options::text(std::string name, std::string fallback, std::string doc) {
  return add(make(std::move(name), OptionType::text, std::move(doc), std::move(fallback)));
}
Options& Options::text(std::string name, std::string doc) {
  return add(make(std::move(name), OptionType::text, std::move(doc)));
}
Options& Options::choice(std::string name, std::vector<std::string> choices, std::string fallback,
                         std::string doc) {
  choice(std::move(name), std::move(choices), std::move(doc));
  list_.back().fallback = std::move(fallback);
  return *this;
}
Options& Options::choice(std::string name, std::vector<std::string> choices, std::string doc) {
  add(make(std::move(name), OptionType::choice, std::move(doc)));
  list_.back().choices = std::move(choices);
  return *this;
}
Options& Options::length(std::string name, Length fallback, std::string doc) {
  return add(make(std::move(name), OptionType::length, std::move(doc), fallback)).above(0);
}
Options& Options::length(std::string name, std::string doc) {
  return add(make(std::move(name), OptionType::length, std::move(doc))).above(0);
}
Options& Options::reals(std::string name, std::vector<double> fallback, std::string doc) {
  return add(make(std::move(name), OptionType::real_list, std::move(doc), std::move(fallback)));
}
Options& Options::integers(std::string name, std::vector<std::int64_t> fallback, std::string doc) {
  return add(make(std::move(name), OptionType::integer_list, std::move(doc), std::move(fallback)));
}
Options& Options::texts(std::string name, std::vector<std::string> fallback, std::string doc) {
  return add(make(std::move(name), OptionType::text_list, std::move(doc), std::move(fallback)));
}
Options& Options::lengths(std::string name, std::vector<Length> fallback, std::string doc) {
  add(make(std::move(name), OptionType::length_list, std::move(doc), std::move(fallback)));
  return above(0);
}
Options& Options::any(std::string name, std::string doc) {
  return add(make(std::move(name), OptionType::any_list, std::move(doc)));
}
Options& Options::section(std::string name, Options options, std::string doc) {
  add(make(std::move(name), OptionType::section, std::move(doc)));
  list_.back().section = std::make_shared<const Options>(std::move(options));
  return *this;
}
Options& Options::sections(std::string name, Options options, std::string doc) {
  section(std::move(name), std::move(options), std::move(doc));
  list_.back().type = OptionType::section_list;
  return *this;
}
Options& Options::component(std::string name, std::string registry, std::string fallback,
                            std::string doc, Options common) {
  std::optional<OptionValue> value;
  if (!fallback.empty()) value = std::move(fallback);
  add(make(std::move(name), OptionType::component, std::move(doc), std::move(value)));
  list_.back().registry = std::move(registry);
  list_.back().section = std::make_shared<const Options>(std::move(common));
  return *this;
}
Options& Options::components(std::string name, std::string registry, std::string doc,
                             Options common) {
  component(std::move(name), std::move(registry), "", std::move(doc), std::move(common));
  list_.back().type = OptionType::component_list;
  return *this;
}

Options& Options::symbol(std::string paper_symbol) {
  list_.back().symbol = std::move(paper_symbol);
  return *this;
}
Options& Options::unit(std::string unit) {
  list_.back().unit = std::move(unit);
  return *this;
}
Options& Options::min(double low) {
  list_.back().low = low;
  list_.back().low_exclusive = false;
  return *this;
}
Options& Options::above(double low) {
  list_.back().low = low;
  list_.back().low_exclusive = true;
  return *this;
}
Options& Options::max(double high) {
  list_.back().high = high;
  return *this;
}
Options& Options::optional() {
  list_.back().optional = true;
  return *this;
}

Options& Options::inherits(std::string key) {
  list_.back().inherits = std::move(key);
  return *this;
}
Options& Options::formerly(std::string name, int until_version) {
  list_.back().other_names.push_back({std::move(name), until_version});
  return *this;
}
Options& Options::known_elsewhere_as(std::vector<std::string> names) {
  for (std::string& name : names) list_.back().other_names.push_back({std::move(name), 0});
  return *this;
}

const Option* Options::find(std::string_view name) const {
  const auto at =
      std::find_if(list_.begin(), list_.end(), [&](const Option& o) { return o.name == name; });
  return at == list_.end() ? nullptr : &*at;
}

}  // namespace bitwright
