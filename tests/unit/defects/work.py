"""Defects of the datasets about a unit's own work: work_report, nil_return."""

from __future__ import annotations

from credit_schemas.catalogue import load_catalogue

REPORT = load_catalogue().dataset("work_report").examples[0]
DEFECTS: dict[str, dict[str, dict[str, str]]] = {
    "work_report": {
        # A file name may be nearly anything; the mark between its parts may not.
        "GZ_FJ.format": REPORT | {"GZ_FJ": "活动|方案.docx"},
        "GZ_FJ.required": REPORT | {"GZ_FJ": "", "GZ_XCLJ": ""},
        "GZ_CJ.required": REPORT | {"GZ_FJBXH": "22"},
    },
    "nil_return": {},
}
