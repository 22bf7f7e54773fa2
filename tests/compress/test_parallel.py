import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.parallel import ALONE, World, check_device, crew, world


class TestWorld:
    def launched(self, monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        told = {"TORCHELASTIC_RUN_ID": "none", **dict(zip(names, "3412", strict=True)), **changes}
        for name, value in told.items():
            monkeypatch.setenv(name, value)

    def test_it_is_read_from_torchrun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched(monkeypatch)
        assert world() == World(rank=3, size=4, local_rank=1, local_size=2)

    def test_one_process_is_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched(monkeypatch, WORLD_SIZE="1", RANK="0")
        assert world() is None

    def test_a_cluster_that_sets_the_size_everywhere_is_not_torchrun(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: a lone run on a node of a cluster waits for others for ever."""
        monkeypatch.setenv("WORLD_SIZE", "8")
        monkeypatch.setenv("RANK", "0")
        assert world() is None
        with crew(torch.device("cpu")) as found:
            assert found is ALONE

    @pytest.mark.parametrize("name", ["cuda:0", "mps"])
    def test_one_device_for_several_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Bug: every process fills the same GPU."""
        check_device(torch.device(name))
        self.launched(monkeypatch)
        with pytest.raises(KdcError, match=f"--device {name} is one device.*2 processes"):
            check_device(torch.device(name))
        check_device(torch.device("cpu"))

    def test_more_processes_than_gpus_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched(monkeypatch)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(KdcError, match="2 processes on a machine with 1 GPUs"):
            check_device(torch.device("cuda"))
