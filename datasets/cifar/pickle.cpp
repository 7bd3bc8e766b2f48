#include "pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_map>

#include <fmt/format.h>

#include <bitwright/core/error.h>

namespace bitwright::cifar {

namespace {

using Kind = PickleValue::Kind;
using Ref = PickleValue::Ref;

// The official files take about 300,000 instructions; the limit bounds the memory of a forged one.
constexpr std::size_t most_instructions = 2'000'000;
constexpr Ref mark = ~Ref{0};

// The only Python objects that may be named.
constexpr std::array<std::string_view, 2> reconstruct{"numpy.core.multiarray _reconstruct",
                                                      "numpy._core.multiarray _reconstruct"};
constexpr std::array<std::string_view, 2> frombuffer{"numpy.core.numeric _frombuffer",
                                                     "numpy._core.numeric _frombuffer"};
constexpr std::string_view ndarray = "numpy ndarray", dtype = "numpy dtype";

bool one_of(std::string_view name, const std::array<std::string_view, 2>& names) {
  return name == names[0] || name == names[1];
}

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  Pickle run() {
    if (bytes_.empty()) fail("the file is empty");
    if (next() != 0x80) fail("not a pickle of protocol 2 or later");
    if (const auto protocol = number(1); protocol < 2 || protocol > 5)
      fail(fmt::format("pickle protocol {}", protocol));
    for (std::size_t count = 0; count < most_instructions; ++count) {
      start_ = at_;
      const unsigned char code = next();
      if (code == '.') return finish();
      step(code);
    }
    fail(fmt::format("more than {} instructions", most_instructions));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw data_error(file_, fmt::format("{}, at byte {} of {}", what, start_, bytes_.size()),
                     "the pickle of a CIFAR file: a dictionary of labels, names and one array of "
                     "bytes",
                     "fetch the file again from the official source, or use the binary version; "
                     "nothing in it was executed");
  }

  // -- bytes --

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("the pickle is cut off");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  unsigned char next() { return static_cast<unsigned char>(take(1)[0]); }
  std::uint64_t number(int size) {  // little-endian
    std::uint64_t value = 0;
    const std::string_view digits = take(static_cast<std::uint64_t>(size));
    for (int i = size; i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(digits[static_cast<std::size_t>(i)]);
    return value;
  }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos || end - at_ > 100) fail("a name without an end");
    const std::string_view text = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

  // -- values and the stack --

  Ref add(PickleValue value) {
    values_.push_back(std::move(value));
    return static_cast<Ref>(values_.size() - 1);
  }
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  void push_text(std::uint64_t length) { push({Kind::text, 0, 0, take(length), {}}); }
  void push_integer(std::int64_t value) { push({Kind::integer, value, 0, {}, {}}); }

