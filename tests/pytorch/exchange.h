#pragma once
// What tests/pytorch/*.py ask and are told: a folder with request.json and request.h5, to which
// answer.json and answer.h5 are added. Arrays are float, row-major; JSON says what they are.

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <bitwright/results/array_file.h>
#include <bitwright/tensor/tensor.h>

namespace bitwright::exchange {

using nlohmann::json;

class Request {
 public:
  explicit Request(const std::string& folder);
  const json& description() const { return description_; }
  /// An array in this type and layout.
  Tensor array(const std::string& name, DType type = DType::f32,
               Layout layout = Layout::plain) const;
  /// Of a JSON object {"name": ..., "type": "f32", "layout": "plain"}, the last two optional.
  Tensor described_array(const json& described) const;
  void read(const std::string& name, Tensor& out) const { file_.read(name, out); }

 private:
  json description_;
  ArrayFile file_;
};

class Answer {
 public:
  /// As f32, in row-major order, copied.
  void put(const std::string& name, const Tensor& tensor);
  void put(const std::string& name, const std::vector<double>& numbers);
  void write(const std::string& folder) const;

  json description = json::object();

 private:
  std::map<std::string, Tensor> arrays_;
};

// What can be asked.
void evaluate_ops(const Request& request, Answer& answer);
void train(const Request& request, Answer& answer);
void update(const Request& request, Answer& answer);

}  // namespace bitwright::exchange
