"""`xinyi population simulate`: what a new version of a model would change, over Parquet files alone. One thing to know:
it needs no database; published offers, where they matter, come in a file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import WrongUse
from core.errors import ExpectedError

if TYPE_CHECKING:
    from core.places import Places
    from scoring.life.simulation import OfferThreshold
    from scoring.model import Model
    from scoring.models import Models

FILE = click.Path(path_type=Path, dir_okay=False)


class BadOffers(ExpectedError):
    """The file of offers cannot be used."""

    code = "BAD_OFFERS"


class SimulationFails(ExpectedError):
    """The population cannot be read or scored."""

    code = "BAD_POPULATION"


@click.command()
@click.argument("model")
@click.option("--records", required=True, type=FILE, help="记录(Parquet)。")
@click.option(
    "--subjects", required=True, type=FILE, help="主体(Parquet);可有 sex、birth_on、district、place、kind 列。"
)
@click.option("--facts", type=FILE, help="事实(Parquet)。")
@click.option("--against", metavar="VERSION", help="与哪一版对照,默认为当天生效的版本。")
@click.option("--place", help="文件中的新模型属于哪个地方。")
@click.option("--offers", type=FILE, help='优惠(JSON):[{"offer", "title", "threshold", "places", "spent_fen"}]。')
@click.option("--on", metavar="YYYY-MM-DD", help="按哪一天计算,默认为上海时间的今天。")
@click.option("--out", required=True, type=FILE, help="报告(一个 HTML 文件)。")
@click.option("--json", "as_json", is_flag=True, help="另把数字以 JSON 输出到屏幕。")
def simulate(
    *,
    model: str,
    records: Path,
    subjects: Path,
    facts: Path | None,
    against: str | None,
    place: str | None,
    offers: Path | None,
    on: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """用整份人口模拟 MODEL(模型文件 FILE.yaml,或模型名、模型名@版本)与现行版本之间的变化。"""
    from cli.score import _day
    from core.places import load_places
    from core.settings import jurisdictions_folder
    from scoring.life.report import report_page
    from scoring.life.simulation import Population
    from scoring.life.simulation import simulate as run
    from scoring.life.versions import in_force
    from scoring.models import UnknownModel, load_models
    from scoring.values import BadValue

    day = _day(on)
    places = load_places(jurisdictions_folder())
    models = load_models(places)
    try:
        after = _after(model, place, models=models, places=places)
        before = in_force(models, after.id, day) if against is None else models.version(after.id, against)
    except UnknownModel as error:
        raise WrongUse(error.code, error.message) from None
    if before is not None and before.checksum == after.checksum:
        raise WrongUse("SAME_VERSION", "新旧两版内容相同,没有可比较的。请给出改动后的模型文件,或用 --against 另选一版")
    population = Population(records=records, subjects=subjects, facts=facts)
    wanted = [] if offers is None else _offers(offers)
    with tempfile.TemporaryDirectory(prefix="xinyi-") as folder:
        try:
            summary = run(after, before, population=population, on=day, offers=wanted, folder=Path(folder))
        except BadValue as error:
            raise SimulationFails(f"[{error.code}] {error.message}") from None
    out.write_text(report_page(summary), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))


def _after(name: str, place: str | None, *, models: Models, places: Places) -> Model:
    """The new version: of a file, or of the deployment's folders."""
    from core.datafile import RuleFile
    from scoring.model import ModelFile
    from scoring.models import UnknownModel, read_models

    if not name.endswith((".yaml", ".yml")):
        model_id, _, version = name.partition("@")
        return models.version(model_id, version) if version else models.get(model_id)
    path = Path(name)
    file = RuleFile(path, root=path.parent)
    try:
        home = models.get(file.parse(ModelFile).id).place
    except UnknownModel:
        home = place or ""
    if home not in places:
        raise WrongUse("UNKNOWN_PLACE", f"新模型要用 --place 写明属于哪个地方。可选:{'、'.join(places)}")
    (made,) = read_models([(file, home)], places=places, known=models.all)
    return made


def _offers(path: Path) -> list[OfferThreshold]:
    from scoring.life.simulation import OfferThreshold

    try:
        given: Any = json.loads(path.read_bytes())
        return [
            OfferThreshold(
                offer=str(one["offer"]),
                title=str(one.get("title") or one["offer"]),
                threshold=str(one["threshold"]),
                places=frozenset(one["places"]) if one.get("places") is not None else None,
                spent_fen=int(one["spent_fen"]) if one.get("spent_fen") is not None else None,
            )
            for one in given
        ]
    except OSError as error:
        raise BadOffers(f"读不到 {path}({error.strerror})。请检查路径。") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadOffers(f"{path} 不是优惠列表。请写成 JSON 列表,每项含 offer 与 threshold。") from None
