# SPDX-License-Identifier: Apache-2.0
"""The command ``spinalcordseg``: arguments in, exit status out; the library does the work.

Exit status: 0 done; 1 our fault; 2 wrong input or arguments; 3 no cord found; 4 weights missing,
corrupt or not to be fetched; 5 out of memory or disk; 130 cancelled. Other than 0, nothing is
written and one sentence on standard error says what is wrong and what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

from .contrasts import CONTRASTS
from .device import DEVICES
from .errors import InvalidArgument, SpinalCordSegError
from .failures import user_error
from .levelset import REFINEMENTS
from .progress import STYLES, Reporter, reporter
from .segmentation import METHODS
from .streams import own_streams
from .version import __version__

PROGRAM = "spinalcordseg"
_MOST_SLICES = 100_000
# The words of --structures, and the library's names for them.
MODEL_NAMES = {
    "gm": "gray_matter",
    "csm-unet": "csm_unet",
    "cord-sagittal": "cord_sagittal",
    "cord-ends": "cord_ends",
}
STRUCTURE_NAMES = {"cord": "cord", "gm": "gray_matter", "wm": "white_matter", "lesion": "lesion"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if not given.

    Returns
    -------
    int
        The exit status.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser().parse_args(argv)
    except InvalidArgument as error:
        report = reporter("json" if _wants_json(argv) else "none", sys.stdout, sys.stderr)
        return _fail(report, error, sys.stderr)
    with own_streams(share=_debugging()) as (stdout, stderr):
        report = reporter(arguments.progress, stdout, stderr)
        try:
            with _terminated_like_interrupted(), _one_line_warnings(report):
                paths = arguments.run(arguments, report)
        except (Exception, KeyboardInterrupt) as exception:
            return _fail(report, user_error(exception), stderr)
        report.result(paths)
        return 0


def segment_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Segment an image and write every file of the result."""
    from .dicom_segmentation import check_dicom_input, source_slices
    from .output import check_output
    from .result_files import result_paths, stem_of, write_result

    structures = _structures(arguments.structures)
    stem = stem_of(arguments.image)
    check_output(
        arguments.output,
        result_paths(arguments.output, stem, structures, soft=True, dicom=True),
        arguments.overwrite,
    )
    if arguments.dicom_seg:
        check_dicom_input(arguments.image, arguments.output)
    report(0.0, "reading the image")
    from .images import read_image
    from .pipeline import segment

    image = read_image(arguments.image, volume=arguments.volume)
    slices = source_slices(arguments.image, image) if arguments.dicom_seg else ()
    result = segment(
        image,
        structures=structures,
        contrast=arguments.contrast,
        centerline=_read_centerline(arguments.centerline),
        weights=_weights(arguments.weights),
        threshold=arguments.threshold,
        refine=arguments.refine,
        method=arguments.method,
        device=arguments.device,
        progress=_part(report, 0.05, 0.95),
    )
    report(0.95, "writing the results")
    return write_result(
        result, arguments.output, stem, arguments.soft, arguments.overwrite, image, slices
    )


def centerline_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Find the curve through the cord and write it."""
    from .output import check_output
    from .result_files import centerline_paths, stem_of, write_centerline

    stem = stem_of(arguments.image)
    paths = centerline_paths(arguments.output, stem)
    check_output(arguments.output, paths, arguments.overwrite)
    report(0.0, "reading the image")
    from .images import read_image
    from .pipeline import detect_centerline

    image = read_image(arguments.image, volume=arguments.volume)
    centerline = detect_centerline(
        image,
        weights=_weights(arguments.weights),
        contrast=arguments.contrast,
        device=arguments.device,
        progress=_part(report, 0.05, 0.95),
    )
    report(0.95, "writing the results")
    return write_centerline(centerline, arguments.output, stem, arguments.overwrite)


def refine_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Move the outline of a mask onto the edges of its image and write the new mask."""
    from .result_files import check_mask_path, write_mask

    check_mask_path(arguments.output, arguments.overwrite)
    report(0.0, "reading the image")
    from .images import read_image
    from .levelset.refine import refine

    refined = refine(
        read_image(arguments.image, volume=arguments.volume),
        read_image(arguments.mask, allow_constant=True),
        arguments.method,
        arguments.slices,
        device=arguments.device,
        progress=_part(report, 0.05, 0.95),
    )
    report(0.95, "writing the mask")
    for item in refined.review:
        report.warning(f"slice {item.slice_index} {item.reason}")
    return [write_mask(refined.mask, arguments.output, arguments.overwrite)]


