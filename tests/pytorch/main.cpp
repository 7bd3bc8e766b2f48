// Usage: bitwright-calculate ops|train|update FOLDER
// Computes what tests/pytorch/*.py compare with PyTorch: ops with their gradients, training steps
// of networks, updates of optimizers. FOLDER holds the request and receives the answer
// (exchange.h).
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include <bitwright/core/parallel.h>

#include "exchange.h"

int main(int argc, char** argv) {
  using namespace bitwright::exchange;
  const std::map<std::string, std::function<void(const Request&, Answer&)>> kinds{
      {"ops", evaluate_ops}, {"train", train}, {"update", update}};
  if (argc != 3 || !kinds.contains(argv[1])) {
    std::fputs("usage: bitwright-calculate ops|train|update FOLDER\n", stderr);
    return 2;
  }
  try {
    bitwright::set_threads(1);  // tests run side by side
    Answer answer;
    kinds.at(argv[1])(Request(argv[2]), answer);
    answer.write(argv[2]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bitwright-calculate: error: %s\n", e.what());
    return 1;
  }
  return 0;
}
