"""What PS3.15 leaves to the de-identifier, reviewed attribute by attribute.

Table E.1-1 alone leaks, so an attribute that it does not list is kept only when the data dictionary defines it
and its kind of value is not free text; these tables hold the exceptions in both directions.
"""

from typing import Final

# Attributes that identify, or hold free text, though E.1-1 does not list them: tag -> action code.
ADDED: Final[dict[int, str]] = {
    0x00080108: "X",  # Extended Code Meaning
    0x00080302: "X",  # Private Creator Reference
    0x00081190: "X",  # Retrieve URL
    0x00100033: "X",  # Patient's Birth Date in Alternative Calendar
    0x00100034: "X",  # Patient's Death Date in Alternative Calendar
    0x00100214: "X",  # Strain Stock Number
    0x00100217: "X",  # Strain Source
    0x00102295: "X",  # Breed Registration Number
    0x00181003: "X",  # Device ID
    0x00181006: "X",  # Grid ID
    0x00181801: "X",  # Time Source
    0x00181803: "X",  # NTP Source Address
    0x00182002: "X",  # Frame Label Vector
    0x00182006: "X",  # Display Window Label Vector
    0x00182045: "X",  # Target Label
    0x00189423: "X",  # Acquisition Protocol Name
    0x00189900: "X",  # Reference Location Label
    0x00189916: "X",  # Instruction Text
    0x00189922: "X",  # Protocol Element Name
    0x00201020: "X",  # Reference
    0x00209453: "X",  # Frame Label
    0x00286022: "X",  # Frame of Interest Description
    0x0028702A: "X",  # Test Result Comment
    0x00380016: "X",  # Route of Admissions
    0x00380102: "X",  # Resource Description
    0x00400255: "X",  # Performed Procedure Type Description
    0x00401006: "X",  # Placer Order Number / Procedure
    0x00401007: "X",  # Filler Order Number / Procedure
    0x00401008: "X",  # Confidentiality Code
    0x00401060: "X",  # Requested Procedure Description (Trial)
    0x00402006: "X",  # Placer Order Number / Imaging Service Request (Retired)
    0x00402007: "X",  # Filler Order Number / Imaging Service Request (Retired)
    0x0040A160: "D",  # Text Value
    0x0040A492: "X",  # Completion Flag Description
    0x00420010: "Z",  # Document Title
    0x0044000A: "X",  # Product Lot Identifier
    0x00440012: "X",  # Substance Administration Device ID
    0x00540400: "X",  # Image ID
    0x00700068: "X",  # Graphic Layer Description
    0x00700080: "D",  # Content Label
    0x00700081: "Z",  # Content Description
    0x00700207: "X",  # Graphic Group Label
    0x00700289: "X",  # Tick Label
    0x00700310: "X",  # Fiducial Identifier
    0x00720002: "D",  # Hanging Protocol Name
    0x00720004: "D",  # Hanging Protocol Description
    0x00720008: "D",  # Hanging Protocol Creator
    0x00720010: "X",  # Hanging Protocol User Group Name
    0x0074100C: "X",  # Contact Display Name
    0x00741202: "Z",  # Worklist Label
    0x00741204: "D",  # Procedure Step Label
    0x00880130: "X",  # Storage Media File-set ID
    0x04000500: "X",  # Encrypted Attributes Sequence
    0x04000520: "X",  # Encrypted Content
    0x20000050: "X",  # Film Session Label
    0x21000010: "X",  # Print Job ID
    0x21000160: "X",  # Owner ID
    0x21100030: "X",  # Printer Name
    0x21100099: "X",  # Print Queue ID
    0x30020002: "D",  # RT Image Label
    0x30020003: "X",  # RT Image Name
    0x30020020: "Z",  # Radiation Machine Name
    0x300600C8: "X",  # Frame of Reference Transformation Comment
    0x300A0009: "X",  # Treatment Protocols
    0x300A00C2: "X",  # Beam Name
    0x300A00FE: "X",  # Block Name
    0x300A0183: "X",  # Patient Setup Label
    0x300A0184: "X",  # Patient Additional Position
    0x300A0236: "X",  # Application Setup Name
    0x300A0244: "X",  # Template Name
    0x300A0266: "X",  # Brachy Accessory Device Name
    0x300A0294: "X",  # Source Applicator Name
    0x300A02B4: "X",  # Channel Shield Name
    0x40080103: "X",  # Reference to Recorded Sound
    0x4FFE0001: "X",  # MAC Parameters Sequence: of signatures that are removed
}

# Whole groups of no medical image: commands, file meta, directories, non-destructive testing, security screening.
DENIED_GROUPS: Final = frozenset((0x0000, 0x0002, 0x0004, 0x0014, 0x4010))

# Short texts whose name says that they are comments.
DENIED_WORDS: Final = ("Comment", "Notes")

# Long or free text that names a code or its scheme, not a person.
KEPT_TEXT: Final = frozenset((0x00080115, 0x00080119))

# Opaque bytes (OB) that are colour or blending tables.
KEPT_BULK: Final = frozenset((0x00282000, 0x00700256, 0x00701808))

# Attributes whose UIDs name classes, contexts and syntaxes; everything else of VR UI names an instance.
CLASS_UIDS: Final = frozenset(
    (
        *(0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x0008010C, 0x00080117, 0x00080118, 0x0008040E),
        *(0x00081150, 0x0008115A, 0x00083002, 0x00340003, 0x04000010, 0x30100052, 0x30100053),
    )
)
INSTANCE_UIDS: Final = frozenset((0x00080018, 0x0020000D, 0x0020000E))

# Versions of code lists: public constants, so a shifted one would tell the shift. Kept when they are dates.
PUBLIC_VERSIONS: Final = frozenset((0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07))

# Conditional and dummy actions on sequences, where a dummy is a question of content: "walk" applies the profile
# to every item, "code" puts one dummy code, otherwise an action code.
SEQUENCES: Final[dict[int, str]] = {
    0x00080082: "X",  # Institution Code Sequence: X/Z/D, never Type 1 outside what is removed itself
    0x00081072: "X",  # Operator Identification Sequence: X/D, Type 3 wherever it is used
    0x00081111: "Z",  # Referenced Performed Procedure Step Sequence: X/Z/D, Type 2 or 3
    0x00081140: "walk",  # Referenced Image Sequence: X/Z/U*, so that references hold
    0x00082112: "walk",  # Source Image Sequence: X/Z/U*
    0x00340001: "walk",  # Flow Identifier Sequence: D
    0x0040A073: "walk",  # Verifying Observer Sequence: D
    0x0040A730: "walk",  # Content Sequence: D, with the concepts of E.3.4-1
    0x0040B020: "walk",  # Waveform Annotation Sequence: X/D
    0x00401101: "code",  # Person Identification Code Sequence: D
    0x00700001: "walk",  # Graphic Annotation Sequence: D
}

# Values that say identity stands in the pixels: YES refuses the object, as this profile cleans no pixels.
BURNED_IN: Final = {0x00280301: "X", 0x00480010: "K"}
OVERLAY_BITS_ALLOCATED: Final = frozenset(0x60000100 | number << 17 for number in range(16))
ENCAPSULATED_DOCUMENT: Final = 0x00420011
