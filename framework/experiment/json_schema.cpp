#include "experiment/json_schema.h"

#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiment/option_text.h"
#include "experiment/schema.h"
#include "experiment/table_options.h"

namespace bitwright {
namespace {

using Json = nlohmann::ordered_json;

Json any_of(std::initializer_list<Json> all) { return {{"anyOf", Json(all)}}; }
Json to(const std::string& definition) { return {{"$ref", "#/definitions/" + definition}}; }

void bounds(Json& json, const Option& o) {
  if (o.low) json[o.low_exclusive ? "exclusiveMinimum" : "minimum"] = *o.low;
  if (o.high) json["maximum"] = *o.high;
}

Json plain_value(const Option& o, OptionType type) {
  switch (type) {
    case OptionType::boolean:
      return {{"type", "boolean"}};
    case OptionType::integer: {
      Json json{{"type", "integer"}};
      bounds(json, o);
      return json;
    }
    case OptionType::real: {
      Json json{{"type", "number"}};
      bounds(json, o);
      return any_of({json, to("number_as_text")});
    }
    case OptionType::length: {
      Json json{{"type", "integer"}};
      bounds(json, o);
      return any_of({json, to("length_as_text")});
    }
    case OptionType::choice:
      return {{"enum", o.choices}};
    default:
      return {{"type", Json::array({"string", "number", "boolean"})}};
  }
}

std::optional<OptionType> element_type(OptionType list) {
  switch (list) {
    case OptionType::real_list:
      return OptionType::real;
    case OptionType::integer_list:
      return OptionType::integer;
    case OptionType::text_list:
      return OptionType::text;
    case OptionType::length_list:
      return OptionType::length;
    default:
      return {};
  }
}

// One strictness: whole files, where what is required must be there, or parts of files.
class Writer {
 public:
  Writer(const Registries& registries, Json& definitions, bool whole)
      : registries_(registries), definitions_(definitions), whole_(whole) {}

  Json mapping(const Options& options) {
    Json json = open_mapping();
    add(json, options);
    return json;
  }

 private:
  std::string named(const std::string& name) const { return whole_ ? name : name + "_part"; }

  static Json open_mapping() {
    return {{"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
  }

  void add(Json& json, const Options& options) {
    for (const Option& o : options.list()) {
      json["properties"][o.name] = described(o);
      const bool list = o.type == OptionType::component_list || o.type == OptionType::section;
      if (whole_ && !o.fallback && !o.optional && !list) json["required"].push_back(o.name);
    }
  }

  Json described(const Option& o) {
    Json json = value(o);
    std::string text = o.doc;
    if (!o.symbol.empty()) text += fmt::format(" ({})", o.symbol);
    if (!o.unit.empty() && o.unit != "1") text += fmt::format("; in {}", o.unit);
    json["description"] = text;
    if (o.fallback) text += fmt::format("; default {}", yaml_text(*o.fallback));
    json["description"] = text;
    return json;
  }

  Json value(const Option& o) {
    if (o.type == OptionType::any_list) return {{"type", "array"}, {"minItems", 1}};
    if (const auto element = element_type(o.type)) {
      const Json item = any_of({plain_value(o, *element), to("reference")});
      const Json list{{"type", "array"}, {"items", item}};
      // `extends: file.yaml` is short for a list of one.
      return o.name == "extends" ? any_of({list, {{"type", "string"}}})
                                 : any_of({list, to("reference")});
    }
    switch (o.type) {
      case OptionType::section:
        return any_of({mapping(*o.section), to("reference")});
      case OptionType::section_list: {
        Json list{{"type", "array"}, {"items", any_of({mapping(*o.section), to("reference")})}};
        if (!o.optional) list["minItems"] = 1;
        return any_of({list, to("reference")});
      }
      case OptionType::component:
        // One that inherits takes from elsewhere what it does not say.
        return o.inherits.empty() ? component(o)
                                  : Writer(registries_, definitions_, false).component(o);
      case OptionType::component_list:
        return any_of({Json{{"type", "array"}, {"items", component(o)}}, to("reference")});
      default:
        return any_of({plain_value(o, o.type), to("reference")});
    }
  }

  // Entries of a registry may hold others of the same: each kind is defined once and referred to.
  Json component(const Option& o) {
    const std::string name = named(o.registry);
    if (!definitions_.contains(name)) {
      definitions_[name] = Json::object();
      definitions_[name] = entries(o);
    }
    return to(name);
  }

  Json entries(const Option& o) {
    const RegistryBase& registry = *registries_.find(o.registry);
    Json names = Json::array(), all = Json::array();
    Json nameless = open_mapping();
    for (const std::string& name : registry.names()) {
      const ComponentInfo& info = *registry.find(name);
      Json entry = open_mapping();
      entry["properties"]["name"] = {{"const", name}, {"description", info.summary}};
      if (info.implied_by.empty() && whole_) entry["required"].push_back("name");
      if (o.section) add(entry, *o.section);
      add(entry, info.options);
      if (o.section) add(nameless, *o.section);
      add(nameless, info.options);
      const bool short_form = !entry.contains("required") || entry["required"].size() < 2;
      if (short_form || !whole_) names.push_back(name);
      all.push_back(std::move(entry));
    }
    Json any = Json::array({Json{{"enum", names}}, to("reference")});
    for (Json& entry : all) any.push_back(std::move(entry));
    if (!whole_) any.push_back(nameless);
    return {{"anyOf", any}};
  }

  const Registries& registries_;
  Json& definitions_;
  const bool whole_;
};

Json condition(const Json& when, const Json& then, const Json& otherwise) {
  return {{"if", when}, {"then", then}, {"else", otherwise}};
}

Json requires_key(const std::string& key) { return {{"required", Json::array({key})}}; }

}  // namespace

std::string json_schema(const Registries& registries) {
  Json definitions;
  definitions["reference"] = {{"type", "string"},
                              {"pattern", "\\$\\{[^}]+\\}"},
                              {"description", "a reference such as ${stages.float.steps}"}};
  definitions["number_as_text"] = {
      {"type", "string"},
      {"pattern", "^[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?$|^[-+]?\\.inf$"}};
  definitions["length_as_text"] = {{"type", "string"},
                                   {"pattern", "^\\+?[0-9][0-9.eE+]*( ?%| steps?| epochs?)$"}};
  definitions["experiment"] = Writer(registries, definitions, true).mapping(file_options());
  definitions["experiment_part"] = Writer(registries, definitions, false).mapping(file_options());
  definitions["table"] = Writer(registries, definitions, true).mapping(table_options());
  const Json part{{"anyOf", Json::array({requires_key("extends"), requires_key("fragment"),
                                         requires_key("sweep")})}};
  Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "Bitwright experiment"},
              {"type", "object"}};
  schema.update(condition(requires_key("table"), to("table"),
                          condition(part, to("experiment_part"), to("experiment"))));
  schema["definitions"] = definitions;
  return schema.dump(1);
}

}  // namespace bitwright
