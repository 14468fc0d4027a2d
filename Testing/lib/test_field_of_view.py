# SPDX-License-Identifier: Apache-2.0
"""An oblique image with a frame of padding around it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from SpinalCordSegLib.field_of_view import crop_to_content, embed


def oblique() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((6, 8, 10)).astype(np.float32))
    image.SetSpacing((0.7, 1.1, 3.0))
    image.SetOrigin((5, -20, 100))
    c, s = np.cos(0.3), np.sin(0.3)
    image.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
    return image


def test_padding_is_found_whatever_its_value() -> None:
    image = oblique()
    for value in (0.0, -7.5):
        padded = sitk.ConstantPad(image, (3, 0, 2), (1, 4, 0), value)
        content = crop_to_content(padded)
        assert content.GetSize() == image.GetSize()
        assert np.allclose(content.GetOrigin(), image.GetOrigin())
        assert np.array_equal(sitk.GetArrayFromImage(content), sitk.GetArrayFromImage(image))


def test_an_image_without_padding_comes_back_as_it_is() -> None:
    image = oblique()
    assert crop_to_content(image) is image


def test_embedding_puts_the_part_back_where_it_was() -> None:
    padded = sitk.ConstantPad(oblique(), (3, 0, 2), (1, 4, 0), 0.0)
    back = embed(crop_to_content(padded), padded)
    assert back.GetOrigin() == padded.GetOrigin() and back.GetDirection() == padded.GetDirection()
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(padded))
