"""The catalogue: the datasets and the county, loaded together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from .codec import Codec
from .county import County, county_folder, load_county
from .county_errors import UnknownUnit
from .dataset import DATASETS, Dataset, UnknownDataset, act_form, current_datasets, load_schemas
from .workdays import WorkCalendar, load_calendar


@dataclass(frozen=True)
class Catalogue:
    """What every room looks things up in. Datasets of the county folder stand beside the shipped ones.

    Attributes:
        act: The form of what is done to records that were reported (`record_act`); its rows become no records.
    """

    county: County
    datasets: dict[str, Dataset]
    act: Dataset
    codec: Codec

    def dataset(self, name: str) -> Dataset:
        """A dataset, or the form of acts, by id or Chinese name. Raises UnknownDataset."""
        for d in (*self.datasets.values(), self.act):
            if name in (d.id, d.cn):
                return d
        raise UnknownDataset(name, self.datasets)

    def dataset_name(self, id: str) -> str:
        """A dataset (or the form of acts) in Chinese; an id the catalogue does not have stays as it is."""
        known = {**self.datasets, self.act.id: self.act}
        return known[id].cn if id in known else id

    def unit_name(self, code: str) -> str:
        """A unit's short Chinese name; a code the county does not have stays as it is."""
        try:
            return self.county.units.get(code).name
        except UnknownUnit:
            return code

    @cached_property
    def calendar(self) -> WorkCalendar:
        """Working days: the shipped table and, over it, the county's own `workdays.csv`."""
        own = self.county.folder / "workdays.csv"
        return load_calendar(extra=[own] if own.exists() else [])


def load_catalogue(county: Path | None = None) -> Catalogue:
    """The catalogue of a county folder; without one, of the one the setting CREDIT_COUNTY chooses. Each read once."""
    return _load(county_folder(county))


@cache
def _load(folder: Path) -> Catalogue:
    loaded = load_county(folder)
    own = loaded.folder / "datasets"
    schemas = load_schemas([DATASETS, own] if own.is_dir() else [DATASETS])
    datasets = current_datasets(schemas)
    return Catalogue(loaded, datasets, act_form(schemas, datasets), Codec(schemas))