  Ref pop() {
    if (stack_.empty() || stack_.back() == mark) fail("the pickle's stack is empty");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }
  PickleValue& top(Kind kind) {
    if (stack_.empty() || stack_.back() == mark || values_[stack_.back()].kind != kind)
      fail("an instruction on a value of another kind");
    return values_[stack_.back()];
  }
  std::vector<Ref> pop_to_mark() {
    const auto last = std::find(stack_.rbegin(), stack_.rend(), mark);
    if (last == stack_.rend()) fail("no mark on the pickle's stack");
    std::vector<Ref> items(last.base(), stack_.end());
    stack_.erase(last.base() - 1, stack_.end());
    return items;
  }
  std::vector<Ref> pop_items(std::size_t count) {
    std::vector<Ref> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void extend(PickleValue& container, const std::vector<Ref>& items) {
    if (container.kind == Kind::dictionary && items.size() % 2 != 0) fail("a key without a value");
    container.items.insert(container.items.end(), items.begin(), items.end());
  }
  void put(std::uint64_t index) {
    if (stack_.empty() || stack_.back() == mark) fail("nothing to remember");
    memo_[index] = stack_.back();
  }
  void get(std::uint64_t index) {
    const auto at = memo_.find(index);
    if (at == memo_.end()) fail("a reference to nothing");
    stack_.push_back(at->second);
  }

  // -- instructions --

  void step(unsigned char code) {
    if (!push_constant(code) && !build_container(code) && !remember(code) && !make_object(code))
      fail(fmt::format("pickle instruction 0x{:02x}, which these files do not use,", code));
  }

  bool push_constant(unsigned char code) {
    switch (code) {
      case 'N':
        push({});
        return true;
      case 0x88:
        push({Kind::boolean, 1, 0, {}, {}});
        return true;
      case 0x89:
        push({Kind::boolean, 0, 0, {}, {}});
        return true;
      case 'K':
        push_integer(static_cast<std::int64_t>(number(1)));
        return true;
      case 'M':
        push_integer(static_cast<std::int64_t>(number(2)));
        return true;
      case 'J':
        push_integer(static_cast<std::int32_t>(number(4)));
        return true;
      case 'U':
      case 'C':
      case 0x8c:
        push_text(number(1));
        return true;
      case 'T':
      case 'B':
      case 'X':
        push_text(number(4));
        return true;
      case 0x8e:
      case 0x96:
        push_text(number(8));
        return true;
      default:
        return false;
    }
  }

  bool build_container(unsigned char code) {
    switch (code) {
      case '(':
        stack_.push_back(mark);
        return true;
      case '}':
        push({Kind::dictionary, 0, 0, {}, {}});
        return true;
      case ']':
        push({Kind::list, 0, 0, {}, {}});
        return true;
      case ')':
        push({Kind::tuple, 0, 0, {}, {}});
        return true;
      case 't':
        push({Kind::tuple, 0, 0, {}, pop_to_mark()});
        return true;
      case 0x85:
      case 0x86:
      case 0x87:
        push({Kind::tuple, 0, 0, {}, pop_items(code - 0x84u)});
        return true;
      case 'a':
      case 'e': {
        const auto items = code == 'a' ? pop_items(1) : pop_to_mark();
        extend(top(Kind::list), items);
        return true;
      }
      case 's':
      case 'u': {
        const auto items = code == 's' ? pop_items(2) : pop_to_mark();
        extend(top(Kind::dictionary), items);
        return true;
      }
      default:
        return false;
    }
  }

  bool remember(unsigned char code) {
    switch (code) {
      case 'q':
        put(number(1));
        return true;
      case 'r':
        put(number(4));
        return true;
      case 0x94:
        put(memo_.size());
        return true;
      case 'h':
        get(number(1));
        return true;
      case 'j':
        get(number(4));
        return true;
      case 0x95:
        number(8);
        return true;  // length of a frame: a hint for readers of streams
      default:
        return false;
    }
  }

  bool make_object(unsigned char code) {
    switch (code) {
      case 'c': {
        const std::string_view module = line();
        push_name(module, line());
        return true;
      }
      case 0x93: {
        const auto words = pop_items(2);
        if (values_[words[0]].kind != Kind::text || values_[words[1]].kind != Kind::text)
          fail("a name that is no text");
        push_name(values_[words[0]].text, values_[words[1]].text);
        return true;
      }
      case 'R':
        call();
        return true;
      case 'b':
        set_state();
        return true;
      default:
        return false;
    }
  }

  void push_name(std::string_view module, std::string_view name) {
    for (const std::string_view known :
         {reconstruct[0], reconstruct[1], frombuffer[0], frombuffer[1], ndarray, dtype})
      if (known.size() == module.size() + 1 + name.size() && known.starts_with(module) &&
          known.ends_with(name) && known[module.size()] == ' ')
        return push({Kind::name, 0, 0, known, {}});
    fail(fmt::format("the pickle asks for the Python object '{:.60}.{:.60}'", printable(module),
                     printable(name)));
  }

  static std::string printable(std::string_view text) {
    std::string shown(text);
    for (char& c : shown)
      if (c < ' ' || c > '~') c = '?';
    return shown;
  }

  // What calling NumPy's functions would make.
  void call() {
    const Ref arguments_at = pop(), function_at = pop();
    const PickleValue &arguments = values_[arguments_at], &function = values_[function_at];
    if (function.kind != Kind::name || arguments.kind != Kind::tuple) fail("an unknown call");
    const auto argument = [&](std::size_t i) -> const PickleValue& {
      return values_[arguments.items[i]];
    };
    const std::size_t count = arguments.items.size();
    if (one_of(function.text, reconstruct) && count == 3 && argument(0).text == ndarray &&
        argument(0).kind == Kind::name) {
      push({Kind::array, 0, 0, {}, {}});
    } else if (function.text == dtype && count == 3 && argument(0).kind == Kind::text) {
      if (argument(0).text != "u1" && argument(0).text != "|u1")
        fail(fmt::format("an array of '{:.20}', not of bytes ('u1')", printable(argument(0).text)));
      push({Kind::dtype, 0, 0, {}, {}});
    } else if (one_of(function.text, frombuffer) && count == 4 && argument(3).text == "C") {
      push(array(argument(2), argument(1), argument(0)));
    } else {
      fail("an unknown call");
    }
  }

  // What __setstate__ would do: fills an array; a dtype is checked.
  void set_state() {
    const PickleValue& state = values_[pop()];
    if (state.kind != Kind::tuple) fail("an unknown state");
    const auto item = [&](std::size_t i) -> const PickleValue& { return values_[state.items[i]]; };
    if (!stack_.empty() && stack_.back() != mark && values_[stack_.back()].kind == Kind::dtype) {
      if (state.items.size() < 8 || item(1).text != "|") fail("an unknown dtype");
      return;
    }
    top(Kind::array);
    if (state.items.size() != 5) fail("an unknown state of an array");
    if (item(3).integer != 0) fail("an array in Fortran order");
    values_[stack_.back()] = array(item(1), item(2), item(4));
  }

  PickleValue array(const PickleValue& shape, const PickleValue& type, const PickleValue& bytes) {
    if (type.kind != Kind::dtype || bytes.kind != Kind::text || shape.kind != Kind::tuple ||
        shape.items.size() != 2)
      fail("an array that is no matrix of bytes");
    const PickleValue &rows = values_[shape.items[0]], &columns = values_[shape.items[1]];
    const auto size = static_cast<std::int64_t>(bytes.text.size());
    if (rows.kind != Kind::integer || columns.kind != Kind::integer || rows.integer < 0 ||
        columns.integer <= 0 || size / columns.integer != rows.integer ||
        size % columns.integer != 0)
      fail("an array whose shape does not fit its bytes");
    return {Kind::array, rows.integer, columns.integer, bytes.text, {}};
  }

  Pickle finish() {
    const Ref root = pop();
    if (at_ != bytes_.size())
      fail(fmt::format("{} bytes after the pickle's end", bytes_.size() - at_));
    return {std::move(values_), root};
  }

  std::string_view bytes_;
  const std::string& file_;
  std::size_t at_ = 0, start_ = 0;
  std::vector<PickleValue> values_;
  std::vector<Ref> stack_;
  std::unordered_map<std::uint64_t, Ref> memo_;
};

}  // namespace

Pickle parse_pickle(std::string_view bytes, const std::string& file) {
  return Machine(bytes, file).run();
}

}  // namespace bitwright::cifar