def sample_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Put a sample scan into a folder."""
    from .sample import write_sample

    report(0.0, "getting the sample scan")
    return [write_sample(arguments.output, arguments.real, arguments.overwrite)]


def evaluate_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Compare masks with references and write what that comes to."""
    from .evaluation.comparison_files import comparison_paths, write_comparison
    from .output import check_output

    paths = comparison_paths(arguments.output)
    check_output(arguments.output.parent, paths, arguments.overwrite)
    if not any(path.suffix == ".png" for path in paths):
        report.warning(
            "no picture will be drawn: pip install matplotlib, or spinalcordseg[evaluate]"
        )
    report(0.0, "reading the masks")
    from .evaluation.comparison import compare

    comparison = compare(
        arguments.prediction,
        arguments.reference,
        STRUCTURE_NAMES[arguments.structure],
        arguments.label,
        arguments.reference_label,
        progress=_part(report, 0.05, 0.95),
    )
    for warning in comparison.warnings:
        report.warning(warning)
    report(0.95, "writing the results")
    return write_comparison(comparison, arguments.output, arguments.overwrite)


def measure_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Measure a cord mask and write the tables."""
    from .measurement.measurement_files import measurement_paths, write_measurements
    from .output import check_output

    paths = measurement_paths(arguments.output, lesions=True)
    check_output(arguments.output.parent, paths, arguments.overwrite)
    report(0.0, "reading the mask")
    from .images import read_image
    from .measurement.masks import read_masks
    from .measurement.report import measure_masks
    from .result_files import stem_of

    image = None
    if arguments.image is not None:
        image = read_image(arguments.image, volume=arguments.volume)
    masks = read_masks(arguments.mask, image)
    for name in ("gray_matter", "lesion"):
        path = getattr(arguments, name)
        if path is not None:
            masks[name] = read_image(path, allow_constant=True)
    levels = arguments.levels and read_image(arguments.levels, allow_constant=True)
    report(0.3, "measuring")
    found = measure_masks(
        masks,
        stem_of(arguments.mask).removesuffix(".seg"),
        image,
        _read_centerline(arguments.centerline),
        levels,
        arguments.landmark,
        arguments.slices,
        arguments.distance,
        arguments.vertebrae,
    )
    report(0.9, "writing the tables")
    return write_measurements(found, arguments.output, arguments.overwrite)


def batch_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Segment and measure many scans."""
    from .batch.run import Engine, Selection, run_batch
    from .batch.settings import Settings

    given = _weights(arguments.weights)
    summary = run_batch(
        arguments.inputs,
        arguments.output,
        Settings(
            structures=_structures(arguments.structures),
            contrast=arguments.contrast,
            method=arguments.method,
            refine=arguments.refine,
            threshold=arguments.threshold,
            weights=given,
            volume=arguments.volume,
            device=arguments.device,
            soft=arguments.soft,
            dicom_seg=arguments.dicom_seg,
        ),
        Engine(
            arguments.jobs,
            arguments.scheduler,
            arguments.slurm,
            arguments.threads,
            arguments.interface,
        ),
        Selection(
            arguments.overwrite,
            arguments.retry_failed,
            arguments.qc,
            arguments.only_failed,
            arguments.exclude,
        ),
        progress=report,
    )
    for line in summary.notes():
        report.warning(line)
    return list(summary.paths)


