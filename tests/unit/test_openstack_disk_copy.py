"""A disk's way to its image, in a cloud that gives up what it was asked for or does not answer."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from openstack.image.v2.image import Image

from rig.openstack_exports import machine
from thresher.model.errors import SourceBusy, SourceDenied, SourceError, SourceUnreachable
from thresher.sources.openstack import cloud
from thresher.sources.openstack.cloud import Copy, Kind, QuotaHeld, Seen
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.copies import DiskCopy
from thresher.sources.openstack.patience import CopyPolicy

KEY = "0b9a7c52-3d5e-4b47-8f1d-7c64c07f2a10"
QUICK = CopyPolicy(looks=5, every_s=0.001, slowest=1 << 60)
QUICK_LOOKS = 2
READY = Copy(Kind.VOLUME, "of-the-disk", "copy", "available")


class Cloud:
    """One volume that is ready to be uploaded, and uploads that come to nothing at first.

    Args:
        lost: how many uploads come to nothing.
        late: how many looks do not see yet what was made.
        silent: how many looks in a row get no answer, each time before something is seen.
        words: what Cinder says of it; an error where it says nothing to this user.
    """

    def __init__(self, *, lost: int = 0, late: int = 0, silent: int = 0, words: str | SourceError = "") -> None:
        self.uploads = self.logins = self.discards = 0
        self.held = 0
        self.abandoned = False
        self.volume = READY
        self._late = late
        self._looks = 0
        self._silent = silent
        self._lost = lost
        self._words = words

    async def call(self, work: Callable[[Any], Any]) -> Any:
        """As the connection does, with itself in place of openstacksdk's."""
        return work(self)

    def look(self, _: Any, name: str) -> Seen:
        """Stands for :func:`cloud.look`."""
        self._looks += 1
        if self._looks % (self._silent + 1):
            raise SourceUnreachable("the cloud cannot answer now (503)")
        if self.abandoned:
            return Seen(volume=READY, image=Copy(Kind.IMAGE, "i", name, "queued"))
        done = self.uploads > self._lost
        if done and self._late:
            self._late -= 1
            done = False
        return Seen(volume=self.volume, image=Copy(Kind.IMAGE, "i", name, "active") if done else None)

    def upload(self, *_: Any) -> None:
        """Stands for :func:`cloud.upload_volume`."""
        assert self.logins > self.uploads, "the token may end while Cinder works"
        if self.held:
            self.held -= 1
            raise QuotaHeld("copies of other disks hold it")
        self.uploads += 1

    def log_in(self, _: Any) -> None:
        """Stands for :func:`cloud.renew_login`."""
        self.logins += 1

    def discard(self, _: Any, copy: Copy) -> None:
        """Stands for :func:`cloud.remove`."""
        assert copy.kind is Kind.IMAGE
        assert self._looks > QUICK_LOOKS, "it may be about to be written"
        self.discards += 1
        self.abandoned = False

    def say(self, _: Any, resource: str) -> str:
        """Stands for :func:`cloud.words_of_cinder`."""
        assert resource == READY.id
        if isinstance(self._words, SourceError):
            raise self._words
        return self._words


def copied(made: Cloud, monkeypatch: pytest.MonkeyPatch, policy: CopyPolicy = QUICK) -> Image:
    monkeypatch.setattr(cloud, "look", made.look)
    monkeypatch.setattr(cloud, "upload_volume", made.upload)
    monkeypatch.setattr(cloud, "words_of_cinder", made.say)
    monkeypatch.setattr(cloud, "renew_login", made.log_in)
    monkeypatch.setattr(cloud, "remove", made.discard)
    monkeypatch.setattr(cloud, "image_of", lambda _, copy: Image.existing(id=copy.id))
    vm = machine("server", KEY)
    copy = DiskCopy(cast("OpenstackConnection", made), vm, vm.disks[0], name="copy", policy=policy)
    return asyncio.run(copy.image())


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_upload_that_comes_to_nothing_is_begun_again(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    made = Cloud(lost=lost)
    assert copied(made, monkeypatch).id == "i"
    assert made.uploads == lost + 1


def test_an_image_that_is_listed_late_is_not_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Cloud(late=1)
    assert copied(made, monkeypatch).id == "i"
    assert made.uploads == 1


def test_an_upload_that_comes_to_nothing_each_time_is_final_and_in_cinder_s_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Cloud(lost=9, words="image is too large")
    with pytest.raises(SourceError, match=r"3 times.*Cinder says: image is too large.*image_size_cap") as failure:
        copied(made, monkeypatch)
    assert not failure.value.retryable
    assert made.uploads == 3


def test_a_cinder_without_words_for_this_user_does_not_hide_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"nothing each time; see in the logs"):
        copied(Cloud(lost=9, words=SourceDenied("not for you")), monkeypatch)


def test_a_cloud_that_does_not_answer_for_a_while_is_looked_at_again_and_asked_for_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Cloud(silent=3)
    assert copied(made, monkeypatch).id == "i"
    assert made.uploads == 1


def test_a_cloud_that_does_not_answer_for_too_long_is_left_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceUnreachable, match="503"):
        copied(Cloud(silent=1 << 20), monkeypatch)


def test_an_image_that_nobody_writes_is_left_for_some_looks_before_it_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its upload may be about to begin, or Glance about to make a clone active."""
    made = Cloud()
    made.abandoned = True
    assert copied(made, monkeypatch).id == "i"
    assert (made.discards, made.uploads) == (1, 1)


def test_a_quota_that_copies_of_other_disks_hold_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Cloud()
    made.held = 3
    assert copied(made, monkeypatch).id == "i"
    assert made.uploads == 1


def test_a_quota_that_is_held_for_too_long_is_left_for_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Cloud()
    made.held = 1 << 20
    with pytest.raises(SourceBusy, match="hold it"):
        copied(made, monkeypatch)


def test_a_volume_that_broke_is_told_in_cinder_s_words(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Cloud(words="no host has room for it")
    made.volume = Copy(Kind.VOLUME, READY.id, "copy", "error")
    with pytest.raises(SourceError, match=r"'error'.*Cinder says: no host has room for it") as failure:
        copied(made, monkeypatch)
    assert not failure.value.retryable
