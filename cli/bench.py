"""`kdc bench`: size, load time, latency and memory of models, alone and against each other."""

import shlex
import sys

import typer

from kdc.cli import bench_options as options
from kdc.cli.console import Terminal
from kdc.cli.options import Dev, Json, Label, MultiLabel, Pair, Quiet, Seed, Text, refuse_given
from kdc.cli.written import Html, Png, check_outputs, deliver

_JUDGING = ("dev", "split", "rows", "text", "pair", "label", "multi_label", "student", "teacher")


def bench(
    context: typer.Context,
    models: options.Models = None,
    model: options.Model = None,
    vs: options.Versus = None,
    device: options.Device = "host",
    length: options.Length = None,
    threads: options.Threads = 1,
    runs: options.Runs = 1000,
    seconds: options.Seconds = 4.0,
    minutes: options.Minutes = None,
    cpu_profile: options.CpuProfile = "native",
    data: options.Data = None,
    dev: Dev = None,
    split: options.Split = "dev",
    rows: options.Rows = None,
    text: Text = None,
    pair: Pair = None,
    label: Label = None,
    multi_label: MultiLabel = None,
    student: options.Student = None,
    teacher: options.Teacher = None,
    seed: Seed = 0,
    json_to: Json = None,
    html_to: Html = None,
    png_to: Png = None,
    quiet: Quiet = False,
) -> None:
    """Measure size, latency and memory of models, and compare them."""
    from kdc.export.lengths import parse_lengths
    from kdc.export.measure import Plan, check
    from kdc.export.measure import bench as measure
    from kdc.export.model_file import files_of

    terminal = Terminal(quiet, json_to)
    every, others = [*(models or ()), *(model or ())] or [options.USUAL], vs or []
    named = [path for path in (data, dev, student, teacher) if path is not None]
    read = [file for path in (*every, *others) for file in files_of(path)]
    check_outputs(json_to, html_to, png_to, [*read, *named])
    plan = Plan(
        device=device,
        lengths=None if length is None else parse_lengths(length),
        threads=threads,
        runs=runs,
        seconds=seconds,
        minutes=minutes,
        cpu_profile=cpu_profile,
        seed=seed,
    )
    if minutes is not None and not others:  # models in turns have runs and seconds of their own
        refuse_given(context, ("seconds", "runs"), "goes with --minutes only where --vs is given")
    quality = []
    if data is None:
        refuse_given(context, _JUDGING, "goes with --data")
    else:
        from kdc.cli.quality import Judging, measure_quality

        check(every, plan, others)
        columns = {"dev": dev, "text": text, "pair": pair, "label": label}
        wanted = Judging(
            data=data,
            split=split,
            rows=rows,
            student=student,
            teacher=teacher,
            device=device,
            threads=threads,
            columns={**columns, "multi_label": multi_label},
            cpu_profile=cpu_profile,
        )
        quality = measure_quality([*every, *others], wanted, terminal)
    measured = measure(every, plan, terminal, others)
    command = shlex.join(["kdc", *sys.argv[1:]])
    deliver(terminal, measured.as_dict(command, quality), html_to, png_to)
