#pragma once
// The augmentations that ship with the program: one file each, listed in registration.cpp.

#include <memory>

#include <bitwright/core/options.h>
#include <bitwright/data/augmentation.h>
#include <bitwright/data/dataset.h>

namespace bitwright {

Options pad_and_crop_options();
std::unique_ptr<Augmentation> make_pad_and_crop(const Settings& settings, const InputSpec& input);

Options horizontal_flip_options();
std::unique_ptr<Augmentation> make_horizontal_flip(const Settings& settings, const InputSpec&);

Options random_resized_crop_options();
std::unique_ptr<Augmentation> make_random_resized_crop(const Settings& settings, const InputSpec&);

Options color_jitter_options();
std::unique_ptr<Augmentation> make_color_jitter(const Settings& settings, const InputSpec& input);

Options cutout_options();
std::unique_ptr<Augmentation> make_cutout(const Settings& settings, const InputSpec& input);

Options mixup_options();
std::unique_ptr<Augmentation> make_mixup(const Settings& settings, const InputSpec&);

}  // namespace bitwright
