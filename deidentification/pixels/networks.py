"""The two networks of rapidocr_onnxruntime, detection and recognition: on one core, in memory that does not grow."""

import logging
from math import ceil
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
import rapidocr_onnxruntime
from numpy.typing import NDArray
from rapidocr_onnxruntime.ch_ppocr_det import TextDetector
from rapidocr_onnxruntime.ch_ppocr_rec import TextRecognizer

Quad = NDArray[np.float32]
FOLDER: Final = Path(rapidocr_onnxruntime.__file__).parent / "models"
DETECTION: Final[dict[str, Any]] = {
    "model_path": str(FOLDER / "ch_PP-OCRv4_det_infer.onnx"),
    "limit_type": "min", "limit_side_len": 32, "mean": [0.5] * 3, "std": [0.5] * 3,
    "thresh": 0.3, "box_thresh": 0.3, "max_candidates": 1000, "unclip_ratio": 1.6, "use_dilation": True,
    "score_mode": "fast",
}  # fmt: skip
# One line at a time: a batch is as wide as its longest, which costs more than it saves.
RECOGNITION: Final[dict[str, Any]] = {
    "model_path": str(FOLDER / "ch_PP-OCRv4_rec_infer.onnx"), "rec_img_shape": [3, 48, 320], "rec_batch_num": 1,
}  # fmt: skip
THREADS: Final = {"intra_op_num_threads": 1, "inter_op_num_threads": 1, "use_cuda": False, "use_dml": False}
UPRIGHT: Final = 0.9
TURNED: Final = 1.5


class Networks:
    """Loaded once per process; not for several threads at once."""

    def __init__(self) -> None:
        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._detector = TextDetector(DETECTION | THREADS)
        self._detector.infer.session = _session(DETECTION["model_path"])
        self._recognizer = TextRecognizer(RECOGNITION | THREADS)
        self._recognizer.session.session = _session(RECOGNITION["model_path"])

    def detected(self, picture: NDArray[Any]) -> list[Quad]:
        """Corners of what may be lines, each from the upper left clockwise."""
        found, _ = self._detector(picture)
        return [] if found is None else [np.asarray(quad, np.float32) for quad in found]

    def read(self, picture: NDArray[Any], quad: Quad) -> tuple[str, float]:
        """Text and confidence of one line, the better of upright and turned round."""
        crop = _straightened(picture, quad)
        best = self._recognized(crop)
        return best if best[1] >= UPRIGHT else max(best, self._recognized(crop[::-1, ::-1]), key=lambda each: each[1])

    def _recognized(self, crop: NDArray[Any]) -> tuple[str, float]:
        (text, confidence, *_), *_ = self._recognizer([np.ascontiguousarray(crop)])[0]
        return str(text), float(confidence)


def _session(path: str) -> onnxruntime.InferenceSession:
    """An arena that is used again, instead of memory given back in pieces that the process cannot return."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena, options.enable_mem_pattern = True, False
    options.log_severity_level = 4
    arena = {"arena_extend_strategy": "kSameAsRequested"}
    return onnxruntime.InferenceSession(path, options, providers=[("CPUExecutionProvider", arena)])


def _straightened(picture: NDArray[Any], quad: Quad) -> NDArray[Any]:
    """The quadrilateral as a rectangle; lines that run upwards or downwards are laid down."""
    edges = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    width, height = max(1, ceil(max(edges[0], edges[2]))), max(1, ceil(max(edges[1], edges[3])))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(quad, corners)
    crop = cv2.warpPerspective(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.rot90(crop) if height >= TURNED * width else crop