def report_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Write the QC report of a folder of results."""
    from .batch.records import REPORT_NAME
    from .batch.report import write_report
    from .output import check_output

    path = arguments.output or arguments.folder / REPORT_NAME
    if arguments.folder.is_dir():
        check_output(path.parent, [path], arguments.overwrite)
    return [write_report(arguments.folder, path, arguments.overwrite, report)]


def train_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Train a model, or go on with a training that was interrupted."""
    from .output import check_output

    # A checkpoint that is there already is what to go on from, so nothing is overwritten.
    check_output(arguments.output, [])
    from .training.recipe import train_model

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


def weights_list_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Print which weights there are."""
    from .weights.listing import list_weights, table

    report.answer(table(list_weights()))
    return []


def weights_fetch_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Download published weights."""
    from .weights.fetch import fetch_weights

    return fetch_weights(arguments.name, _consent(arguments, report), report)


def weights_import_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Install weights from files that are on this computer."""
    from .weights.import_files import import_published, import_trusted

    if arguments.like is not None:
        return import_trusted(arguments.path, arguments.like, report)
    return import_published(arguments.path, _consent(arguments, report), report)


def weights_verify_command(arguments: argparse.Namespace, report: Reporter) -> list[Path]:
    """Check the hash of all weights on this computer."""
    from .weights.listing import verify_weights

    return verify_weights()


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument as the library reports any other mistake."""

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(message, f"see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Segment the spinal cord in MR images.",
        epilog="Exit status: 0 done, 1 our fault, 2 wrong input or arguments, 3 no cord found, "
        "4 weights missing or corrupt, 5 out of memory or disk, 130 cancelled.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_segment(commands)
    _add_batch(commands)
    _add_centerline(commands)
    _add_evaluate(commands)
    _add_measure(commands)
    _add_refine(commands)
    _add_report(commands)
    _add_sample(commands)
    _add_train(commands)
    _add_weights(commands)
    return parser


def _add_segment(commands: Any) -> None:
    parser = commands.add_parser(
        "segment", allow_abbrev=False, help="the cord's mask and centerline, with a picture"
    )
    _add_image_options(parser)
    parser.add_argument(
        "--centerline",
        type=Path,
        metavar="FILE",
        help="use this curve (.csv, .mrk.json or a mask) instead of finding it",
    )
    _add_structure_options(parser)
    parser.set_defaults(run=segment_command)


def _add_batch(commands: Any) -> None:
    parser = commands.add_parser(
        "batch", allow_abbrev=False, help="many scans: masks, tables, and what failed"
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="image files, patterns, folders (also of DICOM series), or a BIDS dataset",
    )
    _add_segmentation_options(parser)
    _add_structure_options(parser)
    where = parser.add_mutually_exclusive_group()
    parser.add_argument(
        "--jobs",
        type=_count,
        default=1,
        metavar="N",
        help="scans at a time, each in a process of its own (default: 1)",
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the workers of this Dask scheduler"
    )
    where.add_argument(
        "--slurm", action="store_true", help="run on --jobs Dask workers that Slurm starts"
    )
    parser.add_argument(
        "--threads", type=_count, default=1, metavar="N", help="cores of a Slurm job (default: 1)"
    )
    parser.add_argument(
        "--interface", metavar="NAME", help="network by which Slurm's nodes reach this machine"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try again what failed in an earlier run"
    )
    parser.add_argument(
        "--qc", type=Path, metavar="FILE", help="the marks that were saved from the QC report"
    )
    marked = parser.add_mutually_exclusive_group()
    marked.add_argument(
        "--only-failed", action="store_true", help="do again what is marked as failed, only that"
    )
    marked.add_argument(
        "--exclude", action="store_true", help="leave out what is marked as failed or artefact"
    )
    parser.set_defaults(run=batch_command)


def _add_structure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--structures",
        default="cord",
        metavar="LIST",
        help="comma-separated: cord, gm, wm, lesion (default: cord)",
    )
    parser.add_argument(
        "--threshold",
        type=_probability,
        metavar="P",
        help="count voxels above this probability (default: that of the weights)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="cascade",
        help="how to outline the cord: cascade, or slice by slice with a level set (csm)",
    )
    parser.add_argument(
        "--refine",
        choices=("none", *REFINEMENTS),
        help="move the cord's outline onto the nearest edge (default: none; csm: grlse)",
    )
    parser.add_argument("--soft", action="store_true", help="write the probabilities too")
    parser.add_argument(
        "--dicom-seg",
        action="store_true",
        help="of a DICOM input, write DICOM SEG too: it bears the patient's name (needs highdicom)",
    )


