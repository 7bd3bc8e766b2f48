#pragma once
// Colours of 8-bit images. Brightness, contrast and saturation give Pillow's bits (ImageEnhance);
// the hue is turned without rounding in between.

#include <bitwright/data/augmentation.h>

namespace bitwright {

void change_brightness(PixelImage& image, double factor);  ///< 0: black, 1: as it is
void change_contrast(PixelImage& image, double factor);    ///< 0: its mean grey level everywhere
void change_saturation(PixelImage& image, double factor);  ///< 0: grey; 3 channels
void turn_hue(PixelImage& image, double turns);            ///< 1/3: red becomes green; 3 channels

}  // namespace bitwright
