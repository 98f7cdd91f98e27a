r"""Make film CSVs of any size from a seed, for trials and measurements at full scale.

    python data/make_films.py OUT.csv --size 1GiB --seed 7 [--series]
    python data/make_films.py FOLDER --files 2000 --size 17KiB --seed 7 [--series]

The rows have the layout of `movies.csv` and `series.csv`: delimited by `|`, `\N` for null, one
row per title and artist (here one artist to a title, so that no two rows share an id). Titles and
people are invented. The same arguments give the same bytes on every Python from 3.11 on.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, cycle, islice
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_FILM_COLUMNS = (
    "id|tituloPincipal|tituloOriginal|anoLancamento|tempoMinutos|genero|notaMedia|numeroVotos"
    "|generoArtista|personagem|nomeArtista|anoNascimento|anoFalecimento|profissao"
    "|titulosMaisConhecidos"
)
FILM_HEADER = _FILM_COLUMNS.encode() + b"\n"
SERIES_HEADER = FILM_HEADER.replace(b"|anoLancamento|", b"|anoLancamento|anoTermino|")

NULL = r"\N"
FILES_PER_FOLDER = 100

_THIS_YEAR = 2022
_ROWS_PER_WRITE = 4096
# An artist is to have been alive when the title came out, so row n's title and its artist are both
# of the decade _DECADES[n % 12]. 337 and 347 have no common divisor: a pair of title and artist
# comes back only after 12 * 337 * 347 rows, some 200 MB.
_DECADES = (2010, 1980, 2000, 1950, 2020, 1990, 1920, 2010, 1970, 2000, 1940, 1960)
_TITLES_PER_DECADE = 337
_ARTISTS_PER_DECADE = 347
_PEOPLE_PER_DECADE = 60

# The article ends every adjective below, too: "a" makes "perdid" into "perdida".
_NOUNS = (
    ("o", "Silêncio", "Silence"),
    ("a", "Maré", "Tide"),
    ("a", "Estação", "Station"),
    ("o", "Relógio", "Clock"),
    ("a", "Herança", "Inheritance"),
    ("os", "Irmãos", "Brothers"),
    ("as", "Irmãs", "Sisters"),
    ("o", "Coração", "Heart"),
    ("a", "Canção", "Song"),
    ("o", "Farol", "Lighthouse"),
    ("a", "Ponte", "Bridge"),
    ("o", "Sertão", "Backlands"),
    ("as", "Águas", "Waters"),
    ("o", "Trem", "Train"),
    ("a", "Viúva", "Widow"),
    ("o", "Ladrão", "Thief"),
    ("a", "Fronteira", "Border"),
    ("os", "Pássaros", "Birds"),
    ("o", "Labirinto", "Labyrinth"),
    ("a", "Tempestade", "Storm"),
    ("a", "Promessa", "Promise"),
    ("o", "Pão", "Bread"),
    ("as", "Mãos", "Hands"),
    ("o", "Circo", "Circus"),
    ("a", "Órfã", "Orphan"),
    ("o", "Vizinho", "Neighbour"),
    ("a", "Memória", "Memory"),
    ("os", "Heróis", "Heroes"),
    ("a", "Neve", "Snow"),
    ("o", "Açude", "Reservoir"),
    ("a", "Bússola", "Compass"),
    ("o", "Café", "Café"),
    ("as", "Cinzas", "Ashes"),
    ("o", "Espelho", "Mirror"),
    ("a", "Travessia", "Crossing"),
    ("o", "Verão", "Summer"),
    ("a", "Família", "Family"),
    ("o", "Pescador", "Fisherman"),
    ("a", "Lâmpada", "Lamp"),
    ("os", "Trovões", "Thunders"),
)
_LEADING = (("Últim", "Last"), ("Primeir", "First"), ("Pequen", "Little"), ("Velh", "Old"))
_TRAILING = (
    ("Perdid", "Lost"),
    ("Secret", "Secret"),
    ("Vermelh", "Red"),
    ("Esquecid", "Forgotten"),
    ("Dourad", "Golden"),
    ("Estranh", "Strange"),
    ("Roubad", "Stolen"),
    ("Silencios", "Silent"),
    ("Branc", "White"),
    ("Sonâmbul", "Sleepwalking"),
)
_PLACES = (
    "Olinda", "Belém", "Coimbra", "Paraty", "Évora", "São Luís", "Lisboa", "Maceió", "Goiás",
    "Diamantina", "Luanda", "Santarém", "Ilhéus", "Macau", "Niterói", "Bragança",
)  # fmt: skip
_GENRES = (
    "Drama", "Comedy", "Comedy,Drama", "Drama,Romance", "Crime,Drama", "Crime,Drama,Thriller",
    "Documentary", "Adventure,Family,Fantasy", "Animation,Comedy,Family", "Horror,Mystery",
    "Drama,History,War", "Comedy,Music,Romance", "Action,Adventure", "Sci-Fi,Thriller", NULL,
)  # fmt: skip
_WOMEN = (
    "Inês", "Conceição", "Marília", "Luísa", "Beatriz", "Antônia", "Helô", "Graça", "Íris",
    "Teodora", "Júlia", "Noêmia", "Sílvia", "Aurora", "Cecília", "Ângela", "Rosário", "Yara",
)  # fmt: skip
_MEN = (
    "João", "Estêvão", "Antônio", "Caetano", "Vitório", "Otávio", "Sebastião", "Álvaro", "Tomé",
    "Baltazar", "Renê", "Lázaro", "Inácio", "Murilo", "Zacarias", "Fábio", "Raí", "Osvaldo",
)  # fmt: skip
_SURNAMES = (
    "Brandão", "Quintela", "Falcão", "Seabra", "Valença", "Galvão", "Conceição", "Lourenço",
    "Patrício", "Assunção", "Noronha", "Ribas", "Sá", "Vilhena", "Magalhães", "Tibiriçá",
    "Okamoto", "Zanetti", "Furtado", "Cárdenas", "Mourão", "Leitão", "Abreu", "Gusmão",
)  # fmt: skip
_RANKS = ("Doutor", "Inspetor", "Padre", "Capitão", "Tio", "Seu")
_RANKS_OF_WOMEN = ("Doutora", "Delegada", "Irmã", "Professora", "Tia", "Dona")
_PARTS = ("Narração", "Vizinhança", "Voz no Rádio", "Multidão")
_CRAFTS = ("", "", ",producer", ",soundtrack", ",writer", ",director,writer", ",composer")


class _Draw:
    """Draws that never differ: `Random.random` is the one method Python promises to keep."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def below(self, bound: int) -> int:
        return int(self._random() * bound)

    def between(self, least: int, most: int) -> int:
        return least + self.below(most - least + 1)

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent


