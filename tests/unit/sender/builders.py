"""De-identified parts for the sender's tests: files of pydicom's wheel under one study and one series."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from services.sender.clients import Outgoing
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"

LOSSLESS = (
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "image_dfl.dcm",
    "SC_rgb_rle_2frame.dcm",
)
PLAIN = ("CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "test-SR.dcm", "rtplan.dcm")
LOSSY = ("SC_rgb_jpeg_dcmtk.dcm",)


class Part:
    """A part in a store: its manifest's path, and its files."""

    def __init__(self, store: Store, transfer: str = "t1", source_series: str = "1.2.3", revision: int = 1) -> None:
        self.store = store
        self.folder = store.anonymized(transfer, source_series, revision)
        self.transfer, self.source_series, self.revision = transfer, source_series, revision
        self.study, self.series = generate_uid(), generate_uid()
        self.instances: list[ManifestInstance] = []

    @property
    def manifest(self) -> str:
        """Its store-relative path."""
        return f"{self.folder}/manifest.json"

    @property
    def uids(self) -> frozenset[str]:
        """The SOP Instance UIDs."""
        return frozenset(instance.sop_instance_uid for instance in self.instances)

    def add(self, *names: str) -> "Part":
        """Add bundled files, as they are but for their UIDs."""
        for name in names:
            dataset = dcmread(BUNDLED / name)
            self._write(dataset)
        return self

    def ct(self, number: int, size: int = 64) -> "Part":
        """Add small CT slices of noise."""
        noise = np.random.default_rng(number)
        for index in range(number):
            self._write(ct_slice(index, noise.integers(0, 4096, (size, size), dtype=np.uint16)))
        return self

    def write(self) -> "Part":
        """Write the manifest."""
        manifest = Manifest(
            study_instance_uid=self.study, series_instance_uid=self.series, instances=tuple(self.instances)
        )
        write_manifest(self.store, self.manifest, manifest)
        return self

    def outgoing(self) -> list[Outgoing]:
        """What a client is given."""
        return [
            Outgoing(
                self.store / each.path,
                self.study,
                self.series,
                each.sop_instance_uid,
                each.sop_class_uid,
                each.transfer_syntax_uid,
                each.size,
            )
            for each in self.instances
        ]

    def _write(self, dataset: Dataset) -> None:
        uid = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = self.study, self.series, uid
        dataset.file_meta.MediaStorageSOPInstanceUID = uid
        path = f"{self.folder}/{uid}.dcm"
        (self.store / path).parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(self.store / path, enforce_file_format=True)
        self.instances.append(
            ManifestInstance(
                path=path,
                sop_instance_uid=uid,
                sop_class_uid=dataset.SOPClassUID,
                transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
                size=(self.store / path).stat().st_size,
            )
        )


def ct_slice(index: int, pixels: "np.ndarray[tuple[int, int], np.dtype[np.uint16]]") -> Dataset:
    """A CT slice with what a PACS wants to see; the UIDs of study, series and instance are left to the caller."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CT", "P001", "P001"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyDate = dataset.StudyTime = ""
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, index + 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = pixels.tobytes()
    return dataset
