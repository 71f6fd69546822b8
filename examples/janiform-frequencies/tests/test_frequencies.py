"""The parts conform to the contracts of their kinds, and the transform is a discrete cosine transform."""

import torch
from hypothesis import strategies as st
from janiform.testing import conforms
from janiform_frequencies.config import Squares
from janiform_frequencies.squares import Frequencies

SIZES = {"image_size": st.sampled_from((16, 32)), "patch_size": st.sampled_from((4, 8)), "kept": st.integers(1, 16)}

TestDct = conforms("encoder", "dct", st.fixed_dictionaries({**SIZES, "width": st.sampled_from((8, 12))}))
TestDctVq = conforms("tokenizer", "dct-vq", st.fixed_dictionaries({**SIZES, "vocabulary": st.sampled_from((7, 20))}))


def test_all_frequencies_give_the_picture_back_and_few_of_them_a_blurred_one():
    pixels = torch.rand(2, 3, 16, 16)
    whole = Frequencies(Squares(image_size=16, patch_size=4, kept=16))
    torch.testing.assert_close(whole.pixels(whole(pixels)), pixels)
    mean = Frequencies(Squares(image_size=16, patch_size=4, kept=1))
    blurred = torch.nn.functional.avg_pool2d(pixels, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(mean.pixels(mean(pixels)), blurred)