class _Person(NamedTuple):
    woman: bool
    columns: str


class _Catalogue(NamedTuple):
    """What rows are put together from: an id, then a title's columns, then an artist's."""

    header: bytes
    titles: tuple[bytes, ...]
    artists: tuple[bytes, ...]

    def write(self, path: Path, size: int, first: int) -> int:
        """Write the rows from number `first` on that fit into `size` bytes; return how many."""
        shortest = min(map(len, self.titles)) + min(map(len, self.artists)) + len(_id(first))
        left = size - len(self.header)
        rows = 0
        with path.open("wb") as file:
            file.write(self.header)
            for block in self._blocks(first, min(_ROWS_PER_WRITE, left // shortest + 1)):
                fitting = block[: block.rfind(b"\n", 0, left) + 1] if len(block) > left else block
                file.write(fitting)
                left -= len(fitting)
                rows += fitting.count(b"\n")
                if len(fitting) < len(block):
                    break
        return rows

    def _blocks(self, first: int, rows: int) -> Iterator[bytes]:
        titles = islice(cycle(self.titles), first % len(self.titles), None)
        artists = islice(cycle(self.artists), first % len(self.artists), None)
        while True:
            # The ids come first, or zip would take one title too many at each block's end.
            ids = map(_id, range(first, first + rows))
            yield b"".join(chain.from_iterable(zip(ids, titles, artists, strict=False)))
            first += rows


def write_films(path: Path, size: int, seed: int, series: bool = False) -> int:
    """Write a film CSV to `path`, replacing what is there, and return its number of rows.

    The file holds the header and the rows that fit: it ends at a row's end, is never larger than
    `size` and less than one row smaller. A file is the beginning of every larger one of its seed.
    Memory does not grow with `size`.

    Args:
        path: the file; its folder must exist.
        size: the most bytes that the file may have; at least those of its header.
        seed: from 0 on.
        series: whether rows have `anoTermino` after `anoLancamento`, as `series.csv` has.

    Returns:
        The number of rows, without the header.

    Raises:
        ValueError: `size` or `seed` is out of range; nothing was written.
        OSError: the file can't be written; what was written so far stays.
    """
    header = _header(series)
    if size < len(header):
        raise ValueError(f"the size must be {len(header)} bytes or more, to hold the header")
    return _catalogue(seed, series).write(path, size, 1)


def write_volume(root: Path, files: int, size: int, seed: int, series: bool = False) -> list[Path]:
    """Write many film CSVs of about `size` bytes under `root`, 100 to a folder.

    The files are named `batch-000/films-00000.csv` and so on (with `series`, `series-00000.csv`).
    Their sizes are spread evenly from half to one and a half times `size`, in pairs with that
    mean, each as `write_films` bounds it: together they never exceed `files * size`. No two rows
    of the volume share an id. Files already there are replaced if they have one of these names,
    and otherwise left alone.

    Args:
        root: the volume's folder; made if it does not exist.
        files: how many; from 1 on.
        size: the mean of the bounds on the files' sizes, in bytes; at least twice the header's.
        seed: from 0 on.
        series: whether rows have `anoTermino` after `anoLancamento`, as `series.csv` has.

    Returns:
        The paths of the files, in order of their numbers.

    Raises:
        ValueError: `files`, `size` or `seed` is out of range; nothing was written.
        OSError: a folder or file can't be written; what was written so far stays.
    """
    if files < 1:
        raise ValueError("the number of files must be 1 or more")
    least = 2 * len(_header(series))
    if size < least:
        raise ValueError(f"the size must be {least} bytes or more, for the smallest files' header")
    catalogue = _catalogue(seed, series)
    kind = "series" if series else "films"
    first = 1
    paths = []
    for number, bound in enumerate(_spread(files, size, seed)):
        folder = root / f"batch-{number // FILES_PER_FOLDER:03}"
        if number % FILES_PER_FOLDER == 0:
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{kind}-{number:05}.csv"
        first += catalogue.write(path, bound, first)
        paths.append(path)
    return paths


def _spread(files: int, mean: int, seed: int) -> Iterator[int]:
    draw = _Draw(seed)
    for _ in range(files // 2):
        offset = draw.between(-(mean // 2), mean // 2)
        yield mean + offset
        yield mean - offset
    if files % 2:
        yield mean


def _header(series: bool) -> bytes:
    return SERIES_HEADER if series else FILM_HEADER


_id = b"tt%07d".__mod__


@lru_cache(maxsize=4)
def _catalogue(seed: int, series: bool) -> _Catalogue:
    # Random takes a negative seed for its absolute value: two seeds would give the same file.
    if seed < 0:
        raise ValueError("the seed must be 0 or more")
    draw = _Draw(seed)
    people = {
        decade: [_person(draw, decade) for _ in range(_PEOPLE_PER_DECADE)]
        for decade in sorted(set(_DECADES))
    }
    titles = [
        f"|{_title(draw, decade, series)}|".encode() for decade in _DECADES * _TITLES_PER_DECADE
    ]
    artists = [
        f"{_role(draw, draw.one_of(people[decade]))}\n".encode()
        for decade in _DECADES * _ARTISTS_PER_DECADE
    ]
    return _Catalogue(_header(series), tuple(titles), tuple(artists))


def _title(draw: _Draw, decade: int, series: bool) -> str:
    """Return a title's columns from `tituloPincipal` to `numeroVotos`."""
    title, translation = _name(draw)
    original = translation if draw.chance(25) else title
    year = draw.between(decade, min(decade + 9, _THIS_YEAR))
    columns = [title, original, str(year)]
    if series:
        last = year + draw.below(9)
        columns.append(NULL if last >= _THIS_YEAR else str(last))
    minutes = draw.between(20, 60) if series else draw.between(62, 164)
    columns.append(NULL if draw.chance(6) else str(minutes))
    columns.append(draw.one_of(_GENRES))
    if draw.chance(5):
        columns += [NULL, NULL]
    else:
        tenths = 20 + draw.below(40) + draw.below(36)
        votes = 5 + draw.below(30) * draw.below(40) * draw.below(50)
        columns += [f"{tenths // 10}.{tenths % 10}", str(votes)]
    return "|".join(columns)


def _name(draw: _Draw) -> tuple[str, str]:
    """Return a title in Portuguese and in English."""
    article, noun, english = draw.one_of(_NOUNS)
    other_article, other, other_english = draw.one_of(_NOUNS)
    place = draw.one_of(_PLACES)
    leading, leading_english = draw.one_of(_LEADING)
    trailing, trailing_english = draw.one_of(_TRAILING)
    the_noun = f"{article.title()} {noun}"
    names = (
        (f"{the_noun} de {place}", f"The {english} of {place}"),
        (f"{article.title()} {leading}{article} {noun}", f"The {leading_english} {english}"),
        (f"{the_noun} {trailing}{article}", f"The {trailing_english} {english}"),
        (f"{noun} {trailing}{article}", f"{trailing_english} {english}"),
        (f"{the_noun} d{other_article} {other}", f"The {english} of the {other_english}"),
        (f"{noun} em {place}", f"{english} in {place}"),
        (f"{noun} sem {other}", f"{english} Without {other_english}"),
        (f"Antes d{article} {noun}", f"Before the {english}"),
    )
    # "O Trem do Trem" would not do.
    return draw.one_of(names) if noun != other else names[0]


def _person(draw: _Draw, decade: int) -> _Person:
    """Return an artist at work in a decade, with the columns from `nomeArtista` on."""
    woman = draw.chance(48)
    name = f"{draw.one_of(_WOMEN if woman else _MEN)} {draw.one_of(_SURNAMES)}"
    if draw.chance(40):
        name += f" {draw.one_of(_SURNAMES)}"
    born = decade - 10 - draw.below(50)
    died = max(decade + 10, born + draw.between(48, 97))
    craft = f"{'actress' if woman else 'actor'}{draw.one_of(_CRAFTS)}"
    known = [f"tt{draw.between(1, 60_000):07}" for _ in range(draw.between(1, 4))]
    columns = (
        name,
        NULL if draw.chance(7) else str(born),
        NULL if died >= _THIS_YEAR else str(died),
        craft,
        NULL if draw.chance(4) else ",".join(known),
    )
    return _Person(woman, "|".join(columns))


def _role(draw: _Draw, person: _Person) -> str:
    """Return an artist's columns in a title, from `generoArtista` on."""
    given = draw.one_of(_WOMEN if person.woman else _MEN)
    rank = draw.one_of(_RANKS_OF_WOMEN if person.woman else _RANKS)
    characters = (given, f"{rank} {given}", f"{given} {draw.one_of(_SURNAMES)}")
    character = draw.one_of(characters)
    if draw.chance(15):
        character = NULL if draw.chance(60) else draw.one_of(_PARTS)
    return f"{'actress' if person.woman else 'actor'}|{character}|{person.columns}"


def _bytes(text: str) -> int:
    """Parse a size such as `1GiB`, `17KiB`, `20MB` or `4096`."""
    match = re.fullmatch(r"([0-9]+)\s*(?:([kmgt])(i?))?b?", text.strip(), re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give one such as 1GiB or 20MB")
    number, prefix, binary = match.groups()
    unit: int = (1024 if binary else 1000) ** " kmgt".index((prefix or " ").lower())
    return int(number) * unit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 1 if a file can't be written.

    Raises:
        SystemExit: with status 2 for bad arguments, with 0 for `--help`.
    """
    parser = argparse.ArgumentParser(
        prog="make_films.py",
        description="Make film CSVs of any size from a seed: same arguments, same bytes.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the CSV; with --files, a folder")
    parser.add_argument(
        "--size",
        type=_bytes,
        required=True,
        help="the most that the file may have, such as 1GiB or 20MB (it is filled up to the last "
        "row that fits); with --files, the mean of that",
    )
    parser.add_argument("--seed", type=int, required=True, help="a number from 0 on")
    parser.add_argument("--files", type=int, help="make so many CSVs, 100 to a sub-folder")
    parser.add_argument("--series", action="store_true", help="make series instead of films")
    options = parser.parse_args(arguments)
    out: Path = options.out
    try:
        if options.files is None:
            if out.is_dir():
                parser.error(f"{out} is a folder: name a file in it, or add --files")
            rows = write_films(out, options.size, options.seed, options.series)
            print(f"{out}: {rows} rows, {out.stat().st_size} bytes")
        else:
            if out.exists() and not out.is_dir():
                parser.error(f"{out} is not a folder: with --files, name one")
            paths = write_volume(out, options.files, options.size, options.seed, options.series)
            total = sum(path.stat().st_size for path in paths)
            print(f"{out}: {len(paths)} files, {total} bytes")
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"make_films.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