def _add_centerline(commands: Any) -> None:
    parser = commands.add_parser(
        "centerline", allow_abbrev=False, help="the curve through the cord alone"
    )
    _add_image_options(parser)
    parser.set_defaults(run=centerline_command)


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate", allow_abbrev=False, help="how well masks agree with references"
    )
    parser.add_argument("prediction", type=Path, metavar="PREDICTION", help="a mask, or a folder")
    parser.add_argument(
        "reference", type=Path, metavar="REFERENCE", help="the same, drawn by somebody who knows"
    )
    parser.add_argument(
        "--structure",
        choices=("cord", "lesion", "gm"),
        default="cord",
        help="what the masks show, and so which metrics (default: cord)",
    )
    parser.add_argument(
        "--label",
        type=_label,
        metavar="N",
        help="count this value of the predictions (default: all but 0)",
    )
    parser.add_argument(
        "--reference-label", type=_label, metavar="N", help="the same for the references"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="the result; a table (.csv) and a picture (.png) are written beside it",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")
    _add_progress_option(parser)
    parser.set_defaults(run=evaluate_command)


def _add_measure(commands: Any) -> None:
    parser = commands.add_parser(
        "measure", allow_abbrev=False, help="areas, diameters and lesions along the cord, as tables"
    )
    parser.add_argument(
        "mask", type=Path, metavar="MASK_OR_SEG", help="cord mask, label map, or .seg.nrrd"
    )
    parser.add_argument(
        "--image", type=Path, metavar="IMAGE", help="the scan, to measure intensities in"
    )
    _add_volume_option(parser)
    parser.add_argument("--gray-matter", type=Path, metavar="MASK", help="gray matter mask")
    parser.add_argument("--lesion", type=Path, metavar="MASK", help="lesion mask")
    parser.add_argument(
        "--centerline",
        type=Path,
        metavar="FILE",
        help="curve along the cord (.csv, .mrk.json or a mask; default: the mask's own centre)",
    )
    parser.add_argument(
        "--levels", type=Path, metavar="FILE", help="label map of vertebral levels on the cord"
    )
    parser.add_argument(
        "--landmark",
        type=_landmark,
        metavar="X,Y,Z|MM",
        help="where positions along the cord start: a point in mm, LPS, or mm below the top of "
        "the mask (default: 0)",
    )
    parser.add_argument(
        "--slices",
        type=_slices,
        metavar="A-B,C",
        help="summarise these slices of the mask as it is stored, counted from 0",
    )
    parser.add_argument(
        "--distance",
        type=_distances,
        metavar="A:B",
        help="summarise what lies A to B mm below the landmark, along the cord",
    )
    parser.add_argument(
        "--vertebrae", type=_slices, metavar="A-B,C", help="summarise these levels of --levels"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE.csv",
        help="a row for each slice; other tables, .json and .png are written beside it",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")
    _add_progress_option(parser)
    parser.set_defaults(run=measure_command)


def _add_refine(commands: Any) -> None:
    parser = commands.add_parser(
        "refine", allow_abbrev=False, help="move a cord mask's outline onto the nearest edge"
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="NIfTI, NRRD, MHA, DICOM folder")
    parser.add_argument("mask", type=Path, metavar="MASK", help="cord mask on the image's grid")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        required=True,
        help="the new mask: .nii.gz, .nii, .nrrd or .mha",
    )
    parser.add_argument(
        "--method", choices=REFINEMENTS, default="grlse", help="level set (default: grlse)"
    )
    parser.add_argument(
        "--slices",
        type=_slices,
        metavar="A-B,C",
        help="axial slices of the image as it is stored, counted from 0 (default: all with cord)",
    )
    _add_volume_option(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    _add_progress_option(parser)
    parser.set_defaults(run=refine_command)


def _add_report(commands: Any) -> None:
    parser = commands.add_parser(
        "report", allow_abbrev=False, help="one HTML page to look at every scan of a folder"
    )
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="what batch, or segment, has written"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.html",
        help="the page (default: report.html in DIR)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it exists")
    _add_progress_option(parser)
    parser.set_defaults(run=report_command)


def _add_sample(commands: Any) -> None:
    parser = commands.add_parser("sample", allow_abbrev=False, help="a scan to try this on")
    parser.add_argument(
        "--real", action="store_true", help="fetch a real T2w scan (MIT licence) by its hash"
    )
    _add_output_options(parser, output_default=Path("."))
    parser.set_defaults(run=sample_command)


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        allow_abbrev=False,
        help="train a network's weights, on your scans or on synthetic images",
        epilog="--data: images anywhere in the folder, masks named after them: "
        "STEM_label-SC_mask (cord), STEM_label-GM_mask, STEM_label-lesion_mask, as `segment` and "
        "BIDS write them, or STEM_seg, STEM_gmseg, STEM_lesion. A mask lies beside its image, or "
        "below a folder derivatives in a folder of the same name as the image's. Masks of several "
        "raters, desc-rater1 and so on in their names, are averaged. centerline, cord and csm-unet "
        "need the cord, gm the gray matter, lesion both cord and lesions; cord-ends is learnt from "
        "synthetic images alone. Without --config the weights that ship go on with the scans. The "
        "run goes on where it was interrupted.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="centerline, cord, cord-ends, lesion, gm or csm-unet"
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
        type=_share,
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
    _add_folder_option(parser)
    _add_progress_option(parser)
    parser.set_defaults(run=train_command)


def _add_weights(commands: Any) -> None:
    parser = commands.add_parser(
        "weights", allow_abbrev=False, help="the weights that exist, and getting them"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("list", allow_abbrev=False, help="all weights, with their licence")
    action.set_defaults(run=weights_list_command, progress="none")
    action = actions.add_parser(
        "fetch", allow_abbrev=False, help="download published weights, by pinned hash"
    )
    action.add_argument(
        "name", metavar="NAME", help="from `weights list`, or sct for all published ones"
    )
    _add_consent_option(action)
    _add_progress_option(action)
    action.set_defaults(run=weights_fetch_command)
    action = actions.add_parser(
        "import", allow_abbrev=False, help="install published weights that you have"
    )
    action.add_argument(
        "path", type=Path, metavar="PATH", help="Keras file, folder of them, or zip archive"
    )
    action.add_argument(
        "--like",
        metavar="NAME",
        help="trust a Keras file that was not published, and use it as this set is used",
    )
    _add_consent_option(action)
    _add_progress_option(action)
    action.set_defaults(run=weights_import_command)
    action = actions.add_parser(
        "verify", allow_abbrev=False, help="check all weights on this computer by their hash"
    )
    _add_progress_option(action)
    action.set_defaults(run=weights_verify_command)


def _add_consent_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--yes", action="store_true", help="agree to their licence instead of being asked"
    )


def _add_image_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE", help="NIfTI, NRRD, MHA, DICOM folder")
    _add_segmentation_options(parser)


def _add_segmentation_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        nargs="+",
        action="extend",
        metavar="NAME_OR_FILE",
        help="default, sct (published ones for the contrast), or weights by name or file",
    )
    parser.add_argument(
        "--contrast", choices=("auto", *CONTRASTS), default="auto", help="default: auto"
    )
    _add_volume_option(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: auto")
    _add_output_options(parser)


def _add_volume_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--volume",
        type=_volume,
        metavar="INDEX|mean",
        help="which volume of a 4D image, counted from 0, or their mean",
    )


