#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <bitwright/core/parallel.h>

int main(int argc, char** argv) {
  // One thread unless a test asks for more: tests run side by side, and spinning OpenMP teams on
  // shared cores slow each other down a hundredfold.
  bitwright::set_threads(1);
  return doctest::Context(argc, argv).run();
}
