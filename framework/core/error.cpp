#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright {

std::string Place::str() const {
  if (file.empty()) return "bitwright";
  if (line <= 0) return file;
  if (column <= 0) return fmt::format("{}:{}", file, line);
  return fmt::format("{}:{}:{}", file, line, column);
}

static std::string one_line(const Place& place, std::string_view what, std::string_view expected,
                            std::string_view remedy) {
  std::string text = fmt::format("{}: error: {}", place.str(), what);
  for (std::string_view part : {expected, remedy})
    if (!part.empty()) text += fmt::format("; {}", part);
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

Error::Error(ExitStatus status, Place place, std::string_view what, std::string_view expected,
             std::string_view remedy)
    : std::runtime_error(one_line(place, what, expected, remedy)),
      status_(status),
      place_(std::move(place)) {}

Error config_error(Place place, std::string_view what, std::string_view expected,
                   std::string_view remedy) {
  return Error(ExitStatus::config, std::move(place), what, expected, remedy);
}

Error data_error(std::string_view file, std::string_view what, std::string_view expected,
                 std::string_view remedy) {
  return Error(ExitStatus::data, Place{std::string(file)}, what, expected, remedy);
}

Error storage_error(std::string_view file, std::string_view what, std::string_view expected,
                    std::string_view remedy) {
  return Error(ExitStatus::storage, Place{std::string(file)}, what, expected, remedy);
}

void require(bool condition, std::string_view what) {
  if (!condition) throw std::logic_error(std::string(what));
}

}  // namespace bitwright
