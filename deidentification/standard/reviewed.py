"""What PS3.15 leaves to the de-identifier, reviewed attribute by attribute.

Table E.1-1 alone leaks, so an attribute that it does not list is kept only when the data dictionary defines it
and its kind of value is not free text; these tables hold the exceptions in both directions.
"""

from typing import Final

from deidentification.standard.tables import Option

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
    0x00620020: "D",  # Tracking ID: a Tracking UID must not stand without one
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

# Groups that no dataset may hold, whatever a row says of their UIDs: group 0004 "shall be removed" (E.1.1), commands
# and File Meta inside a dataset make readers stumble.
NO_DATASET: Final = frozenset((0x0000, 0x0002, 0x0004))

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

# What an option cleans though its column in E.1-1 does not say so, or the table has no row: text annotations and
# labels (E.3.3), text of content items (E.3.4), descriptions and labels that people type (E.3.5).
CLEANED: Final[dict[int, Option]] = {
    0x00080108: Option.DESCRIPTORS,  # Extended Code Meaning
    0x00189423: Option.DESCRIPTORS,  # Acquisition Protocol Name
    0x00189922: Option.DESCRIPTORS,  # Protocol Element Name
    0x00286022: Option.GRAPHICS,  # Frame of Interest Description
    0x00400255: Option.DESCRIPTORS,  # Performed Procedure Type Description
    0x0040A160: Option.STRUCTURED_CONTENT,  # Text Value
    0x00420010: Option.DESCRIPTORS,  # Document Title
    0x00620020: Option.DESCRIPTORS,  # Tracking ID
    0x00700006: Option.GRAPHICS,  # Unformatted Text Value
    0x00700068: Option.GRAPHICS,  # Graphic Layer Description
    0x00700080: Option.DESCRIPTORS,  # Content Label
    0x00700081: Option.DESCRIPTORS,  # Content Description
    0x00700207: Option.GRAPHICS,  # Graphic Group Label
    0x00700289: Option.GRAPHICS,  # Tick Label
    0x30020002: Option.DESCRIPTORS,  # RT Image Label
    0x30020003: Option.DESCRIPTORS,  # RT Image Name
    0x300600C8: Option.DESCRIPTORS,  # Frame of Reference Transformation Comment
    0x300A00C2: Option.DESCRIPTORS,  # Beam Name
    0x300A00FE: Option.DESCRIPTORS,  # Block Name
    0x300A0183: Option.DESCRIPTORS,  # Patient Setup Label
}

# Text by its VR, but no text to clean: it is kept with Full Dates, else removed.
TIMEZONE: Final = 0x00080201
# A code string whose values the Standard lists.
BODY_PART: Final = 0x00180015

# A dummy (D) of a sequence walks its items under the profile; where all that they hold is the identity, one dummy code.
DUMMY_CODES: Final = frozenset(
    (
        0x00080082,  # Institution Code Sequence
        0x00401101,  # Person Identification Code Sequence
    )
)

# Values that say whether identity stands in the pixels: YES refuses the object unless its pixels are cleaned; NO is
# what the source says, which some objects must.
BURNED_IN: Final = {0x00280301: "K", 0x00480010: "K"}
OVERLAY_BITS_ALLOCATED: Final = frozenset(0x60000100 | number << 17 for number in range(16))
ENCAPSULATED_DOCUMENT: Final = 0x00420011
