# SPDX-License-Identifier: Apache-2.0
"""``spinalcordseg train``: weights from scans or from synthetic images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..device import DEVICES
from ..progress import Reporter
from .options import add_folder_option, add_progress_option
from .values import share

# The words of the command line that are not the library's.
MODEL_NAMES = {
    "gm": "gray_matter",
    "csm-unet": "csm_unet",
    "cord-sagittal": "cord_sagittal",
    "cord-ends": "cord_ends",
}


def add_train(commands: Any) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "train",
        allow_abbrev=False,
        help="train a network's weights, on your scans or on synthetic images",
        epilog="--data: images anywhere in the folder, masks named after them: "
        "STEM_label-SC_mask (cord), STEM_label-GM_mask, STEM_label-lesion_mask, as `segment` and "
        "BIDS write them, or STEM_seg, STEM_gmseg, STEM_lesion. A mask lies beside its image, or "
        "below a folder derivatives in a folder of the same name as the image's. Masks of several "
        "raters, desc-rater1 and so on in their names, are averaged. centerline, cord, "
        "cord-sagittal and csm-unet need the cord, gm the gray matter, lesion both cord and "
        "lesions; cord-ends is learnt from synthetic images alone. Without --config the weights "
        "that ship go on with the scans. The run goes on where it was interrupted.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="centerline, cord, cord-sagittal, cord-ends, lesion, gm or csm-unet",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="scans and their masks, see below")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="the PAM50 label maps, for synthetic images; with --data every other sample is one",
    )
    parser.add_argument(
        "--validation",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="of the scans that is held back to choose the weights by; of the slices where there "
        "is one scan (default: 0.2; 0: none)",
    )
    parser.add_argument(
        "--start-from",
        metavar="NAME_OR_FILE",
        help="weights to begin from, or none (default: what the configuration says)",
    )
    parser.add_argument(
        "--config",
        metavar="NAME_OR_FILE",
        help="TOML, or the name of one that comes along (default: the model's)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the configuration, such as steps=100 or parameters.filters=8",
    )
    parser.add_argument(
        "--scans",
        type=Path,
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="images to take the surroundings of the spine from",
    )
    parser.add_argument(
        "--finder",
        default="default",
        metavar="NAME_OR_FILE",
        help="centerline weights that find the cord in the scans",
    )
    parser.add_argument("--device", choices=DEVICES[1:], default="cpu", help="default: cpu")
    add_folder_option(parser)
    add_progress_option(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Train a model, or go on with a training that was interrupted."""
    from ..output import check_output

    # A checkpoint that is there already is what to go on from, so nothing is overwritten.
    check_output(arguments.output, [])
    from ..training.recipe import train_model

    return [
        train_model(
            MODEL_NAMES.get(arguments.model, arguments.model),
            arguments.labels,
            arguments.output,
            configuration=arguments.config,
            scans=arguments.scans,
            finder=arguments.finder,
            device=arguments.device,
            progress=report,
            data=arguments.data,
            validation=arguments.validation,
            start_from=arguments.start_from,
            changes=arguments.set,
        )
    ]
