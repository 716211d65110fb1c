"""The `lanmu` command: arguments in, calls out."""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from lanmu.documents import read_document
from lanmu.errors import LanmuError
from lanmu.model_file import load_model
from lanmu.output import (
    FORMATS,
    Record,
    article_records,
    explained,
    labelled_record,
    outlined,
    written,
)
from lanmu.text import decode, paragraphs
from lanmu.topic_model import TopicModel

if TYPE_CHECKING:
    from lanmu.bulk import Progress
    from lanmu_training import LabeledData, Report

_model_option = click.option(
    "--model", "model_path", metavar="FILE", help="A model of yours; else the four-topic model."
)
_format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lanmu")
def commands() -> None:
    """Label Chinese paragraphs by topic."""


@commands.command()
@click.argument("files", metavar="FILE", nargs=-1, required=True)
@click.option("--encoding", help="Of FILE; else UTF-8 or, of a text that isn't that, GB18030.")
@_model_option
@_format_option
@click.option("--page", "as_page", is_flag=True, help="Put broken articles together again first.")
@click.option("--html", metavar="OUT", help="With --page: draw the page and its articles there.")
@click.option("-o", "--output", metavar="OUT", help="Label the rows of FILEs into this file.")
@click.option("--text-field", default="text", show_default=True, help="With -o: what to label.")
@click.option("--workers", type=int, metavar="N", help="With -o: label in N processes.")
@click.option("--scheduler", metavar="ADDRESS", help="With -o: label on this Dask cluster.")
@click.option("--strict", is_flag=True, help="With -o: stop at a row that can't be labelled.")
@click.option("--json-progress", is_flag=True, help="With -o: JSON lines of progress on stderr.")
@click.pass_context
def label(
    context: click.Context,
    /,
    files: tuple[str, ...],
    *,
    encoding: str | None,
    model_path: str | None,
    form: str,
    as_page: bool,
    html: str | None,
    output: str | None,
    **bulk: Any,
) -> None:
    """Label each paragraph of FILE, a text or a PDF (- for standard input).

    Blank lines part paragraphs; in a text without any, each line is one. With --page, label each
    article of a newspaper page whose articles are cut by columns and shuffled.

    With -o, label rows. FILE is any number of files, and folders of them, of JSONL, CSV, TSV (these
    also .gz or .zst) or Parquet. OUT has the same rows with label, probability and topics added,
    and OUT.rejected.jsonl those that can't be labelled. The same command goes on where it was
    stopped.
    """
    given = {name for name in context.params if _is_given(context, name)}
    if output is not None:
        if "form" in given:
            raise click.UsageError("--format is for text files; with -o the name of OUT tells it")
        if as_page or html:
            raise click.UsageError("--page and --html are for text files; -o labels rows")
        _label_rows(files, output, encoding or "utf-8", model_path, **bulk)
        return
    if meant := sorted(given & bulk.keys()):
        raise click.UsageError(f"--{meant[0].replace('_', '-')} is for rows; name OUT with -o")
    if len(files) > 1:
        raise click.UsageError(f"{files[1]}: one text file is labelled at a time; rows with -o OUT")
    if html and not as_page:
        raise click.UsageError("--html draws what --page finds; give both")
    if html:
        _check_output(html, "--html")
    texts = _page_texts(files[0], encoding)
    model = load_model(model_path)
    if as_page:
        _label_pages(files[0], texts, model, html, form)
    else:
        _label_paragraphs(texts, model, form)


def _page_texts(file: str, encoding: str | None) -> tuple[str, ...]:
    """Read the pages of a file, and say on stderr what the reader should know of it."""
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        document = read_document(data, encoding)
    except LanmuError as error:
        raise LanmuError(f"{file}: {error}") from error
    if document.encoding == "gb18030" != encoding:
        click.echo(f"lanmu: {file}: not UTF-8; read as GB18030", err=True)
    if not any(text.strip() for text in document.pages):
        raise LanmuError(f"{file}: has no text to label")
    for number, text in enumerate(document.pages, 1):
        if not text.strip():
            click.echo(f"lanmu: {file}: page {number} has no text layer; left out", err=True)
    return document.pages


