import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.corpus.build import CorpusJob
from kdc.compress.corpus.executors import run_corpus
from kdc.compress.corpus.share import Share
from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from tests.compress.corpus.texts import bytes_of
from tests.tiny import Recorder

_SBATCH = """#!/bin/bash
# runs the tasks of an array one after another, as Slurm runs them at once
script=$(cat "${!#}" 2>/dev/null || cat)
echo "$script" | grep -q merge_stats && { echo Submitted batch job 2; exit; }
last=$(echo "$script" | sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p')
for task in $(seq 0 "$last"); do
  SLURM_ARRAY_TASK_ID=$task SLURM_NODELIST=here RUN_OFFSET=0 bash -c "$script" >> "$0.log" 2>&1
done
echo Submitted batch job 1
"""
_SRUN = '#!/bin/bash\nwhile [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done\nexec "$@"\n'
_SCONTROL = "#!/bin/bash\necho here\n"


@pytest.mark.slow
def test_a_ray_cluster_makes_the_same_bytes(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: tasks of a cluster cut the sources in another way than one process does."""
    pytest.importorskip("datatrove")
    pytest.importorskip("ray")
    ours = replace(job, out=tmp_path / "out", workers=2)
    made = run_corpus(ours, "ray", [], Silent())
    assert made.corpus is not None and bytes_of(tmp_path / "out") == bytes_of(job.out)


@pytest.mark.slow
def test_slurm_tasks_make_the_same_bytes(
    job: CorpusJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: nobody puts the folder together once the command that submits has ended."""
    pytest.importorskip("datatrove")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("sbatch", _SBATCH), ("srun", _SRUN), ("scontrol", _SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    places = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(places))
    heard = Recorder()
    ours = replace(job, out=tmp_path / "out", workers=3)
    assert run_corpus(ours, "slurm", ["partition=cpu"], heard).corpus is None
    assert "3 tasks are submitted" in heard.said[-1]
    assert bytes_of(tmp_path / "out") == bytes_of(job.out), (tools / "sbatch.log").read_text()


def test_what_cannot_run_there_is_one_sentence(
    job: CorpusJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = replace(job, out=tmp_path / "out")
    with pytest.raises(KdcError, match="unknown executor 'slrum': did you mean slurm"):
        run_corpus(ours, "slrum", [], Silent())
    with pytest.raises(KdcError, match="for --executor slurm and ray"):
        run_corpus(ours, "local", ["partition=cpu"], Silent())
    with pytest.raises(KdcError, match="leave one out"):
        run_corpus(replace(ours, share=Share(0, 2)), "ray", [], Silent())
    with pytest.raises(KdcError, match="not NAME=VALUE"):
        run_corpus(ours, "slurm", ["partition"], Silent())
    monkeypatch.setattr("kdc.compress.corpus.executors.find_spec", lambda name: None)
    with pytest.raises(KdcError, match=r'needs datatrove: pip install "kdc\[slurm\]"'):
        run_corpus(ours, "slurm", [], Silent())
    monkeypatch.setattr("kdc.compress.corpus.executors.find_spec", lambda name: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KdcError, match="needs sbatch"):
        run_corpus(ours, "slurm", [], Silent())