def _add_output_options(
    parser: argparse.ArgumentParser, output_default: Path | None = None
) -> None:
    _add_folder_option(parser, output_default)
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")
    _add_progress_option(parser)


def _add_folder_option(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        default=default,
        required=default is None,
        help="folder for the results" + (" (default: here)" if default else ""),
    )


def _add_progress_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--progress",
        choices=STYLES,
        default="bar",
        help="a bar, JSON lines on standard output, or nothing (default: bar)",
    )


def _structures(text: str) -> tuple[str, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in STRUCTURE_NAMES]
    if unknown or not words:
        what = f"{unknown[0]!r} is no structure" if unknown else "no structure was given"
        raise InvalidArgument(what, f"give some of {', '.join(STRUCTURE_NAMES)} with --structures")
    return tuple(dict.fromkeys(STRUCTURE_NAMES[word] for word in words))


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def _share(text: str) -> float:
    return 0.0 if text == "0" else _probability(text)


def _volume(text: str) -> int | str:
    if text == "mean":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a volume's index nor mean")
    return int(text)


def _label(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no label: 1, 2, 3 and so on")
    return int(text)


def _landmark(text: str) -> float | tuple[float, ...]:
    numbers = _numbers(text, ",")
    if len(numbers) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a point such as 1,-20,35 nor mm")
    return numbers[0] if len(numbers) == 1 else numbers


def _distances(text: str) -> tuple[float, float]:
    numbers = _numbers(text, ":")
    if len(numbers) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of distances such as 20:50")
    return numbers[0], numbers[1]


def _numbers(text: str, between: str) -> tuple[float, ...]:
    """Return finite numbers, or none at all."""
    try:
        numbers = tuple(float(word) for word in text.split(between))
    except ValueError:
        return ()
    return numbers if all(math.isfinite(number) for number in numbers) else ()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _slices(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for word in text.split(","):
        first, dash, last = (part.strip() for part in word.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise argparse.ArgumentTypeError(f"{text!r} is no list of slices such as 3-8,12")
        # No image has as many; a mistyped range must not fill the memory.
        if int(last) > _MOST_SLICES:
            raise argparse.ArgumentTypeError(f"no image has a slice {last}")
        found.update(range(int(first), int(last) + 1))
    return tuple(sorted(found))


def _weights(given: list[str] | None) -> str | tuple[str, ...]:
    if not given:
        return "default"
    return given[0] if len(given) == 1 else tuple(given)


def _read_centerline(path: Path | None) -> Any:
    if path is None:
        return None
    from .centerline.curve import read_centerline

    return read_centerline(path)


def _consent(arguments: argparse.Namespace, report: Reporter) -> Callable[[str], bool]:
    def consent(text: str) -> bool:
        if arguments.yes:
            report.notice(text)
            return True
        answer = report.ask(text, "Do you want them?")
        if answer is None:
            raise InvalidArgument(
                "weights of others are installed only with your consent, and there is no "
                "terminal to ask on",
                "see `spinalcordseg weights list` for their licence, then run again with --yes",
            )
        return answer

    return consent


def _part(report: Reporter, start: float, end: float) -> Any:
    def within(fraction: float, message: str) -> None:
        report(start + (end - start) * min(max(fraction, 0.0), 1.0), message)

    return within


def _wants_json(argv: Sequence[str]) -> bool:
    """Tell how to report an error in the arguments themselves."""
    pairs = itertools.pairwise(argv)
    return "--progress=json" in argv or ("--progress", "json") in pairs


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Make a request to terminate clean up as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    previous = {}
    for name in ("SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            # Only the main thread may set handlers; another has its own ways to stop.
            with contextlib.suppress(ValueError):
                previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _one_line_warnings(report: Reporter) -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        report.warning(" ".join(str(message).split()))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _fail(report: Reporter, error: SpinalCordSegError, stderr: TextIO) -> int:
    report.error(error)
    if _debugging():
        traceback.print_exc(file=stderr)
    print(f"{PROGRAM}: {' '.join(str(error).split())}", file=stderr)
    return error.exit_status


def _debugging() -> bool:
    return os.environ.get("SPINALCORDSEG_DEBUG") == "1"