def _label_pages(
    file: str, texts: Sequence[str], model: TopicModel, html: str | None, form: str
) -> None:
    from lanmu.page import read_page  # noqa: PLC0415 - labelling starts sooner without it
    from lanmu.page_html import page_html  # noqa: PLC0415

    pages = {n: read_page(text, model) for n, text in enumerate(texts, 1) if text.strip()}
    if html:
        title = "" if file == "-" else Path(file).name
        Path(html).write_text(page_html(pages, model, title), encoding="utf-8")
    _echo([row for n, page in pages.items() for row in article_records(n, page, form)], form)
    if html and form == "table":
        click.echo(f"{html}: the page, its joins, the articles, and the words that decided")


def _label_paragraphs(pages: Sequence[str], model: TopicModel, form: str) -> None:
    texts = [page[start:end] for page in pages for start, end in paragraphs(page)]
    records = [
        labelled_record(i, *pair)
        for i, pair in enumerate(zip(texts, model.label(texts), strict=True))
    ]
    if form == "table":
        records = [
            {
                "paragraph": record["paragraph"],
                "topic": record["label"] or "-",
                "probability": "-"
                if record["probability"] is None
                else f"{record['probability']:.2f}",
                "text": record["text"],
            }
            for record in records
        ]
    _echo(records, form)


@commands.command()
@click.argument("text")
@click.option("--label", "label_name", help="The label to explain; else the most probable one.")
@_model_option
def explain(text: str, label_name: str | None, model_path: str | None) -> None:
    """Show the words of TEXT that decided (- reads it from standard input)."""
    if text == "-":
        text = decode(sys.stdin.buffer.read()).text.strip()
    model = load_model(model_path)
    if label_name is not None and label_name not in model.labels:
        raise LanmuError(f"--label {label_name!r} is none of {', '.join(model.labels)}")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(explained(text, model.explain(text, label_name), colour), nl=False, color=colour)


@commands.command()
@click.argument("data", metavar="DATA")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where the model goes.")
@click.option("--settings", metavar="FILE", help="JSON that `lanmu tune` wrote.")
@click.option("--about", metavar="FILE", help="JSON object for the model's card.")
@click.option("--test", metavar="FILE", help="Judge the model on these paragraphs, too.")
@_format_option
def train(
    *, data: str, output: str, settings: str | None, about: str | None, test: str | None, form: str
) -> None:
    """Train a model on the labelled paragraphs of DATA, a JSONL file or a folder of them.

    Paragraphs of --test that are near-duplicates of DATA's are told, and left out of its scores.
    """
    from lanmu_training import evaluate as judge  # noqa: PLC0415 - scikit-learn takes over a second
    from lanmu_training import read_labeled  # noqa: PLC0415
    from lanmu_training import train as train_model  # noqa: PLC0415

    _check_output(output)
    told = _json_object(about) if about else None
    chosen = _json_object(settings).get("settings") if settings else {}
    if not isinstance(chosen, dict):
        raise LanmuError(f"{settings}: its field 'settings' is {chosen!r:.60}; write an object")
    labeled = read_labeled(data)
    tested = _without_copies(labeled, read_labeled(test)) if test else None
    _progress(f"training on {len(labeled)} paragraphs")
    try:
        model = train_model(labeled, about=told, **chosen)
    except LanmuError:
        raise
    except (TypeError, ValueError) as error:
        raise LanmuError(f"{settings or data}: {error}") from error
    model.save(output)
    held_out = model.card["held_out"]
    _echo([{"label": name, **scores} for name, scores in held_out["labels"].items()], form)
    if form == "table":
        low, high = held_out["macro_f1_interval"]
        click.echo(f"macro-F1 {held_out['macro_f1']:.3f} ({low:.3f} to {high:.3f}), held out")
        click.echo(f"{output}: {Path(output).stat().st_size / 1e6:.1f} MB")
    if tested is not None:
        if form == "table":
            click.echo(f"\n{test}:")
        _echo_report(judge(tested, model), form)


