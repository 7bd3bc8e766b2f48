#include <algorithm>

#include <bitwright/core/options.h>

namespace bitwright {
namespace {

template <class Map>
const auto& lookup(const Map& map, std::string_view name) {
  const auto at = map.find(name);
  require(at != map.end(), "setting '" + std::string(name) + "' was not declared");
  return at->second;
}

}  // namespace

bool Settings::has(std::string_view name) const {
  return values_.contains(name) || sections_.contains(name) || lists_.contains(name);
}

template <class T>
static const T& typed(const OptionValue& value, std::string_view name) {
  const T* const held = std::get_if<T>(&value);
  require(held != nullptr, "setting '" + std::string(name) + "' is of another type");
  return *held;
}

bool Settings::boolean(std::string_view name) const {
  return typed<bool>(lookup(values_, name), name);
}
std::int64_t Settings::integer(std::string_view name) const {
  return typed<std::int64_t>(lookup(values_, name), name);
}
double Settings::real(std::string_view name) const {
  return typed<double>(lookup(values_, name), name);
}
const std::string& Settings::text(std::string_view name) const {
  return typed<std::string>(lookup(values_, name), name);
}
const Length& Settings::length(std::string_view name) const {
  return typed<Length>(lookup(values_, name), name);
}
const std::vector<double>& Settings::reals(std::string_view name) const {
  return typed<std::vector<double>>(lookup(values_, name), name);
}
const std::vector<std::int64_t>& Settings::integers(std::string_view name) const {
  return typed<std::vector<std::int64_t>>(lookup(values_, name), name);
}
const std::vector<std::string>& Settings::texts(std::string_view name) const {
  return typed<std::vector<std::string>>(lookup(values_, name), name);
}
const std::vector<Length>& Settings::lengths(std::string_view name) const {
  return typed<std::vector<Length>>(lookup(values_, name), name);
}
const Settings& Settings::section(std::string_view name) const { return lookup(sections_, name); }
const std::vector<Settings>& Settings::sections(std::string_view name) const {
  return lookup(lists_, name);
}

Place Settings::where(std::string_view name) const {
  const auto at = places_.find(name);
  return at == places_.end() ? place_ : at->second;
}

const OptionValue* Settings::value(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? nullptr : &at->second;
}

static void remember(std::vector<std::string>& order, const std::string& name) {
  if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
}

void Settings::set(std::string name, OptionValue value, Place where) {
  remember(order_, name);
  places_[name] = std::move(where);
  values_[std::move(name)] = std::move(value);
}
void Settings::set(std::string name, Settings section) {
  remember(order_, name);
  places_[name] = section.place();
  sections_[std::move(name)] = std::move(section);
}
void Settings::set(std::string name, std::vector<Settings> sections, Place where) {
  remember(order_, name);
  if (!where.file.empty()) places_[name] = std::move(where);
  lists_[std::move(name)] = std::move(sections);
}
void Settings::set_component(std::string name, Place where) {
  component_ = std::move(name);
  if (!where.file.empty()) places_["name"] = std::move(where);
}

}  // namespace bitwright
