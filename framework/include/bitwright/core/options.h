#pragma once
// Options are declared, not parsed. From one declaration come validation with file:line:column,
// "did you mean", `describe`, and the reference pages.
//
//   Options options() {
//     return Options{}
//         .real("beta_rate", 1.2, "factor applied to beta every
//         beta_interval").symbol("rho").min(1) .integer("beta_interval", 100, "steps between two
//         increases of beta").unit("steps").min(1) .choice("jacobian", {"exact", "eye"}, "backward
//         map of the projection");  // required
//   }

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <bitwright/core/error.h>
#include <bitwright/core/length.h>

namespace bitwright {

class Options;
class Settings;

/// What an option holds. `section` is a mapping with options of its own; `component` is a mapping
/// with a `name:` that selects an entry of a registry, plus that entry's options (a plain string
/// is short for a component with defaults). `length` is a length of training, in steps, epochs or
/// percent. The *_list types are YAML sequences of those; `any_list` is one of values
/// of any kind, which mean something elsewhere.
enum class OptionType {
  boolean,
  integer,
  real,
  text,
  choice,
  length,
  real_list,
  integer_list,
  text_list,
  length_list,
  any_list,
  section,
  section_list,
  component,
  component_list,
};

/// A resolved scalar or plain list.
using OptionValue =
    std::variant<bool, std::int64_t, double, std::string, Length, std::vector<double>,
                 std::vector<std::int64_t>, std::vector<std::string>, std::vector<Length>>;

/// A name under which people look for an option.
struct OtherName {
  std::string name;
  int until = 0;  ///< the last version of experiment files that used it; 0: the field's, never ours
};

/// One declared option. Absent `fallback` of a scalar or list: the option must be given, unless
/// `optional` says that it may stay unset (Settings::has tells).
struct Option {
  std::string name;
  OptionType type = OptionType::text;
  std::string doc;
  std::optional<OptionValue> fallback;
  bool optional = false;
  std::string unit;    ///< "steps", "1", "images" ...
  std::string symbol;  ///< the paper's symbol
  std::optional<double> low, high;
  bool low_exclusive = false;
  std::vector<std::string> choices;
  std::string registry;                    ///< of a component: "methods", "optimizers" ...
  std::shared_ptr<const Options> section;  ///< of a section; of a component, the common options
  std::string inherits;  ///< of a component: the key of the whole file whose value this one changes
  std::vector<OtherName> other_names;
};

/// A list of declared options, built by chaining. Modifiers act on the last one added.
class Options {
 public:
  Options& boolean(std::string name, bool fallback, std::string doc);
  Options& integer(std::string name, std::int64_t fallback, std::string doc);
  Options& integer(std::string name, std::string doc);  ///< required
  Options& real(std::string name, double fallback, std::string doc);
  Options& real(std::string name, std::string doc);  ///< required
  Options& text(std::string name, std::string fallback, std::string doc);
  Options& text(std::string name, std::string doc);  ///< required
  Options& choice(std::string name, std::vector<std::string> choices, std::string fallback,
                  std::string doc);
  Options& choice(std::string name, std::vector<std::string> choices,
                  std::string doc);  ///< required
  /// Lengths of training are above 0, unless min(0) says otherwise.
  Options& length(std::string name, Length fallback, std::string doc);
  Options& length(std::string name, std::string doc);  ///< required
  Options& reals(std::string name, std::vector<double> fallback, std::string doc);
  Options& integers(std::string name, std::vector<std::int64_t> fallback, std::string doc);
  Options& texts(std::string name, std::vector<std::string> fallback, std::string doc);
  Options& lengths(std::string name, std::vector<Length> fallback, std::string doc);
  /// Of values that mean something elsewhere; as a setting each is text.
  Options& any(std::string name, std::string doc);  ///< required
  /// A missing section is filled with its defaults.
  Options& section(std::string name, Options options, std::string doc);
  Options& sections(std::string name, Options options, std::string doc);
  /// `fallback` is the name of the entry that stands in when the key is missing; empty: required.
  /// `common` are options of the mapping that every entry shares, beside the entry's own.
  Options& component(std::string name, std::string registry, std::string fallback, std::string doc,
                     Options common = {});
  Options& components(std::string name, std::string registry, std::string doc, Options common = {});

  Options& symbol(std::string paper_symbol);
  Options& unit(std::string unit);
  Options& min(double low);    ///< value >= low (each element of a list)
  Options& above(double low);  ///< value > low
  Options& max(double high);   ///< value <= high
  Options& optional();         ///< may stay unset; a list of sections: may be empty
  /// Of a component: a mapping that changes the value of a key of the whole file.
  Options& inherits(std::string key);
  /// The option's name up to a version of experiment files; a file that uses it is told the new
  /// one.
  Options& formerly(std::string name, int until_version);
  /// Names that the field uses for the same; a file that uses one is told ours.
  Options& known_elsewhere_as(std::vector<std::string> names);

  Options& add(Option option);  ///< one that is declared elsewhere

  const std::vector<Option>& list() const { return list_; }
  const Option* find(std::string_view name) const;

 private:
  std::vector<Option> list_;
};

/// The values of one mapping after validation: every option that has a default is present.
/// Getters throw std::logic_error for a name that was not declared: that is a bug, not a user
/// error.
class Settings {
 public:
  bool has(std::string_view name) const;
  bool boolean(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  const std::string& text(std::string_view name) const;  ///< also the value of a choice
  const Length& length(std::string_view name) const;
  const std::vector<double>& reals(std::string_view name) const;
  const std::vector<std::int64_t>& integers(std::string_view name) const;
  const std::vector<std::string>& texts(std::string_view name) const;
  const std::vector<Length>& lengths(std::string_view name) const;
  const Settings& section(std::string_view name) const;  ///< also of a component
  const std::vector<Settings>& sections(std::string_view name) const;

  /// Of a component: the selected registry entry.
  const std::string& name() const { return component_; }
  /// Where a value came from: its place in a file, "command line", or "default".
  Place where(std::string_view name) const;
  /// Where this mapping begins.
  const Place& place() const { return place_; }

  // Filling in is the resolver's business (framework/experiment); tests use it too.
  void set(std::string name, OptionValue value, Place where);
  void set(std::string name, Settings section);
  void set(std::string name, std::vector<Settings> sections, Place where = {});
  /// `where("name")` then tells where the entry was selected.
  void set_component(std::string name, Place where = {});
  void set_place(Place place) { place_ = std::move(place); }
  /// Names in the order in which they were set.
  const std::vector<std::string>& names() const { return order_; }
  const OptionValue* value(std::string_view name) const;

 private:
  std::string component_;
  Place place_;
  std::vector<std::string> order_;
  std::map<std::string, OptionValue, std::less<>> values_;
  std::map<std::string, Place, std::less<>> places_;
  std::map<std::string, Settings, std::less<>> sections_;
  std::map<std::string, std::vector<Settings>, std::less<>> lists_;
};

/// The declared name nearest to `wrong` (edit distance with transpositions), or "" when none is
/// near enough to be meant.
std::string nearest_name(std::string_view wrong, const std::vector<std::string>& known);

}  // namespace bitwright