def _without_copies(labeled: "LabeledData", test: "LabeledData") -> "LabeledData":
    """Leave out the test paragraphs that training would give away, and tell which."""
    from lanmu_training import LabeledData  # noqa: PLC0415
    from lanmu_training.leakage import copies  # noqa: PLC0415

    found = {pair.second: pair for pair in copies(labeled.texts, test.texts)}
    for pair in found.values():
        where, of = test.examples[pair.second].source, labeled.examples[pair.first].source
        click.echo(f"lanmu: {where}: {pair.similarity:.0%} alike with {of}; left out", err=True)
    left = tuple(example for k, example in enumerate(test) if k not in found)
    if not left:
        raise LanmuError("--test: every paragraph is a near-duplicate of a training one")
    return LabeledData(left)


@commands.command()
@click.argument("data", metavar="DATA")
@click.option("--minutes", default=5.0, show_default=True, help="How long to go on trying.")
@click.option("-o", "--output", metavar="FILE", help="Where the settings go, for lanmu train.")
@_format_option
def tune(data: str, minutes: float, output: str | None, form: str) -> None:
    """Find the settings that suit the labelled paragraphs of DATA, by grouped folds."""
    from lanmu_training import read_labeled  # noqa: PLC0415
    from lanmu_training import tune as find_settings  # noqa: PLC0415

    if output:
        _check_output(output)
    trials = find_settings(read_labeled(data), minutes=minutes, progress=_progress_bar)
    rows = [{**t.settings, "seconds": round(t.seconds, 1), "macro_f1": round(t.macro_f1, 4)}
            for t in trials]  # fmt: skip
    if output:
        found = {"settings": trials[0].settings, "trials": rows}
        Path(output).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _echo(rows, form)


@commands.command()
@click.argument("model_path", metavar="[MODEL]", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def info(model_path: str | None, form: str) -> None:
    """Print the card of a MODEL file: what it was trained on, how well it did, its limits."""
    model = load_model(model_path)
    card = {
        "labels": list(model.labels),
        "thresholds": dict(zip(model.labels, model.thresholds.round(4).tolist(), strict=True)),
        "features": len(model.vocabulary),
        "user_words": list(model.user_words),
        **model.card,
    }
    if form == "json":
        click.echo(json.dumps(card, ensure_ascii=False, indent=1))
    else:
        click.echo(outlined(card), nl=False)


@commands.command()
@click.argument("data", metavar="DATA")
@click.option("--model", "model_path", metavar="FILE", help="Judge this model on DATA.")
@click.option("--shipped", is_flag=True, help="Judge the four-topic model on DATA.")
@click.option(
    "--report", "folder", metavar="FOLDER", help="Write report.json and report.html there."
)
@_format_option
def evaluate(
    data: str, model_path: str | None, shipped: bool, folder: str | None, form: str
) -> None:
    """Judge training on DATA by cross-validation, or a model on DATA that it never saw."""
    from lanmu_training import evaluate as judge  # noqa: PLC0415
    from lanmu_training import full_report, read_labeled, write_report  # noqa: PLC0415

    if model_path and shipped:
        raise click.UsageError("give --model or --shipped, not both")
    labeled = read_labeled(data)
    model = load_model(model_path) if model_path or shipped else None
    if folder is None:
        _echo_report(judge(labeled, model, progress=_progress_bar), form)
        return
    report = full_report(labeled, model, progress=_progress_bar)
    write_report(report, folder)
    _echo_report(report.scores, form)
    if form == "table":
        click.echo(f"{Path(folder, 'report.html')}: why, where not, and how sure")


@commands.command()
@click.argument("data", metavar="DATA")
@_format_option
def check(data: str, form: str) -> None:
    """Count the labelled paragraphs of DATA, and find what would spoil training (exit status 1)."""
    from lanmu_training import check as check_data  # noqa: PLC0415
    from lanmu_training import read_labeled  # noqa: PLC0415

    labeled = read_labeled(data)
    _progress(f"checking {len(labeled)} paragraphs")
    found = check_data(labeled)
    if form == "table":
        for name in ("labels", "genres", "lengths"):
            counts = getattr(found, name)
            _echo([{name: key or "-", "paragraphs": n} for key, n in counts.items()], form)
            click.echo()
    _echo([asdict(finding) for finding in found.findings], form)
    if form == "table":
        click.echo("clean" if found.clean else "not clean: see the rows that spoil training")
    if not found.clean:
        sys.exit(1)


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _label_rows(
    files: Sequence[str],
    output: str,
    encoding: str,
    model_path: str | None,
    *,
    text_field: str,
    workers: int | None,
    scheduler: str | None,
    strict: bool,
    json_progress: bool,
) -> None:
    from lanmu.bulk import UnfinishedRunError, label_files  # noqa: PLC0415 - not for a page
    from lanmu.workers import cluster, processes  # noqa: PLC0415

    if scheduler and workers:
        raise click.UsageError("give --workers or --scheduler, not both")
    spread = cluster(scheduler) if scheduler else processes(1 if workers is None else workers)
    try:
        with _shown_progress(json_progress) as show:
            totals = label_files(
                files,
                output,
                model=model_path,
                text_field=text_field,
                encoding=encoding,
                spread=spread,
                strict=strict,
                progress=show,
            )
    except UnfinishedRunError as error:
        _fail(str(error), status=1)
    except KeyboardInterrupt:
        _fail("stopped; what is done is kept, and the same command goes on from there", status=130)
    said = f"{totals.rows:,} rows = {totals.labelled:,} labelled + {totals.rejected:,} rejected"
    click.echo(said + (f" ({output}.rejected.jsonl)" if totals.rejected else ""))


@contextmanager
def _shown_progress(as_json: bool) -> Iterator[Callable[["Progress"], None]]:
    """Give what shows progress: lines of JSON, or a bar on a terminal."""
    if as_json:
        yield lambda progress: click.echo(json.dumps(asdict(progress)), err=True)
        return

    def described(progress: "Progress | None") -> str | None:
        if progress is None:
            return None
        rate = progress.rate / 1e6
        return f"{progress.rows:,} rows, {rate:.1f} MB/s, {progress.rejected:,} rejected"

    hidden = not sys.stderr.isatty()
    with click.progressbar(
        length=1, label="labelling", file=sys.stderr, hidden=hidden, item_show_func=described
    ) as bar:

        def show(progress: "Progress") -> None:
            bar.length = progress.bytes_in_all
            bar.update(progress.bytes - bar.pos, progress)

        yield show


def _echo_report(report: "Report", form: str) -> None:
    rows = report.as_json()["labels"]
    _echo([{"label": name, **scores} for name, scores in rows.items()], form)
    if form == "table":
        low, high = report.macro_f1_interval
        click.echo(
            f"macro-F1 {report.macro_f1:.3f} ({low:.3f} to {high:.3f}), "
            f"accuracy {report.accuracy:.3f} "
            f"({report.majority_accuracy:.3f} by always answering the commonest label)"
        )


def _echo(records: Sequence[Record], form: str) -> None:
    click.echo(written(records, form, shutil.get_terminal_size((100, 24)).columns), nl=False)


def _check_output(path: str, option: str = "-o") -> None:
    """Refuse a path that can't be written before long work is done for it."""
    if not Path(path).resolve().parent.is_dir():
        raise LanmuError(f"{option} {path}: its folder does not exist; make it first")
    if Path(path).is_dir():
        raise LanmuError(f"{option} {path}: is a folder; name a file in it")


def _json_object(path: str) -> dict[str, Any]:
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise LanmuError(f"{path}: is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise LanmuError(f"{path}: is a JSON {type(value).__name__}; write an object")
    return value


def _progress_bar(items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    hidden = not sys.stderr.isatty()
    with click.progressbar(items, length=total, label=what, file=sys.stderr, hidden=hidden) as bar:
        yield from bar


def _progress(message: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"{message} …", err=True)


def main() -> None:
    """Run the command; say in one line on stderr what was wrong, and exit with 2."""
    for stream in (sys.stdout, sys.stderr):  # one that can't hold Chinese gets question marks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        commands(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message())
    except BrokenPipeError:  # who read the output has closed it, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except LanmuError as error:
        _fail(str(error))


def _fail(message: str, status: int = 2) -> NoReturn:
    click.echo(f"lanmu: {' '.join(message.split())}", err=True)
    sys.exit(status)
